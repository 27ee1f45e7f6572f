//go:build linux

package peertest

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"time"
)

// stack is a host whose first steps are a script: up to the answer to STARTTLS, and what it does then. It never takes mail in
// clear text. The zero stack offers STARTTLS, agrees to it, and hangs up.
type stack struct {
	greeting string
	ehlo     string // reply to EHLO
	starttls string // reply to STARTTLS; may go on behind the end of the line
	hangup   bool   // instead of that reply
	silence  bool   // after it, see silent
	then     func(f *farm, c net.Conn)
}

func (h stack) add(f *farm, addr, name string) {
	if h.silence {
		h.then = silent()
	}
	if !f.serve(f.n.at(addr), func(c net.Conn) { h.handle(f, c) }) {
		f.t.Fatalf("%s is taken", addr)
	}
}

func (h stack) handle(f *farm, c net.Conn) {
	in := bufio.NewReader(c)
	fmt.Fprintf(c, "%s\r\n", or(h.greeting, "220 mx.test ESMTP"))
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		verb, _, _ := strings.Cut(strings.ToUpper(strings.TrimSpace(line)), " ")
		switch verb {
		case "EHLO":
			fmt.Fprintf(c, "%s\r\n", or(h.ehlo, "250-mx.test\r\n250-8BITMIME\r\n250 STARTTLS"))
		case "HELO":
			fmt.Fprint(c, "250 mx.test\r\n")
		case "STARTTLS":
			if h.hangup {
				return
			}
			reply := or(h.starttls, "220 2.0.0 ready")
			fmt.Fprintf(c, "%s\r\n", reply)
			if !strings.HasPrefix(reply, "220") {
				continue
			}
			if h.then != nil {
				h.then(f, c)
			}
			return
		default:
			fmt.Fprint(c, "530 5.7.0 not without TLS\r\n")
		}
	}
}

// answers has the host read the ClientHello, say something and wait for the end.
func answers(raw ...[]byte) func(*farm, net.Conn) {
	return func(_ *farm, c net.Conn) {
		if _, err := c.Read(make([]byte, 4096)); err != nil {
			return
		}
		for _, part := range raw {
			c.Write(part)
			time.Sleep(5 * time.Millisecond) // a segment each
		}
		c.(*net.TCPConn).CloseWrite()
		io.Copy(io.Discard, c)
	}
}

// silent has the host read and say nothing. It hangs up at once when it is tried again, so that the test does not last twice as
// long as the relay waits for a handshake.
func silent() func(*farm, net.Conn) {
	var again atomic.Bool
	return func(_ *farm, c net.Conn) {
		if !again.Swap(true) {
			io.Copy(io.Discard, c)
		}
	}
}

// resets has the host break the connection off when it has seen the ClientHello.
func resets(_ *farm, c net.Conn) {
	c.Read(make([]byte, 4096))
	c.(*net.TCPConn).SetLinger(0)
}

// record puts a TLS record around a body (RFC 5246 section 6.2.1).
func record(kind byte, version uint16, body []byte) []byte {
	b := binary.BigEndian.AppendUint16([]byte{kind}, version)
	return append(binary.BigEndian.AppendUint16(b, uint16(len(body))), body...)
}

// alert is a fatal alert.
func alert(version uint16, description byte) []byte {
	return record(21, version, []byte{2, description})
}

const (
	sslv3   = 0x0300
	rc4     = 0x0005 // TLS_RSA_WITH_RC4_128_SHA, the choice of many an old stack
	aesSHA  = 0x002f // TLS_RSA_WITH_AES_128_CBC_SHA
	dheAES  = 0x0033 // TLS_DHE_RSA_WITH_AES_128_CBC_SHA
	ecdhGCM = 0xc02f // TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
)

// hello is the ServerHello of a stack from before TLS 1.3: a session ID of 32 bytes, no compression, and no extensions
// (RFC 6101 section 5.6.1.3, RFC 2246 section 7.4.1.3).
func hello(version, suite uint16) []byte {
	return helloWith(version, suite, bytes.Repeat([]byte{0x5a}, 32))
}

func helloWith(version, suite uint16, random []byte) []byte {
	b := binary.BigEndian.AppendUint16([]byte{2, 0, 0, 70}, version)
	b = append(append(b, random...), 32)
	b = append(b, bytes.Repeat([]byte{0xa5}, 32)...)
	return append(binary.BigEndian.AppendUint16(b, suite), 0)
}

// sentinel is a random number that says that the server can do better than TLS 1.2 (RFC 8446 section 4.1.3).
func sentinel() []byte { return append(bytes.Repeat([]byte{0x5a}, 24), "DOWNGRD\x01"...) }

