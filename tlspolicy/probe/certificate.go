package probe

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	rsakey "crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
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

	maxKey    = 8192    // bits of RSA, as in crypto/tls: a signature by a longer one takes seconds to verify
	maxIssuer = 4 << 10 // bytes; to write out a long one takes time in the square of its length

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
		if err == nil {
			err = bearable(c.PublicKey)
		}
		if err != nil && i == 0 {
			return nil, err
		}
		if err == nil {
			chain = append(chain, c)
		}
	}
	return chain, nil
}

// bearable says whether a key is too long to be of use.
func bearable(public any) error {
	if k, ok := public.(*rsakey.PublicKey); ok && k.N.BitLen() > maxKey {
		return fmt.Errorf("the key has %d bits, more than %d", k.N.BitLen(), maxKey)
	}
	return nil
}

// judge looks at a chain as a client does that must know whom it talks to. broken is why the certificate cannot be used at all.
func (p *Prober) judge(chain []*x509.Certificate, t Target, now time.Time, broken error) *Certificate {
	leaf := chain[0]
	c := &Certificate{Names: Names(leaf), Issuer: Issuer(leaf), NotBefore: leaf.NotBefore, NotAfter: leaf.NotAfter, Key: key(leaf.PublicKey)}
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

// Names lists what a certificate is made for, at most 20 names, in printable ASCII and of bounded length. One that has none in the
// form that counts (RFC 9525 section 2) may have a common name, which is given as "CN=mx.example.org".
func Names(c *x509.Certificate) []string {
	var names []string
	add := func(name string) {
		if len(names) < maxNames {
			names = append(names, clean(name, maxName))
		}
	}
	for _, n := range c.DNSNames {
		add(n)
	}
	for _, ip := range c.IPAddresses[:min(len(c.IPAddresses), maxNames)] {
		add(ip.String())
	}
	if names == nil && c.Subject.CommonName != "" {
		add(CommonName + c.Subject.CommonName)
	}
	return names
}

// Issuer is who a certificate says that it is from, in printable ASCII and of bounded length.
func Issuer(c *x509.Certificate) string {
	issuer := c.Issuer
	if len(c.RawIssuer) > maxIssuer { // nobody's honest name
		issuer = pkix.Name{CommonName: issuer.CommonName, Organization: issuer.Organization[:min(1, len(issuer.Organization))]}
	}
	return clean(issuer.String(), maxName)
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
