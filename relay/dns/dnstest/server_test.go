package dnstest

import (
	"strings"
	"testing"
	"time"

	miekg "github.com/miekg/dns"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// ask puts one question to the server; nil is no answer.
func ask(t *testing.T, s *Server, network, name string, qtype uint16) *miekg.Msg {
	t.Helper()
	c := &miekg.Client{Net: network, Timeout: 5 * time.Second}
	m, _, err := c.Exchange(new(miekg.Msg).SetQuestion(name, qtype), s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestServe(t *testing.T) {
	s := Serve(t, Zone{
		"Example.org":  {MX: []string{"10 mx.example.org.", "0 ."}, A: []string{"192.0.2.1"}, Authentic: true},
		"www.example.": {CNAME: "example.org."},
		"cut.example":  {A: []string{"192.0.2.2"}, Fault: Truncate},
		"half.example": {A: []string{"192.0.2.2"}, AAAA: []string{"2001:db8::1"}, Fault: ServFail, FaultFor: "A"},
	})
	tests := []struct {
		network, name string
		qtype         uint16
		rcode, n      int
		ad, tc        bool
	}{
		{"udp", "example.org.", miekg.TypeMX, miekg.RcodeSuccess, 2, true, false},
		{"tcp", "EXAMPLE.org.", miekg.TypeMX, miekg.RcodeSuccess, 2, true, false},
		{"udp", "example.org.", miekg.TypeAAAA, miekg.RcodeSuccess, 0, true, false},
		{"udp", "other.org.", miekg.TypeMX, miekg.RcodeNameError, 0, false, false},
		{"udp", "www.example.", miekg.TypeA, miekg.RcodeSuccess, 2, false, false},
		{"udp", "cut.example.", miekg.TypeA, miekg.RcodeSuccess, 0, false, true},
		{"tcp", "cut.example.", miekg.TypeA, miekg.RcodeSuccess, 1, false, false},
		{"udp", "half.example.", miekg.TypeA, miekg.RcodeServerFailure, 0, false, false},
		{"udp", "half.example.", miekg.TypeAAAA, miekg.RcodeSuccess, 1, false, false},
	}
	for _, tt := range tests {
		m := ask(t, s, tt.network, tt.name, tt.qtype)
		if m.Rcode != tt.rcode || len(m.Answer) != tt.n || m.AuthenticatedData != tt.ad || m.Truncated != tt.tc {
			t.Errorf("%s %s over %s:\n%v", miekg.TypeToString[tt.qtype], tt.name, tt.network, m)
		}
	}
	if q := s.Queries(); len(q) != len(tests) || q[1] != "MX example.org./tcp" {
		t.Errorf("queries %v", q)
	}
}

func TestSet(t *testing.T) {
	s := Serve(t, nil)
	if m := ask(t, s, "udp", "example.org.", miekg.TypeA); m.Rcode != miekg.RcodeNameError {
		t.Fatalf("an empty zone answers %v", m)
	}
	if err := s.Set("example.org", Records{A: []string{"192.0.2.1"}}); err != nil {
		t.Fatal(err)
	}
	if m := ask(t, s, "udp", "example.org.", miekg.TypeA); len(m.Answer) != 1 {
		t.Errorf("after Set: %v", m)
	}
}

func TestBadRecord(t *testing.T) {
	_, err := Start(Zone{"example.org": {A: []string{"not an address"}}})
	if err == nil || !strings.Contains(err.Error(), `example.org. has the bad A record "not an address"`) {
		t.Errorf("got %v", err)
	}
}
