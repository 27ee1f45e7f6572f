//go:build linux

package peertest

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// farm keeps all hosts of the matrix, each at an address of its own. One stunnel, one Postfix and one Exim play many hosts.
type farm struct {
	t      *testing.T
	n      *network
	ids    *identities
	socket string // of the server behind all hosts that end TLS themselves
	boxes  []string
	last   netip.Addr // address given last

	served map[string]bool
	clear  map[string]bool // hosts that are to get mail in clear text
	proofs []proof

	stunnel, postfix strings.Builder
	postfixDomains   []string
	exim             string // folder with what Exim reads for each address
	eximAddrs        []string
}

func newFarm(t *testing.T) *farm {
	t.Helper()
	f := &farm{t: t, n: newNetwork(t), last: hosts.Addr(), served: map[string]bool{}, clear: map[string]bool{}}
	f.ids = newIdentities(t, f.n.dir)
	f.socket = filepath.Join(f.n.dir, "sink.sock")
	f.boxes = []string{filepath.Join(f.n.sink(t, "sink.test", "unix", f.socket, "unix:"+f.socket), "*")}
	f.exim = folder(t, f.n.dir, "exim-hosts", eximUser)
	f.stunnel.WriteString("foreground = yes\npid =\nsyslog = no\ndebug = notice\n")
	return f
}

// address gives the next free address.
func (f *farm) address() string {
	if f.last = f.last.Next(); !hosts.Contains(f.last) || f.n.at(f.last.String()) == f.n.hold.Addr().String() {
		f.t.Fatal("too many hosts")
	}
	addr := f.last.String()
	f.served[addr] = true
	return addr
}

// start starts the programs and waits until all hosts greet.
func (f *farm) start() {
	f.t.Helper()
	config := filepath.Join(f.n.dir, "matrix-stunnel.conf")
	writeFile(f.t, config, []byte(f.stunnel.String()))
	tunnels := start(f.t, f.n.dir, "stunnel4", config)
	f.startPostfix()
	f.startExim()
	for addr := range f.served {
		tunnels.await(f.t, func() bool { return f.listens(addr) })
	}
}

// listens reports whether a host takes connections. Whether it greets is its own matter.
func (f *farm) listens(addr string) bool {
	for _, at := range []string{f.n.at(addr), net.JoinHostPort(addr, "465")} {
		if c, err := net.DialTimeout("tcp", at, time.Second); err == nil {
			c.Close()
			return true
		}
	}
	return false
}

// serve runs a host in this process.
func (f *farm) serve(listen string, handle func(net.Conn)) bool {
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return false
	}
	f.serveOn(l, handle)
	return true
}

func (f *farm) serveOn(l net.Listener, handle func(net.Conn)) {
	var sessions sync.WaitGroup
	sessions.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			sessions.Go(func() {
				defer c.Close()
				c.SetDeadline(time.Now().Add(matrixPatience))
				handle(c)
			})
		}
	})
	f.t.Cleanup(func() { l.Close(); sessions.Wait() })
}

// toSink leads a session on to the server behind all hosts, whose greeting is kept back unless the host has not greeted yet.
func (f *farm) toSink(c io.ReadWriter, greeted bool) {
	sink, err := net.Dial("unix", f.socket)
	if err != nil {
		return
	}
	defer sink.Close()
	if greeted {
		for b := make([]byte, 1); b[0] != '\n'; {
			if _, err := sink.Read(b); err != nil {
				return
			}
		}
	}
	f.join(c, sink)
}

// join copies both ways until the side c ends.
func (f *farm) join(c io.ReadWriter, far net.Conn) {
	done := make(chan struct{})
	go func() {
		io.Copy(c, far)
		if closer, ok := c.(io.Closer); ok {
			closer.Close()
		}
		close(done)
	}()
	io.Copy(far, c)
	far.Close()
	<-done
}

// openssl is a host whose TLS is OpenSSL's: a service of stunnel.
type openssl struct {
	oldest, newest string // of TLS; "" is as much as OpenSSL can
	ciphers        string // of TLS 1.2 and before
	suites         string // of TLS 1.3
	curves         string
	cert           string // kind of identity
	more           string // further lines
}

