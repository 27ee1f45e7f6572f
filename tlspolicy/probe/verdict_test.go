package probe

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"tlsrelay/tlspolicy"
)

func TestContradicts(t *testing.T) {
	offers := func(newest tlspolicy.Version) *Result {
		r := &Result{STARTTLS: Yes}
		for _, v := range []tlspolicy.Version{tlspolicy.TLS10, tlspolicy.TLS11, tlspolicy.TLS12, tlspolicy.TLS13} {
			offered := Yes
			if v > newest {
				offered = No
			}
			r.Versions = append(r.Versions, Version{Version: v, Offered: offered})
		}
		return r
	}
	none := &Result{STARTTLS: No, Trouble: "STARTTLS is not offered"}
	refuses := &Result{STARTTLS: Yes, Refused: true, Trouble: "the server answers 502 5.5.1 not implemented"}
	later := &Result{Trouble: "the server answers 454 4.7.0 later"}
	unclear := &Result{STARTTLS: Yes, Versions: []Version{{Version: tlspolicy.TLS12}, {Version: tlspolicy.TLS13, Offered: No}}}
	strict := tlspolicy.Decision{Floor: tlspolicy.TLS13}
	for _, tc := range []struct {
		name  string
		r     *Result
		on    tlspolicy.Decision
		cause tlspolicy.Cause
		want  bool
	}{
		{"old, as seen", offers(tlspolicy.TLS11), tlspolicy.Decision{}, tlspolicy.VersionBelowFloor, false},
		{"new, yet it refused the version", offers(tlspolicy.TLS12), tlspolicy.Decision{}, tlspolicy.VersionBelowFloor, true},
		{"new, but not enough", offers(tlspolicy.TLS12), strict, tlspolicy.VersionBelowFloor, false},
		{"old, yet it showed a certificate", offers(tlspolicy.TLS11), tlspolicy.Decision{}, tlspolicy.CertificateName, true},
		{"new, with a bad certificate", offers(tlspolicy.TLS12), tlspolicy.Decision{}, tlspolicy.CertificateExpired, false},
		{"a handshake without a reason", offers(tlspolicy.TLS11), tlspolicy.Decision{}, tlspolicy.HandshakeFailed, false},
		{"unclear", unclear, tlspolicy.Decision{}, tlspolicy.VersionBelowFloor, false},
		{"unclear, a certificate", unclear, tlspolicy.Decision{}, tlspolicy.CertificateName, false},
		{"no STARTTLS, as seen", none, tlspolicy.Decision{}, tlspolicy.STARTTLSNotOffered, false},
		{"no STARTTLS, yet a handshake", none, tlspolicy.Decision{}, tlspolicy.HandshakeFailed, true},
		{"STARTTLS refused, as seen", refuses, tlspolicy.Decision{}, tlspolicy.STARTTLSRefused, false},
		{"STARTTLS refused, yet a handshake", refuses, tlspolicy.Decision{}, tlspolicy.HandshakeFailed, true},
		{"STARTTLS refused, yet an old version", refuses, tlspolicy.Decision{}, tlspolicy.VersionBelowFloor, true},
		{"STARTTLS refused, yet a certificate", refuses, tlspolicy.Decision{}, tlspolicy.CertificateName, true},
		{"STARTTLS refused, yet not offered", refuses, tlspolicy.Decision{}, tlspolicy.STARTTLSNotOffered, true},
		{"refused only then", offers(tlspolicy.TLS12), tlspolicy.Decision{}, tlspolicy.STARTTLSRefused, true},
		{"no STARTTLS, yet it was refused", none, tlspolicy.Decision{}, tlspolicy.STARTTLSRefused, true},
		{"refused for now, both times", later, tlspolicy.Decision{}, tlspolicy.STARTTLSRefused, false},
		{"STARTTLS, but not then", offers(tlspolicy.TLS12), tlspolicy.Decision{}, tlspolicy.STARTTLSNotOffered, true},
	} {
		if got := tc.r.Contradicts(tc.on, tc.cause); got != tc.want {
			t.Errorf("%s: %v", tc.name, got)
		}
	}
	if trouble := (&Result{Trouble: "connection refused"}); trouble.Contradicts(strict, tlspolicy.VersionBelowFloor) {
		t.Error("a probe that could not ask anything contradicts")
	}
}

