//go:build linux

package peertest

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"tlsrelay/relay"
	"tlsrelay/relay/dns/dnstest"
)

// server is an account without a password.
const server = "server@sender.test"

// certifiedListener takes what opensslAuthority vouches for. It comes after the listeners of startRelay.
const certifiedListener = `
[[listener]]
address = "127.0.0.1:0"
tls = "starttls"
auth = "required"
client_ca = %q
[[listener]]
address = "127.0.0.1:0"
tls = "implicit"
auth = "required"
client_ca = %[1]q
`

// opensslAuthority has openssl make an authority and certificates for some names, as an operator would.
func opensslAuthority(t *testing.T, dir string, names ...string) (authority string) {
	t.Helper()
	at := func(file string) string { return filepath.Join(dir, file) }
	key := []string{"-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"}
	openssl := func(args ...string) { t.Helper(); mustRun(t, "", "openssl", args...) }
	openssl(append([]string{"req", "-x509", "-subj", "/CN=Our clients", "-days", "2", "-keyout", at("ca.key"), "-out", at("ca.pem"),
		"-addext", "keyUsage=critical,keyCertSign"}, key...)...)
	for _, name := range names {
		writeFile(t, at("ext"), fmt.Appendf(nil, "subjectAltName=email:%s\nextendedKeyUsage=clientAuth\n", name))
		openssl(append([]string{"req", "-new", "-subj", "/CN=A server", "-keyout", at(name + ".key"), "-out", at("request")}, key...)...)
		openssl("x509", "-req", "-in", at("request"), "-CA", at("ca.pem"), "-CAkey", at("ca.key"), "-CAcreateserial", "-days", "1",
			"-extfile", at("ext"), "-out", at(name+".pem"))
	}
	return at("ca.pem")
}

// certified are programs that log in with a client certificate. Each gives the exit code and what it says.
var certified = []struct {
	name   string
	submit func(t *testing.T, n *network, r *running, listener int, cert string, m letter) result
}{
	{"curl", func(t *testing.T, n *network, r *running, listener int, cert string, m letter) result {
		file := filepath.Join(t.TempDir(), "letter")
		writeFile(t, file, []byte(m.Text))
		scheme := []string{"smtp", "smtps"}[listener-certifiedStartTLS]
		return run(t, "", "curl", "--disable", "--silent", "--show-error", "--verbose", "--ssl-reqd", "--cacert", n.cert, "--upload-file", file,
			"--cert", cert+".pem", "--key", cert+".key", "--user", filepath.Base(cert)+":", "--login-options", "AUTH=EXTERNAL",
			"--mail-from", m.From, "--mail-rcpt", m.To, scheme+"://"+r.address(listener)+"/app.test")
	}},
	// Without a user name msmtp would not answer the empty challenge.
	{"msmtp", func(t *testing.T, n *network, r *running, listener int, cert string, m letter) result {
		host, port := hostPort(t, r, listener)
		start := []string{"on", "off"}[listener-certifiedStartTLS]
		return run(t, unix(m.Text), "msmtp", "--file=/dev/null", "--debug", "--host="+host, "--port="+port, "--domain=app.test", "--tls=on",
			"--tls-starttls="+start, "--tls-trust-file="+n.cert, "--tls-cert-file="+cert+".pem", "--tls-key-file="+cert+".key",
			"--auth=external", "--user="+filepath.Base(cert), "--from="+m.From, "--", m.To)
	}},
}

// Listeners of certifiedListener.
const (
	certifiedStartTLS = implicit + 1 + iota
	certifiedImplicit
)

// Programs of other origins log in with certificates that openssl made. A certificate whose name is no account, or of another
// authority, is of no use.
func TestPeerCertificates(t *testing.T) {
	needPackages(t, "curl", "msmtp", "openssl", "stunnel4", "postfix")
	n := newNetwork(t)
	ours, others := t.TempDir(), t.TempDir()
	authority := opensslAuthority(t, ours, server, "stranger@sender.test")
	opensslAuthority(t, others, server)
	box := n.startTLS(t, "mx.dest.test", "TLSv1.3", "TLSv1.3", "127.0.77.41")
	r := startRelay(t, n, dnstest.Zone{
		"dest.test":    {MX: []string{"10 mx.dest.test."}},
		"mx.dest.test": {A: []string{"127.0.77.41"}},
	}, fmt.Sprintf(certifiedListener, authority))
	accounts, err := relay.OpenAccounts(r.cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := accounts.AddWithoutPassword(server); err != nil {
		t.Fatal(err)
	}
	arrived := 0
	for _, p := range certified {
		for _, listener := range []int{certifiedStartTLS, certifiedImplicit} {
			t.Run(fmt.Sprint(p.name, listener), func(t *testing.T) {
				m := newLetter(word(t), "dest.test", 5000)
				if got := p.submit(t, n, r, listener, filepath.Join(ours, server), m); got.code != 0 {
					t.Fatalf("%+v", got)
				}
				checkTaken(t, r, m, server, true)
				arrived++
				checkBox(t, box, arrived, m)
				m = newLetter(word(t), "dest.test", 100)
				got := p.submit(t, n, r, listener, filepath.Join(ours, "stranger@sender.test"), m)
				if got.code == 0 || !strings.Contains(got.out+got.errOut, "535 5.7.8 The name in the client certificate is not an account here") {
					t.Errorf("a stranger: %+v", got)
				}
				if got := p.submit(t, n, r, listener, filepath.Join(others, server), m); got.code == 0 {
					t.Errorf("a certificate of another authority: %+v", got)
				}
			})
		}
	}
	r.log.await(t, "client certificate refused", len(certified)*2, func(e entry) bool {
		return e["name"] == server && strings.Contains(fmt.Sprint(e["error"]), "unknown authority")
	})
}