// ssl2Hello is a SERVER-HELLO of SSL 2.0 (draft-hickman-netscape-ssl-00, section 2.6), with one cipher, and a certificate that
// is not looked at.
func ssl2Hello() []byte {
	body := []byte{4, 0, 1, 0, 2, 0, 100, 0, 3, 0, 16}
	body = append(body, bytes.Repeat([]byte{0x30}, 100)...)
	body = append(body, 0x07, 0x00, 0xc0)
	body = append(body, bytes.Repeat([]byte{0x77}, 16)...)
	return append([]byte{0x80, byte(len(body))}, body...)
}

// ssl2NoCipher is an ERROR of SSL 2.0: no cipher in common.
func ssl2NoCipher() []byte { return []byte{0x80, 3, 0, 0, 1} }

// goTLS is a server on Go's TLS, for what can be asked of no other.
type goTLS struct {
	cert  string // kind of identity
	edit  func(f *farm, name string, c *tls.Config)
	wrap  func(net.Conn) net.Conn // around the connection, below TLS
	after func(f *farm, c *tls.Conn)
}

// then makes what the host does from the handshake on. Implicit TLS has no greeting before it.
func (h goTLS) then(f *farm, name string, greeted bool) func(*farm, net.Conn) {
	id := f.ids.make(f.t, h.cert, name)
	pair, err := tls.LoadX509KeyPair(id.cert, id.key)
	if err != nil {
		f.t.Fatal(err)
	}
	config := &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS10}
	if h.edit != nil {
		h.edit(f, name, config)
	}
	return func(f *farm, c net.Conn) {
		if h.wrap != nil {
			c = h.wrap(c)
		}
		tc := tls.Server(c, config)
		defer tc.Close()
		if tc.Handshake() != nil {
			return
		}
		if h.after != nil {
			h.after(f, tc)
			return
		}
		f.toSink(tc, greeted)
	}
}

func (h goTLS) add(f *farm, addr, name string) {
	stack{then: h.then(f, name, true)}.add(f, addr, name)
}

// newest has a server speak this version at most.
func newest(version uint16) func(*farm, string, *tls.Config) {
	return func(_ *farm, _ string, c *tls.Config) { c.MaxVersion = version }
}

// wantsClient has a server insist on a certificate of the client's.
func wantsClient(version uint16) func(*farm, string, *tls.Config) {
	return func(_ *farm, _ string, c *tls.Config) {
		c.MaxVersion, c.ClientAuth = version, tls.RequireAnyClientCert
	}
}

// says has a server answer the first command with this, over TLS, and wait for the end.
func says(reply string) func(*farm, *tls.Conn) {
	return func(_ *farm, c *tls.Conn) {
		in := bufio.NewReader(c)
		for {
			if _, err := in.ReadString('\n'); err != nil {
				return
			}
			fmt.Fprintf(c, "%s\r\n", reply)
		}
	}
}

// saysInClear has a server answer the first command below TLS.
func saysInClear(_ *farm, c *tls.Conn) {
	c.Read(make([]byte, 512))
	io.WriteString(c.NetConn(), "250 mx.test\r\n")
	io.Copy(io.Discard, c.NetConn())
}

// resetsTLS has a server break the connection off when it has read the first command.
func resetsTLS(_ *farm, c *tls.Conn) {
	c.Read(make([]byte, 512))
	c.NetConn().(*net.TCPConn).SetLinger(0)
	c.NetConn().Close()
}

// byByte writes one byte at a time.
type byByte struct{ net.Conn }

func (c byByte) Write(b []byte) (int, error) {
	for i := range b {
		if _, err := c.Conn.Write(b[i : i+1]); err != nil {
			return i, err
		}
	}
	return len(b), nil
}

// warns sends a warning before the ServerHello: unrecognized_name (RFC 6066 section 3), as many servers once did.
type warns struct {
	net.Conn
	done bool
}

func (c *warns) Write(b []byte) (int, error) {
	if !c.done {
		c.done = true
		if _, err := c.Conn.Write(record(21, tls.VersionTLS12, []byte{1, 112})); err != nil {
			return 0, err
		}
	}
	return c.Conn.Write(b)
}

// cutOff hangs up behind the first bytes of what it has to write.
type cutOff struct {
	net.Conn
	left int
}

func (c *cutOff) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b[:min(len(b), c.left)])
	if c.left -= n; c.left == 0 {
		c.Conn.Close()
	}
	return n, err
}

// implicitTLS is a host of a route, on port 465.
type implicitTLS struct {
	tls goTLS
	raw func(*farm, net.Conn) // instead
}

func (implicitTLS) add(*farm, string, string) {} // see port465

// port465 runs the host on the first address that has this port free, and gives it.
func (f *farm) port465(h implicitTLS, name string) string {
	f.t.Helper()
	then := h.raw
	if then == nil {
		then = h.tls.then(f, name, false)
	}
	for {
		addr := f.address()
		if f.serve(net.JoinHostPort(addr, "465"), func(c net.Conn) { then(f, c) }) {
			return addr
		}
		delete(f.served, addr)
	}
}
