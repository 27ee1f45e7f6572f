package probe

import (
	"testing"

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
