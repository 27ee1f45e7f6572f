package check

import (
	"strings"

	"tlsrelay/queue"
	"tlsrelay/relay/delivery"
	"tlsrelay/tlspolicy"
	"tlsrelay/tlspolicy/probe"
)

// judge says what would become of mail at an address. tried is what came of a handshake as mail would make it, way what kept the
// probe from asking, nil if that is not known.
func judge(r *probe.Result, d tlspolicy.Decision, tried error, way *delivery.ReachError) Verdict {
	switch {
	case r.STARTTLS == probe.No && d.Level == tlspolicy.Opportunistic:
		return Verdict{Passes: true, Clear: true}
	case r.STARTTLS == probe.No:
		return Verdict{Cause: tlspolicy.STARTTLSNotOffered.Key}
	case belowFloor(r, d):
		return Verdict{Cause: tlspolicy.VersionBelowFloor.Key}
	case r.Trouble != "":
		if way == nil {
			return Verdict{Cause: queue.ConnectionLost.Key, Detail: words(r.Trouble)}
		}
		return Verdict{Cause: way.Outcome.Cause, Detail: words(way.Error())}
	case tried == nil:
		return Verdict{Passes: true}
	}
	return Verdict{Cause: handshakeCause(r, d).Key, Detail: words(tried.Error())}
}

// belowFloor reports whether the probe proves that no version is new enough.
func belowFloor(r *probe.Result, d tlspolicy.Decision) bool {
	cause, proven := r.Settle(d, tlspolicy.VersionBelowFloor)
	return proven && cause == tlspolicy.VersionBelowFloor
}

// handshakeCause names why the handshake failed, as far as the probe proves it. Go looks at a certificate's time first, then at
// its name, then at the chain.
func handshakeCause(r *probe.Result, d tlspolicy.Decision) tlspolicy.Cause {
	if cause, proven := r.Settle(d, tlspolicy.HandshakeFailed); proven {
		return cause
	}
	causes := []tlspolicy.Cause{tlspolicy.CertificateUnreadable}
	if d.Level == tlspolicy.Verified {
		causes = []tlspolicy.Cause{
			tlspolicy.CertificateExpired, tlspolicy.CertificateName, tlspolicy.CertificateUntrusted, tlspolicy.CertificateUnreadable,
		}
	}
	for _, c := range causes {
		if _, proven := r.Settle(d, c); proven {
			return c
		}
	}
	return tlspolicy.HandshakeFailed
}

// maxWords bounds remote text, in bytes.
const maxWords = 300

// words makes text of a remote fit for people and terminals: one line, no control characters, no end of it.
func words(s string) string {
	if len(s) > maxWords {
		s = strings.ToValidUTF8(s[:maxWords], "") + " [...]"
	}
	return queue.Printable(s)
}

// noClearAfterBroken takes back the leave to send in clear text behind a host whose TLS is broken: a failed handshake is never
// followed by clear text, on any host.
func noClearAfterBroken(hosts []Host) {
	broken := false
	for _, h := range hosts {
		for i := range h.Addresses {
			v := &h.Addresses[i].Verdict
			if v.Clear && broken {
				*v = Verdict{Cause: tlspolicy.STARTTLSNotOffered.Key}
			}
			broken = broken || tlspolicy.IsCause(v.Cause) && v.Cause != tlspolicy.STARTTLSNotOffered.Key
		}
	}
}

// maxTrouble bounds remote text in the table, in characters.
const maxTrouble = 60

// short is a verdict in a few words, for the table.
func (a Address) short() string {
	v := a.Verdict
	switch {
	case a.Late:
		return "not known: time is over"
	case v.Clear:
		return "no STARTTLS: mail goes in clear text"
	case v.Passes && a.Result.Reaches(tlspolicy.TLS13) == probe.No:
		return "ok, but no TLS 1.3"
	case v.Passes:
		return "ok"
	case tlspolicy.IsCause(v.Cause):
		return shortCauses[v.Cause] + ": no mail"
	}
	return unreached(v.Cause) + ": " + clip(plain(strings.TrimPrefix(v.Detail, "connecting failed: ")), maxTrouble)
}

var shortCauses = map[string]string{
	tlspolicy.STARTTLSNotOffered.Key:    "no STARTTLS",
	tlspolicy.STARTTLSRefused.Key:       "STARTTLS refused",
	tlspolicy.VersionBelowFloor.Key:     "below the floor",
	tlspolicy.NoCommonCipher.Key:        "no common cipher",
	tlspolicy.HandshakeFailed.Key:       "TLS fails",
	tlspolicy.CertificateExpired.Key:    "certificate expired",
	tlspolicy.CertificateName.Key:       "wrong name",
	tlspolicy.CertificateUntrusted.Key:  "not trusted",
	tlspolicy.CertificateUnreadable.Key: "unreadable certificate",
}

// unreached says that a server could not be asked.
func unreached(cause string) string {
	switch cause {
	case queue.RemoteTemporary.Key, queue.RemotePermanent.Key, queue.RemoteProtocol.Key:
		return "turns us away"
	}
	return "cannot be reached"
}
