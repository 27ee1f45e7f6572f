package submission

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"math/big"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// ca is an authority for client certificates.
type ca struct {
	t    testing.TB
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newCA(t testing.TB, name string) *ca {
	t.Helper()
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	c := &ca{t: t}
	c.cert, c.key = template, nil
	made := c.issue(template)
	c.cert, c.key = made.Leaf, made.PrivateKey.(*ecdsa.PrivateKey)
	return c
}

func (c *ca) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(c.cert)
	return pool
}

// issue signs a certificate, itself if the authority has no key yet. It is good for an hour unless the template says other.
func (c *ca) issue(template *x509.Certificate) tls.Certificate {
	c.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		c.t.Fatal(err)
	}
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	if template.NotAfter.IsZero() {
		template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	}
	signer := c.key
	if signer == nil {
		signer = key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, c.cert, &key.PublicKey, signer)
	if err != nil {
		c.t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		c.t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// clientCert is a template of a client's certificate.
func clientCert(commonName string, addresses ...string) *x509.Certificate {
	return &x509.Certificate{
		Subject: pkix.Name{CommonName: commonName}, EmailAddresses: addresses,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
}

// dialWith does STARTTLS as a client with this TLS side, and says EHLO. The error is that TLS failed.
func (r *rig) dialWith(cfg *tls.Config) (*client, string, error) {
	r.t.Helper()
	c := r.dial()
	c.say("EHLO client.test", "250")
	c.say("STARTTLS", "220 2.0.0")
	cfg = cfg.Clone()
	cfg.InsecureSkipVerify, cfg.ServerName = true, hostname
	conn := tls.Client(c.conn, cfg)
	if err := conn.Handshake(); err != nil {
		return nil, "", err
	}
	c.conn, c.in = conn, bufio.NewReader(conn)
	meanwhile(r.t, func() { io.WriteString(conn, "EHLO client.test\r\n") }) // the pipe is full of an alert, maybe
	hello, err := c.reply()                                                 // in TLS 1.3 a client learns only here that its certificate was refused
	return c, hello, err
}

// showing is the TLS side of a client that shows a certificate whatever authorities the server names.
func showing(cert tls.Certificate) *tls.Config {
	return &tls.Config{GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &cert, nil }}
}

// certified is a listener where clients of an authority log in.
func certified(c *ca) Listener {
	return Listener{TLS: TLSStartTLS, Auth: AuthRequired, ClientCAs: c.pool}
}

func TestExternal(t *testing.T) {
	ours := newCA(t, "Our CA")
	for name, cert := range map[string]*x509.Certificate{
		"mail address": clientCert("Some Server", account, "other@example.org"), "common name": clientCert(account),
	} {
		for _, script := range [][]string{
			{"AUTH EXTERNAL =", "235 2.7.0"},
			{"auth external", "334 \r\n", "", "235"},
			{"AUTH EXTERNAL", "334 \r\n", "=", "235"},
			{"AUTH EXTERNAL " + b64(account), "235"},
			{"AUTH EXTERNAL", "334", b64(account), "235"},
			{"AUTH EXTERNAL", "334", "*", "501 5.7.0", "AUTH EXTERNAL =", "235"},
			{"AUTH PLAIN " + b64("\x00"+account+"\x00"+secret), "235"},
		} {
			t.Run(name, func(t *testing.T) {
				r := start(t, certified(ours))
				c, hello, err := r.dialWith(showing(ours.issue(cert)))
				if err != nil || !strings.Contains(hello, "250-AUTH PLAIN LOGIN SCRAM-SHA-256 SCRAM-SHA-256-PLUS EXTERNAL\r\n") {
					t.Fatalf("%q, %v", hello, err)
				}
				for i := 0; i < len(script); i += 2 {
					c.say(script[i], script[i+1])
				}
				c.mail()
				c.send("\r\n.\r\n")
				c.expect("250")
				if m := r.queue.take()[0]; m.Account != account || !strings.Contains(m.text, "with ESMTPSA") {
					t.Errorf("%+v", m)
				}
			})
		}
	}
}

func TestExternalImplicitTLS(t *testing.T) {
	ours := newCA(t, "Our CA")
	r := start(t, Listener{TLS: TLSImplicit, Auth: AuthOptional, ClientCAs: ours.pool})
	c := r.connect()
	cfg := showing(ours.issue(clientCert(account)))
	cfg.InsecureSkipVerify = true
	conn := tls.Client(c.conn, cfg)
	if err := conn.Handshake(); err != nil {
		t.Fatal(err)
	}
	c.conn, c.in = conn, bufio.NewReader(conn)
	c.expect("220")
	c.say("EHLO client.test", "250")
	c.say("AUTH EXTERNAL =", "235")
}

// Without a certificate, or at a listener that asks for none, all is as if there were no EXTERNAL.
func TestExternalNeedsACertificate(t *testing.T) {
	ours := newCA(t, "Our CA")
	for name, tc := range map[string]struct {
		listener Listener
		client   *tls.Config
	}{
		"no certificate": {certified(ours), &tls.Config{}},
		"not asked for":  {submissionPort, showing(ours.issue(clientCert(account)))},
	} {
		t.Run(name, func(t *testing.T) {
			c, hello, err := start(t, tc.listener).dialWith(tc.client)
			if err != nil || strings.Contains(hello, "EXTERNAL") {
				t.Fatalf("%q, %v", hello, err)
			}
			c.say("AUTH EXTERNAL =", "504 5.5.4")
			c.say("MAIL FROM:<a@app.test>", "530 5.7.0")
			c.say("AUTH PLAIN "+b64("\x00"+account+"\x00"+secret), "235")
		})
	}
}

func TestBadCertificates(t *testing.T) {
	ours, others := newCA(t, "Our CA"), newCA(t, "Another CA")
	late, early, server, silent := clientCert(account), clientCert(account), clientCert(account), clientCert(account)
	late.NotBefore, late.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(-time.Minute)
	early.NotBefore, early.NotAfter = time.Now().Add(time.Hour), time.Now().Add(2*time.Hour)
	server.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	silent.ExtKeyUsage = nil
	stolen := ours.issue(clientCert(account)) // a certificate without its key
	stolen.PrivateKey = others.key
	selfSigned := &ca{t: t, cert: clientCert(account)}
	for name, tc := range map[string]struct {
		cert tls.Certificate
		says string
	}{
		"unknown authority":    {others.issue(clientCert(account)), "unknown authority"},
		"self-signed":          {selfSigned.issue(selfSigned.cert), "unknown authority"},
		"expired":              {ours.issue(late), "expired"},
		"not valid yet":        {ours.issue(early), "not yet valid"},
		"for servers":          {ours.issue(server), "incompatible key usage"},
		"for no purpose named": {ours.issue(silent), "its extended key usage does not name clientAuth"},
		"the key of another":   {stolen, "invalid signature"},
	} {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			t.Run(name+" "+tls.VersionName(version), func(t *testing.T) {
				r := start(t, certified(ours))
				cfg := showing(tc.cert)
				cfg.MinVersion, cfg.MaxVersion = version, version
				if _, hello, err := r.dialWith(cfg); err == nil {
					t.Fatalf("the client goes on with %q", hello)
				}
				want := regexp.MustCompile(`msg="client certificate refused" client=192\.0\.2\.1 name=` + account + ` error=".*` + tc.says)
				if name == "the key of another" {
					want = regexp.MustCompile(`msg="TLS handshake failed" client=192\.0\.2\.1 error=".*` + tc.says)
				}
				for deadline := time.Now().Add(5 * time.Second); !want.MatchString(r.log.String()); time.Sleep(time.Millisecond) {
					if time.Now().After(deadline) {
						t.Fatalf("log: %s", r.log)
					}
				}
			})
		}
	}
}

