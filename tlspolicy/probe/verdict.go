package probe

import (
	"strings"
	"time"

	"tlsrelay/tlspolicy"
)

// ProofAge is for how long what a probe proved is still told where attempts go on to fail in the same way. The next probe comes
// before.
const ProofAge = 24 * time.Hour

// Offered gives the versions that are offered, the oldest first.
func (r *Result) Offered() []tlspolicy.Version {
	var offered []tlspolicy.Version
	for _, v := range r.Versions {
		if v.Offered == Yes {
			offered = append(offered, v.Version)
		}
	}
	return offered
}

// Reaches says whether a version at or above the floor is offered. It takes a No about each of them for a No.
func (r *Result) Reaches(floor tlspolicy.Version) Answer {
	count := make(map[Answer]int)
	for _, v := range r.Versions {
		if v.Version >= floor {
			count[v.Offered]++
		}
	}
	switch {
	case count[Yes] > 0:
		return Yes
	case count[Unknown] > 0 || count[No] == 0:
		return Unknown
	}
	return No
}

// Settle gives the cause that an attempt's cause turns out to be after the probe, and whether the probe alone proves it. Of a
// handshake that failed without a reason it makes a clear cause; what it cannot prove it leaves as it is.
//
// Of a server that refuses STARTTLS it takes a permanent refusal for a proof, as the server itself says that to ask again is in vain
// (RFC 5321 section 4.2.1). One that says 454 to the probe, too, says that it may pass: that two said so is no proof that a third will.
func (r *Result) Settle(d tlspolicy.Decision, c tlspolicy.Cause) (cause tlspolicy.Cause, proven bool) {
	switch c {
	case tlspolicy.VersionBelowFloor, tlspolicy.NoCommonCipher, tlspolicy.HandshakeFailed:
		if proof, ok := r.proof(d); ok {
			return proof, true
		}
		return c, false
	case tlspolicy.STARTTLSNotOffered:
		return c, r.STARTTLS == No
	case tlspolicy.STARTTLSRefused:
		return c, r.Refused
	}
	return c, r.Certificate != nil && r.Certificate.shows(c, r)
}

// Contradicts reports whether an attempt that failed for a cause cannot have met what the probe saw: the server was changed since
// then, or there are several behind its address.
func (r *Result) Contradicts(d tlspolicy.Decision, c tlspolicy.Cause) bool {
	switch c {
	case tlspolicy.STARTTLSNotOffered:
		return r.STARTTLS == Yes
	case tlspolicy.STARTTLSRefused:
		return r.STARTTLS != Unknown && !r.Refused
	case tlspolicy.HandshakeFailed, tlspolicy.NoCommonCipher:
		return r.closed()
	case tlspolicy.VersionBelowFloor:
		return r.closed() || r.Reaches(max(d.Floor, tlspolicy.MinFloor)) == Yes
	}
	return r.closed() || r.Reaches(max(d.Floor, tlspolicy.MinFloor)) == No // it came as far as the certificate
}

// closed reports whether the server lets nobody begin a handshake.
func (r *Result) closed() bool { return r.STARTTLS == No || r.Refused }

// proof names why no handshake under the decision can succeed, if the probe shows that.
func (r *Result) proof(d tlspolicy.Decision) (tlspolicy.Cause, bool) {
	floor := max(d.Floor, tlspolicy.MinFloor)
	offered := r.Offered()
	switch r.Reaches(floor) {
	case No:
		// Where nothing at all is offered, something else is wrong.
		return tlspolicy.VersionBelowFloor, len(offered) > 0
	case Yes:
		old := r.Reaches(tlspolicy.TLS13) == No
		return tlspolicy.NoCommonCipher, r.refused || old && r.lacksExchange(d)
	}
	return tlspolicy.Cause{}, false
}

// lacksExchange reports whether the server has none of the key exchanges that the decision allows in TLS 1.2.
func (r *Result) lacksExchange(d tlspolicy.Decision) bool {
	ours := 0
	for _, e := range r.Exchanges {
		if e.Name == ecdhe || e.Name == rsa && d.Level != tlspolicy.Verified {
			if e.Offered != No {
				return false
			}
			ours++
		}
	}
	return ours > 0
}

// shows reports whether the certificate has the problem that the cause names.
func (c *Certificate) shows(cause tlspolicy.Cause, r *Result) bool {
	switch cause {
	case tlspolicy.CertificateExpired:
		return !c.NotAfter.IsZero() && (r.Time.After(c.NotAfter) || r.Time.Before(c.NotBefore)) ||
			strings.HasPrefix(c.Problem, outOfDate) // one further up in the chain
	case tlspolicy.CertificateName:
		return c.Fits == No
	case tlspolicy.CertificateUntrusted:
		return c.Trusted == No
	case tlspolicy.CertificateUnreadable:
		return c.Problem != "" && c.Trusted == Unknown && c.Fits == Unknown
	}
	return false
}