// A refusal of STARTTLS proves the cause if it is permanent: 454 says that it may pass, however often it is said.
func TestSettleRefused(t *testing.T) {
	for name, tt := range map[string]struct {
		open   error
		proven bool
		kept   time.Duration
	}{
		"permanent":   {fmt.Errorf("%w: 502 5.5.1", ErrRefused), true, keepDefault},
		"temporary":   {errors.New("the server answers 454 4.7.0 later"), false, keepTrouble},
		"not offered": {ErrNotOffered, false, keepDefault},
	} {
		p := New(Options{Open: func(context.Context, Target) (net.Conn, error) { return nil, tt.open }})
		r := p.Probe(t.Context(), target("192.0.2.1:25"))
		if cause, proven := r.Settle(tlspolicy.Decision{}, tlspolicy.STARTTLSRefused); cause != tlspolicy.STARTTLSRefused || proven != tt.proven {
			t.Errorf("%s: %s, proven: %v", name, cause.Key, proven)
		}
		if cause, proven := r.Settle(tlspolicy.Decision{}, tlspolicy.HandshakeFailed); cause != tlspolicy.HandshakeFailed || proven {
			t.Errorf("%s: a handshake is %s, proven: %v", name, cause.Key, proven)
		}
		if p.keep(r) != tt.kept || r.Trouble == "" {
			t.Errorf("%s: kept for %v, trouble %q", name, p.keep(r), r.Trouble)
		}
	}
}

// says is a server that answers any ClientHello with the same bytes.
func says(answer []byte) func(net.Conn) {
	return func(c net.Conn) {
		c.Read(make([]byte, 4096))
		c.Write(answer)
		c.(*net.TCPConn).CloseWrite()
		io.Copy(io.Discard, c)
	}
}

// Of a server that turns down whatever it is asked it is not known what it offers, unless it says that it is the version.
func TestRefusalOfAll(t *testing.T) {
	for _, tt := range []struct {
		name  string
		alert byte
		want  string
	}{
		{"handshake failure", 40, "3.0? 1.0? 1.1? 1.2? 1.3? PQ? big?"},
		{"insufficient security", 71, "3.0? 1.0? 1.1? 1.2? 1.3? PQ? big?"},
		{"protocol version", 70, "3.0- 1.0- 1.1- 1.2- 1.3- PQ- big?"},
	} {
		s := serve(t, says(record(recordAlert, tls.VersionTLS12, []byte{alertFatal, tt.alert})))
		if got := summary(New(Options{Open: dial}).Probe(t.Context(), s.target)); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
	}
}

// A server that breaks off behind its ServerHello, for want of a certificate of the client's, does not lack a cipher.
func TestSettleWantsAClient(t *testing.T) {
	s := serve(t, goServer(&tls.Config{
		Certificates: []tls.Certificate{identity(t, nil, rsaKey())}, MaxVersion: tls.VersionTLS12, ClientAuth: tls.RequireAnyClientCert,
	}))
	r := New(Options{Open: dial}).Probe(t.Context(), s.target)
	if cause, proven := r.Settle(tlspolicy.Decision{}, tlspolicy.HandshakeFailed); proven || cause != tlspolicy.HandshakeFailed {
		t.Errorf("%s, proven: %v; %+v", cause.Key, proven, r)
	}
}

// The ciphers of TLS 1.2 prove nothing as long as the server may have TLS 1.3.
func TestSettleLeavesNewerVersionsOpen(t *testing.T) {
	for answer, want := range map[Answer]bool{No: true, Unknown: false} {
		r := &Result{
			Versions:  []Version{{Version: tlspolicy.TLS12, Offered: Yes}, {Version: tlspolicy.TLS13, Offered: answer}},
			Exchanges: []Exchange{{Name: ecdhe, Offered: No}, {Name: dhe, Offered: Yes}, {Name: rsa, Offered: No}},
		}
		if _, proven := r.Settle(tlspolicy.Decision{}, tlspolicy.HandshakeFailed); proven != want {
			t.Errorf("TLS 1.3 is %d: proven is %v", answer, proven)
		}
	}
}