// The certificate is right, but not for who the client wants to be. Three such attempts end the connection.
func TestExternalRefuses(t *testing.T) {
	ours := newCA(t, "Our CA")
	const (
		unknown = "535 5.7.8 The name in the client certificate is not an account here"
		another = "535 5.7.8 The client certificate is for another account"
	)
	for name, tc := range map[string]struct {
		cert         *x509.Certificate
		auth, answer string
	}{
		"no account":             {clientCert("nobody"), "AUTH EXTERNAL =", unknown},
		"other case":             {clientCert(strings.ToUpper(account)), "AUTH EXTERNAL =", unknown},
		"account as second name": {clientCert(account, "nobody@example.org", account), "AUTH EXTERNAL =", unknown},
		"no account, but asks":   {clientCert("nobody"), "AUTH EXTERNAL " + b64(account), unknown},
		"no name":                {clientCert(""), "AUTH EXTERNAL =", "535 5.7.8 The client certificate has neither"},
		"asks for another":       {clientCert(account), "AUTH EXTERNAL " + b64("root"), another},
		"asks with NUL":          {clientCert(account), "AUTH EXTERNAL " + b64(account+"\x00"), another},
		"long name":              {clientCert(strings.Repeat("n", 60000)), "AUTH EXTERNAL =", unknown},
		"accounts in trouble":    {clientCert("trouble"), "AUTH EXTERNAL =", "454 4.7.0 Logins cannot be checked now"},
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, certified(ours), func(o *Options) { o.Accounts = troubledAccounts{} })
			c, _, err := r.dialWith(showing(ours.issue(tc.cert)))
			if err != nil {
				t.Fatal(err)
			}
			for range maxFailedLogins {
				c.say(tc.auth, tc.answer)
				if strings.HasPrefix(tc.answer, "454") {
					return
				}
			}
			c.expect("421 4.7.0")
			c.expectEnd()
			if log := r.log.String(); len(log) > 3000 || strings.Contains(log, "root") {
				t.Errorf("log: %s", log)
			}
		})
	}
}

