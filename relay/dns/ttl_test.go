package dns

import (
	"errors"
	"testing"
	"time"

	miekg "github.com/miekg/dns"

	"tlsrelay/relay/dns/dnstest"
)

func TestTTL(t *testing.T) {
	mx, v4, v6 := []string{"10 mx.example."}, []string{"192.0.2.1"}, []string{"2001:db8::1"}
	srv := dnstest.Serve(t, dnstest.Zone{
		"plain.example":  {MX: mx, A: v4, AAAA: v6, TTL: 300},
		"alias.example":  {CNAME: "plain.example.", TTL: 100},
		"bare.example":   {CNAME: "plain.example.", TTL: 400, Fault: dnstest.Bare},
		"barely.example": {CNAME: "plain.example.", TTL: 200, Fault: dnstest.Bare},
		"gone.example":   {CNAME: "missing.example.", TTL: 7},
		"four.example":   {A: v4, TTL: 300},
		"half.example":   {A: v4, TTL: 300, Fault: dnstest.ServFail, FaultFor: "AAAA"},
		"brief.example":  {AAAA: v6, TTL: 3, Fault: dnstest.ServFail, FaultFor: "A"},
	})
	c := client(t, Options{Servers: []string{srv.Addr()}})
	tests := []struct {
		name      string
		mx, addrs time.Duration // seconds
	}{
		{"plain.example", 300, 300},
		{"alias.example", 100, 100},
		{"bare.example", 300, 300},
		{"barely.example", 200, 200},
		{"gone.example", 7, 7},
		{"missing.example", 60, 60}, // of the SOA record
		{"four.example", 60, 60},    // MX and AAAA are denied for that long
		{"half.example", 60, 60},
		{"brief.example", 60, 3},
	}
	for _, tt := range tests {
		mx, err := c.LookupMX(t.Context(), tt.name)
		if errors.Is(err, ErrTrouble) || mx.TTL != tt.mx*time.Second {
			t.Errorf("MX of %s: %v, %v, want %d s", tt.name, mx.TTL, err, tt.mx)
		}
		addrs, err := c.LookupAddrs(t.Context(), tt.name)
		if errors.Is(err, ErrTrouble) || addrs.TTL != tt.addrs*time.Second {
			t.Errorf("addresses of %s: %v, %v, want %d s", tt.name, addrs.TTL, err, tt.addrs)
		}
	}
}

func TestDenialTTL(t *testing.T) {
	soa := func(ttl, minimum uint32) miekg.RR {
		return &miekg.SOA{
			Hdr: miekg.RR_Header{Name: "example.", Rrtype: miekg.TypeSOA, Class: miekg.ClassINET, Ttl: ttl},
			Ns:  "ns.example.", Mbox: "root.example.", Minttl: minimum,
		}
	}
	tests := []struct {
		name      string
		authority []miekg.RR
		want      time.Duration
	}{
		{"smaller minimum", []miekg.RR{soa(3600, 300)}, 300 * time.Second},
		{"smaller TTL", []miekg.RR{soa(60, 300)}, time.Minute},
		{"no SOA", nil, 0},
		{"another record", []miekg.RR{&miekg.NS{Hdr: miekg.RR_Header{Name: "example.", Rrtype: miekg.TypeNS, Class: miekg.ClassINET, Ttl: 60}, Ns: "ns.example."}}, 0},
		{"highest bit", []miekg.RR{soa(1<<31, 300)}, 0},
		{"largest", []miekg.RR{soa(1<<31-1, 1<<31-1)}, longest},
	}
	for _, tt := range tests {
		for _, rcode := range []int{miekg.RcodeNameError, miekg.RcodeSuccess} {
			srv := rawServer(t, func(q *miekg.Msg) [][]byte {
				return [][]byte{packed(t, q, "mx.example.", func(m *miekg.Msg) {
					m.Answer, m.Ns, m.Rcode = nil, tt.authority, rcode
				})}
			})
			a, err := client(t, Options{Servers: []string{srv}}).LookupMX(t.Context(), "example.org")
			if errors.Is(err, ErrNoSuchDomain) != (rcode == miekg.RcodeNameError) || a.TTL != tt.want {
				t.Errorf("%s, %s: %v, %v, want %v", tt.name, miekg.RcodeToString[rcode], a.TTL, err, tt.want)
			}
		}
	}
}

func TestMergeTTL(t *testing.T) {
	with, without := addresses([]miekg.RR{&miekg.A{A: []byte{192, 0, 2, 1}}}), family{}.addrs
	tests := []struct {
		name      string
		four, six family
		want      time.Duration
	}{
		{"both have addresses", family{addrs: with, ttl: time.Hour}, family{addrs: with, ttl: time.Minute}, time.Minute},
		{"six is denied for longer", family{addrs: with, ttl: time.Hour}, family{addrs: without, ttl: 2 * time.Hour}, time.Hour},
		{"six is denied for less", family{addrs: with, ttl: time.Hour}, family{addrs: without, ttl: 5 * time.Minute}, 5 * time.Minute},
		{"six is denied without a TTL", family{addrs: with, ttl: time.Hour}, family{addrs: without}, oneSided},
		{"and four is shorter still", family{addrs: with, ttl: time.Second}, family{addrs: without}, time.Second},
		{"neither has any", family{ttl: time.Hour}, family{ttl: time.Second}, time.Second},
	}
	for _, tt := range tests {
		for _, pair := range [][2]family{{tt.four, tt.six}, {tt.six, tt.four}} {
			if got := mergeTTL(pair[0], pair[1]); got != tt.want {
				t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
			}
		}
	}
}
