package delivery

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/netip"
	"slices"
	"strings"

	"tlsrelay/queue"
	"tlsrelay/tlspolicy"
	"tlsrelay/tlspolicy/probe"
)

// When TLS fails at an address, an attempt keeps what it saw there as evidence, and what a probe without mail has found out. It
// never waits for a probe: it asks for one, and the next attempt knows what came of it. A probe may tell why TLS fails, and that
// this is certain; it never says that less would do.

// Prober knows what servers offer. Its methods never wait.
type Prober interface {
	Known(probe.Target) (*probe.Result, bool)
	Ask(probe.Target)        // for a probe in the background
	Doubt(probe.Target) bool // has what is known forgotten, unless that is fresh: an attempt saw something else
}

// investigate takes evidence of a trouble with an address, if it is one of TLS, and gives it with the cause that is certain.
func (a *attempt) investigate(h host, addr netip.Addr, t trouble) trouble {
	cause, ok := tlspolicy.CauseOf(t.Cause)
	if !ok {
		return t
	}
	decision := h.asks(a.decision)
	now := a.d.opts.Now()
	e := queue.Evidence{
		Host: h.name, Remote: h.at(addr), Seen: t.TLS.Seen, Needed: cmp.Or(decision.Floor, tlspolicy.MinFloor).String(),
		First: now, Last: now, Attempts: 1,
	}
	if a.shown != nil {
		e.Certificate = factsOfX509(a.shown)
	}
	if r := a.d.ask(h.target(addr), decision, cause); r != nil {
		cause, e.Proven = r.Settle(decision, cause)
		testify(&e, r)
	} else {
		cause, e.Proven = a.provenBefore(e, cause)
	}
	if cause == tlspolicy.STARTTLSRefused && !strings.HasPrefix(t.Reply, "5") {
		e.Proven = false // whatever it said to the probe, this time it says that it may pass
	}
	t.Cause, t.Status, t.TLS.Proven = cause.Key, cause.Status, e.Proven
	e.Cause = cause.Key
	a.evidence = append(slices.DeleteFunc(a.evidence, func(other queue.Evidence) bool { return other.Remote == e.Remote }), e)
	return t
}

// provenBefore settles a cause by what an attempt at the job before knew of a probe that is forgotten by now, as it is after some
// hours or a restart.
func (a *attempt) provenBefore(now queue.Evidence, cause tlspolicy.Cause) (tlspolicy.Cause, bool) {
	for _, i := range a.job.Recipients {
		for _, e := range a.job.Item.Recipients[i].Evidence {
			before, ok := tlspolicy.CauseOf(e.Cause)
			if e.Remote == now.Remote && e.Needed == now.Needed && e.Proven && ok &&
				(cause == before || cause == tlspolicy.HandshakeFailed) && now.Last.Sub(e.Probed) < probe.ProofAge {
				return before, true
			}
		}
	}
	return cause, false
}

// ask gives what a probe has found out about a target at which an attempt failed, or nil if nothing is known. Where that is so, or
// the attempt saw something else, it asks for a probe.
func (d *Deliverer) ask(t probe.Target, on tlspolicy.Decision, failed tlspolicy.Cause) *probe.Result {
	if d.opts.Prober == nil {
		return nil
	}
	r, known := d.opts.Prober.Known(t)
	if !known || r.Contradicts(on, failed) && d.opts.Prober.Doubt(t) {
		d.opts.Prober.Ask(t)
	}
	if !known || r.Trouble != "" && !learnt(r) || r.Refused && failed != tlspolicy.STARTTLSRefused {
		return nil // nothing is known, or nothing of the server that the attempt met
	}
	return r
}

// target is what to ask a probe for.
func (h host) target(addr netip.Addr) probe.Target {
	return probe.Target{Addr: h.addrPort(addr), Name: h.name, Implicit: h.implicitTLS(), Anywhere: h.route != nil}
}

// testify adds what a probe has found out. One that learnt nothing says nothing.
func testify(e *queue.Evidence, r *probe.Result) {
	if !learnt(r) {
		return
	}
	e.Probed = r.Time
	var versions, exchanges []string
	for _, v := range r.Offered() {
		versions = append(versions, v.Name())
	}
	for _, x := range r.Exchanges {
		if x.Offered == probe.Yes {
			exchanges = append(exchanges, x.Name)
		}
	}
	e.Offers, e.KeyExchange = strings.Join(versions, ", "), strings.Join(exchanges, ", ")
	if c := r.Certificate; c != nil && e.Certificate.NotAfter.IsZero() { // what this attempt was shown is newer
		e.Certificate = queue.CertificateFacts{
			Names: listed(c.Names), Issuer: queue.Printable(c.Issuer), NotBefore: c.NotBefore, NotAfter: c.NotAfter,
		}
	}
}

// learnt reports whether a probe knows what a server offers, if only that it is no TLS at all, or that it refuses to begin. Of a
// server that hangs up on whatever it is asked it does not.
func learnt(r *probe.Result) bool {
	return r.STARTTLS == probe.No || r.Refused || len(r.Offered()) > 0 || r.Reaches(tlspolicy.SSL30) == probe.No
}

// shownIn gives the certificate that was why a handshake failed.
func shownIn(err error) *x509.Certificate {
	var verification *tls.CertificateVerificationError
	if errors.As(err, &verification) && len(verification.UnverifiedCertificates) > 0 {
		return verification.UnverifiedCertificates[0]
	}
	return nil
}

func factsOfX509(c *x509.Certificate) queue.CertificateFacts {
	return queue.CertificateFacts{Names: listed(probe.Names(c)), Issuer: probe.Issuer(c), NotBefore: c.NotBefore, NotAfter: c.NotAfter}
}

// maxNames bounds the names of a certificate that are kept: one for a hosting server may have a hundred.
const maxNames = 10

// listed joins names that a remote wrote.
func listed(list []string) string {
	text := queue.Printable(strings.Join(list[:min(len(list), maxNames)], ", "))
	if len(list) > maxNames {
		text += ", ..."
	}
	return text
}
