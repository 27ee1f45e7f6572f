package probe

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	rsakey "crypto/rsa"
	"crypto/x509"
	"fmt"
	"strings"
	"time"

	"tlsrelay/tlspolicy"
)

// CommonName begins what is no name that counts, see Names.
const CommonName = "CN="

const (
	maxNames = 20
	maxName  = 253
	maxWords = 200

	// outOfDate is how the words of a [x509.CertificateInvalidError] for [x509.Expired] begin.
	outOfDate = "x509: certificate has expired or is not yet valid"
)

// certificate notes what the handshake showed of the certificate or, failing that, the answers before it.
func (s *survey) certificate(h handshake) {
	chain := h.state.PeerCertificates
	var broken error
	if len(chain) == 0 {
		chain, broken = parse(s.chain)
	}
	if h.cause == tlspolicy.CertificateUnreadable {
		broken = h.err
	}
	switch {
	case len(chain) > 0:
		s.r.Certificate = s.p.judge(chain, s.target, s.p.opts.Now(), broken)
	case broken != nil:
		s.r.Certificate = &Certificate{Problem: words(broken)}
	}
}

// parse reads a chain as far as it can be read. The error is about the server's own certificate.
func parse(der [][]byte) ([]*x509.Certificate, error) {
	var chain []*x509.Certificate
	for i, b := range der {
		c, err := x509.ParseCertificate(b)
		if err != nil && i == 0 {
			return nil, err
		}
		if err == nil {
			chain = append(chain, c)
		}
	}
	return chain, nil
}

// judge looks at a chain as a client does that must know whom it talks to. broken is why the certificate cannot be used at all.
func (p *Prober) judge(chain []*x509.Certificate, t Target, now time.Time, broken error) *Certificate {
	leaf := chain[0]
	c := &Certificate{Names: Names(leaf), Issuer: clean(leaf.Issuer.String(), maxName), NotBefore: leaf.NotBefore, NotAfter: leaf.NotAfter, Key: key(leaf.PublicKey)}
	if broken != nil {
		c.Problem = words(broken)
		return c
	}
	o := x509.VerifyOptions{Roots: p.opts.Roots, Intermediates: x509.NewCertPool(), CurrentTime: now}
	for _, further := range chain[1:min(len(chain), maxChain)] {
		o.Intermediates.AddCert(further)
	}
	_, untrusted := leaf.Verify(o)
	misnamed := leaf.VerifyHostname(t.serverName())
	c.Trusted, c.Fits = answerTo(untrusted), answerTo(misnamed)
	switch { // in the order in which crypto/x509 looks
	case untrusted != nil && strings.HasPrefix(untrusted.Error(), outOfDate), misnamed == nil && untrusted != nil:
		c.Problem = words(untrusted)
	case misnamed != nil:
		c.Problem = words(misnamed)
	}
	return c
}

func answerTo(err error) Answer {
	if err != nil {
		return No
	}
	return Yes
}

// Names lists what a certificate is made for, at most 20 names. One that has none in the form that counts (RFC 9525 section 2)
// may have a common name, which is given as "CN=mx.example.org".
func Names(c *x509.Certificate) []string {
	all := c.DNSNames
	for _, ip := range c.IPAddresses {
		all = append(all[:len(all):len(all)], ip.String())
	}
	if len(all) == 0 && c.Subject.CommonName != "" {
		all = []string{CommonName + c.Subject.CommonName}
	}
	var names []string
	for _, n := range all[:min(len(all), maxNames)] {
		names = append(names, clean(n, maxName))
	}
	return names
}

// key says what kind of key it is, and how long.
func key(public any) string {
	switch k := public.(type) {
	case *rsakey.PublicKey:
		return fmt.Sprintf("RSA %d", k.N.BitLen())
	case *ecdsa.PublicKey:
		return "ECDSA " + k.Curve.Params().Name
	case ed25519.PublicKey:
		return "Ed25519"
	}
	return "of another kind"
}
