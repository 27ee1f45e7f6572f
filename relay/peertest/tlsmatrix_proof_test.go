//go:build linux

package peertest

import (
	"net"
	"regexp"
	"slices"
	"sync"
	"testing"
)

// proof is a host that the relay must turn down: another client, which takes anything, shows that it works, and with what. A host
// that is broken in another way than its row says would prove nothing.
type proof struct {
	row, addr string
	priority  string // of GnuTLS, to try it with that; "" is OpenSSL
	old       bool   // the session must be of TLS 1.1 or before
}

// anything has OpenSSL's client take what it knows.
var anything = []string{
	"-brief", "-starttls", "smtp", "-min_protocol", "TLSv1", "-cipher", "ALL:eNULL:@SECLEVEL=0",
	"-ciphersuites", "TLS_AES_128_GCM_SHA256:TLS_AES_128_CCM_SHA256:TLS_CHACHA20_POLY1305_SHA256",
	"-curves", "X25519:P-256:P-384:P-521:X448:brainpoolP256r1:ffdhe2048",
}

// planProof decides whether the host that decides a row needs a proof.
func (f *farm) planProof(m row, addr string) {
	if !slices.Contains([]string{broken, belowFloor, noCipher, unreadable}, m.want) {
		return
	}
	p := proof{row: m.name, addr: addr, old: m.want == belowFloor && m.level != "floor 1.3"}
	switch h := m.hosts[max(m.by, 1)-1].(type) {
	case openssl, gnutls, postfix:
	case gnutlsServ:
		p.priority = string(h)
	default:
		return
	}
	f.proofs = append(f.proofs, p)
}

// prove tries all hosts that need it, some at a time.
func (f *farm) prove(t *testing.T) {
	var all sync.WaitGroup
	places := make(chan struct{}, 4)
	for _, p := range f.proofs {
		places <- struct{}{}
		all.Go(func() {
			p.check(t, f)
			<-places
		})
	}
	all.Wait()
}

var sessionVersion = regexp.MustCompile(`(?:Protocol version: |Description: \()(SSLv3|TLS ?v?[0-9.]+)`)

func (p proof) check(t *testing.T, f *farm) {
	args := append([]string{"s_client", "-connect", f.n.at(p.addr)}, anything...)
	program := "openssl"
	if p.priority != "" {
		_, port, _ := net.SplitHostPort(f.n.at(p.addr))
		program, args = "gnutls-cli", []string{"--insecure", "--starttls-proto=smtp", "--priority", p.priority, "--port", port, p.addr}
	}
	r := run(t, "", program, args...)
	found := sessionVersion.FindStringSubmatch(r.out + r.errOut)
	if r.code != 0 || found == nil {
		t.Errorf("%s at %s is no good for %s, too:\n%s%s", p.row, p.addr, program, r.out, r.errOut)
		return
	}
	if isOld := slices.Contains([]string{"TLSv1", "TLSv1.1", "TLS1.0", "TLS1.1"}, found[1]); isOld != p.old {
		t.Errorf("%s at %s speaks %s", p.row, p.addr, found[1])
	}
}