// troubledAccounts cannot tell whether "trouble" is an account.
type troubledAccounts struct{ fakeAccounts }

func (a troubledAccounts) Has(name string) (bool, error) {
	if name == "trouble" {
		return false, io.ErrUnexpectedEOF
	}
	return a.fakeAccounts.Has(name)
}

// No session is resumed where certificates count: when an authority is taken away, its clients are out with their next
// connection, whatever tickets they hold. Elsewhere sessions are resumed, and are worth nothing here.
func TestNoResumption(t *testing.T) {
	ours, others := newCA(t, "Our CA"), newCA(t, "Another CA")
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			var pool atomic.Pointer[x509.CertPool]
			pool.Store(ours.pool())
			listener := certified(ours)
			listener.ClientCAs = pool.Load
			r := start(t, listener, func(o *Options) { o.TLSConfig.SetSessionTicketKeys([][32]byte{{1}}) }) // whoever has one could resume
			cfg := showing(ours.issue(clientCert(account)))
			cfg.MinVersion, cfg.MaxVersion, cfg.ClientSessionCache = version, version, tls.NewLRUClientSessionCache(8)

			for n := range 3 {
				c, _, err := r.dialWith(cfg)
				if err != nil {
					t.Fatal(err)
				}
				if c.conn.(*tls.Conn).ConnectionState().DidResume {
					t.Errorf("connection %d resumes a session", n+1)
				}
				c.say("AUTH EXTERNAL =", "235")
			}
			pool.Store(others.pool())
			if _, hello, err := r.dialWith(cfg); err == nil {
				t.Fatalf("the authority is gone, but its client goes on with %q", hello)
			}
		})
	}
}

// A ticket of a listener without certificates, of the same server, opens nothing at one with them.
func TestTicketOfAnotherListener(t *testing.T) {
	ours := newCA(t, "Our CA")
	r := start(t, Listener{Address: "127.0.0.1:0", TLS: TLSImplicit, Auth: AuthRequired}, func(o *Options) {
		o.Listeners = append(o.Listeners, Listener{Address: "127.0.0.1:0", TLS: TLSImplicit, Auth: AuthRequired, ClientCAs: ours.pool})
	})
	cfg := showing(ours.issue(clientCert(account)))
	cfg.InsecureSkipVerify, cfg.ServerName, cfg.ClientSessionCache = true, hostname, tls.NewLRUClientSessionCache(8)
	for i, want := range []struct{ resumed, offered bool }{{false, false}, {true, false}, {false, true}} {
		conn, err := tls.Dial("tcp", r.server.Addresses()[i/2].String(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		c := newClient(t, conn)
		c.expect("220")
		offered := strings.Contains(c.say("EHLO client.test", "250"), "EXTERNAL")
		if resumed := conn.ConnectionState().DidResume; resumed != want.resumed || offered != want.offered {
			t.Errorf("connection %d: resumed %v, EXTERNAL offered %v", i, resumed, offered)
		}
	}
}

// Guesses at an account's password, from wherever, do not keep its certificate out.
func TestExternalIsNotBlocked(t *testing.T) {
	inTime(t, func(t *testing.T) {
		ours := newCA(t, "Our CA")
		cert := ours.issue(clientCert(account))
		r := start(t, certified(ours), func(o *Options) { o.Connections = 100 })
		for n := range 50 {
			r.dialFrom(fmt.Sprintf("192.0.2.%d", 100+n)).say(password(account, "guess"), "535 5.7.8")
		}
		r.dialAuth().say(password(account, secret), "454 4.7.0 Too many failed logins to this account")
		c, _, err := r.dialWith(showing(cert))
		if err != nil {
			t.Fatal(err)
		}
		c.say("AUTH EXTERNAL =", "235")
	})
}

func TestClientCAsOptions(t *testing.T) {
	ours := newCA(t, "Our CA")
	for _, l := range []Listener{{TLS: TLSStartTLS}, {Networks: networks("192.0.2.0/24")}} {
		l.Net, l.ClientCAs = newPipeListener(), ours.pool
		r := start(t, open)
		o := r.server.opts
		o.Listeners = []Listener{l}
		if err := New(o).Listen(); err == nil || !strings.Contains(err.Error(), "client certificates") {
			t.Errorf("%+v: %v", l, err)
		}
	}
}