func (h openssl) add(f *farm, addr, name string) {
	id := f.ids.make(f.t, h.cert, name)
	fmt.Fprintf(&f.stunnel, "[%s]\naccept = %s\nconnect = %s\nprotocol = smtp\ncert = %s\nkey = %s\nsecurityLevel = 0\n",
		name, f.n.at(addr), f.socket, id.cert, id.key)
	for _, option := range [][2]string{
		{"sslVersionMin", or(h.oldest, "TLSv1")}, {"sslVersionMax", or(h.newest, "TLSv1.3")},
		{"ciphers", or(h.ciphers, "ALL") + ":@SECLEVEL=0"}, {"ciphersuites", h.suites}, {"curves", h.curves},
	} {
		if option[1] != "" {
			fmt.Fprintf(&f.stunnel, "%s = %s\n", option[0], option[1])
		}
	}
	f.stunnel.WriteString(h.more)
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// plain is smtp-sink without STARTTLS.
type plain struct{}

func (plain) add(f *farm, addr, name string) {
	f.boxes = append(f.boxes, filepath.Join(f.n.startSink(f.t, name, addr), "*"))
}

// postfix is Postfix with these settings, "key=value".
type postfix []string

func (h postfix) add(f *farm, addr, name string) {
	id := f.ids.make(f.t, "", name)
	fmt.Fprintf(&f.postfix, "%s inet n - n - - smtpd\n  -o smtpd_tls_cert_file=%s\n  -o smtpd_tls_key_file=%s\n", f.n.at(addr), id.cert, id.key)
	for _, option := range h {
		fmt.Fprintf(&f.postfix, "  -o %s\n", option)
	}
	_, domain, _ := strings.Cut(name, ".")
	f.postfixDomains = append(f.postfixDomains, domain)
}

func (f *farm) startPostfix() {
	f.t.Helper()
	dir := folder(f.t, f.n.dir, "postfix", "root")
	mail := folder(f.t, dir, "mail", "nobody")
	uid, gid := ids(f.t, "nobody")
	main := fmt.Sprintf(postfixMain, dir, "postfix.test", strings.Join(f.postfixDomains, " "), mail, uid, gid, f.n.cert, f.n.key, ">=TLSv1")
	addr := f.address()
	delete(f.served, addr) // no row has it
	f.n.runPostfix(f.t, dir, main, fmt.Sprintf(postfixMaster, f.n.at(addr))+f.postfix.String(), addr)
	f.boxes = append(f.boxes, filepath.Join(mail, "inbox", "new", "*"))
}

// gnutls is Exim, whose TLS is GnuTLS's, with this priority string.
type gnutls string

// eximMatrix has for each address a priority string and a certificate. All addresses share one limit of connections, and mail and
// probes come to all of them at once.
const eximMatrix = `local_interfaces = <; %[1]s
daemon_smtp_ports = %[2]d
smtp_accept_max = 500
queue_only
tls_advertise_hosts = *
tls_require_ciphers = ${if def:received_ip_address {${readfile{%[3]s/$received_ip_address.priority}{}}}{NORMAL}}
tls_certificate = %[3]s/$received_ip_address.cert
tls_privatekey = %[3]s/$received_ip_address.key
acl_smtp_rcpt = rcpt
begin acl
rcpt:
  accept
`

func (h gnutls) add(f *farm, addr, name string) {
	id := f.ids.make(f.t, "", name)
	at := filepath.Join(f.exim, addr)
	uid, gid := ids(f.t, eximUser)
	for ending, text := range map[string][]byte{".priority": []byte(h), ".cert": readFile(f.t, id.cert), ".key": readFile(f.t, id.key)} {
		writeFile(f.t, at+ending, text)
		if err := os.Chown(at+ending, uid, gid); err != nil {
			f.t.Fatal(err)
		}
	}
	f.eximAddrs = append(f.eximAddrs, addr)
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func (f *farm) startExim() {
	f.t.Helper()
	e := f.n.newExim(f.t, "exim.test", fmt.Sprintf(eximMatrix, strings.Join(f.eximAddrs, ";"), f.n.port(), f.exim))
	p := start(f.t, e.dir, e.program, "-C", e.config, "-bdf", "-oP", filepath.Join(e.dir, "exim.pid"))
	p.await(f.t, greets("tcp", f.n.at(f.eximAddrs[0])))
	f.boxes = append(f.boxes, filepath.Join(e.dir, "spool", "input", "*-H"))
}

// gnutlsServ is gnutls-serv with this priority string. It speaks no SMTP: it is for handshakes that must fail.
type gnutlsServ string

func (h gnutlsServ) add(f *farm, addr, name string) {
	id := f.ids.make(f.t, "", name)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		f.t.Fatal(err)
	}
	at := l.Addr().String()
	l.Close() // gnutls-serv cannot choose a port itself
	_, port, _ := net.SplitHostPort(at)
	p := start(f.t, f.n.dir, "gnutls-serv", "--quiet", "--port", port, "--priority", string(h), "--x509certfile", id.cert, "--x509keyfile", id.key)
	p.await(f.t, func() bool {
		c, err := net.DialTimeout("tcp", at, time.Second)
		if err != nil {
			return false
		}
		return c.Close() == nil
	})
	stack{then: func(f *farm, c net.Conn) {
		if far, err := net.Dial("tcp", at); err == nil {
			f.join(c, far)
		}
	}}.add(f, addr, name)
}
