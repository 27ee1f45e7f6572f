package submission

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/pires/go-proxyproto"
)

// behindProxy gets its clients from one, at the other end of the pipe. Who may relay is not known from that address.
var behindProxy = Listener{TLS: TLSStartTLS, Auth: AuthOptional, Networks: networks("198.51.100.0/24", "2001:db8::/32"),
	Proxy: networks("192.0.2.1/32")}

// proxyHeader is one as the library writes it.
func proxyHeader(t testing.TB, version byte, client string, tlvs ...proxyproto.TLV) string {
	t.Helper()
	addr := func(s string) net.Addr { return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(s)) }
	server := "192.0.2.25:25"
	if strings.HasPrefix(client, "[") {
		server = "[2001:db8::25]:25"
	}
	h := proxyproto.HeaderProxyFromAddrs(version, addr(client), addr(server))
	if err := h.SetTLVs(tlvs); err != nil {
		t.Fatal(err)
	}
	text, err := h.Format()
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// header2 is one of version 2, right or wrong.
func header2(command, family byte, length int, rest string) string {
	head := append(bytes.Clone(proxyproto.SIGV2), command, family)
	return string(binary.BigEndian.AppendUint16(head, uint16(length))) + rest
}

const (
	local2     = 0x20 // version 2, LOCAL
	proxy2     = 0x21 // version 2, PROXY
	byTCP4     = 0x11
	byUDP4     = 0x12
	byUnix     = 0x31
	anyFamily  = 0x00
	tcp4Client = "\xc6\x33\x64\x07\xc0\x00\x02\x19\x04\x00\x00\x19" // 198.51.100.7 to 192.0.2.25
)

func TestProxyHeaders(t *testing.T) {
	manyTLVs := proxyproto.TLV{Type: proxyproto.PP2_TYPE_UNIQUE_ID, Value: bytes.Repeat([]byte("x"), 4000)}
	for name, tc := range map[string]struct{ header, client string }{ // "192.0.2.1": the proxy's own; "": refused
		"1, IPv4":                    {proxyHeader(t, 1, "198.51.100.7:1024"), "198.51.100.7"},
		"1, IPv6":                    {proxyHeader(t, 1, "[2001:db8::7]:1024"), "2001:db8::7"},
		"1, IPv4 in IPv6":            {"PROXY TCP6 ::ffff:198.51.100.7 ::ffff:192.0.2.25 1 2\r\n", "198.51.100.7"},
		"1, unknown":                 {"PROXY UNKNOWN\r\n", "192.0.2.1"},
		"1, unknown with addresses":  {"PROXY UNKNOWN 198.51.100.7 192.0.2.25 1 2\r\n", "192.0.2.1"},
		"2, IPv4":                    {proxyHeader(t, 2, "198.51.100.7:1024"), "198.51.100.7"},
		"2, IPv6":                    {proxyHeader(t, 2, "[2001:db8::7]:1024"), "2001:db8::7"},
		"2, with 4 KB of properties": {proxyHeader(t, 2, "198.51.100.7:1024", manyTLVs), "198.51.100.7"},
		"2, health check":            {header2(local2, anyFamily, 0, ""), "192.0.2.1"},
		"2, health check, addresses": {header2(local2, byTCP4, 12, tcp4Client), "192.0.2.1"},
		"2, by UDP":                  {header2(proxy2, byUDP4, 12, tcp4Client), ""},
		"2, by a unix socket":        {header2(proxy2, byUnix, 216, strings.Repeat("/", 216)), ""},
		"2, no family":               {header2(proxy2, anyFamily, 0, ""), ""},
		"2, version 3":               {header2(0x31, byTCP4, 12, tcp4Client), ""},
		"2, too long":                {header2(proxy2, byTCP4, maxProxyRest+1, tcp4Client), ""},
		"2, too short":               {header2(proxy2, byTCP4, 8, tcp4Client), ""},
		"1, too long":                {"PROXY UNKNOWN " + strings.Repeat("x", maxProxyLine), ""},
		"1, no CR":                   {"PROXY UNKNOWN\n", ""},
		"1, a name":                  {"PROXY TCP4 localhost 192.0.2.25 1 2\r\n", ""},
		"1, a port too high":         {"PROXY TCP4 198.51.100.7 192.0.2.25 70000 2\r\n", ""},
		"1, no client":               {"PROXY TCP4 0.0.0.0 192.0.2.25 1 2\r\n", ""},
		"1, a group":                 {"PROXY TCP4 224.0.0.1 192.0.2.25 1 2\r\n", ""},
		"none":                       {"EHLO client.test\r\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := start(t, behindProxy)
				c := r.connect()
				go io.WriteString(c.conn, tc.header) // a refused one is not read to its end
				if tc.client == "" {
					c.expect("421 4.3.5 " + hostname + " wants a PROXY header")
					c.expectEnd()
					if log := r.log.String(); !strings.Contains(log, "no good PROXY header\" proxy=192.0.2.1") {
						t.Errorf("log: %s", log)
					}
					return
				}
				c.expect("220")
				c.say("EHLO client.test", "250")
				if tc.client == "192.0.2.1" {
					c.say("MAIL FROM:<a@app.test>", "530 5.7.0")
					return
				}
				c.mail()
				c.send("Subject: x\r\n\r\nx\r\n.\r\n")
				c.expect("250 2.0.0")
				mail := r.queue.take()
				if len(mail) != 1 || mail[0].Client != tc.client || !strings.Contains(mail[0].text, tc.client) {
					t.Errorf("%+v, want it from %s", mail, tc.client)
				}
			})
		})
	}
}

// One who is no proxy cannot say who he is.
func TestProxyHeaderFromAnyone(t *testing.T) {
	for _, version := range []byte{1, 2} {
		inTime(t, func(t *testing.T) {
			on := behindProxy
			on.Proxy = networks("192.0.2.2/32")
			r := start(t, on)
			c := r.dial()
			header := proxyHeader(t, version, "198.51.100.7:1024")
			meanwhile(t, func() { io.WriteString(c.conn, header+"\r\nEHLO client.test\r\nMAIL FROM:<a@app.test>\r\n") })
			for {
				reply, err := c.reply()
				if err != nil {
					t.Fatal(err)
				}
				if strings.HasPrefix(reply, "250") {
					break
				}
				if !strings.HasPrefix(reply, "50") {
					t.Fatalf("the header is answered by %q", reply)
				}
			}
			c.expect("530 5.7.0")
		})
	}
}

// The header comes before TLS, and the caps count the client in it.
func TestProxyClientIsTheClient(t *testing.T) {
	testCertificate()
	synctest.Test(t, func(t *testing.T) {
		on := behindProxy
		on.TLS, on.Networks = TLSImplicit, nil
		r := start(t, on, func(o *Options) { o.ConnectionsPerAddress = 1 })
		for _, client := range []string{"198.51.100.1:1", "198.51.100.2:1", "[2001:db8::1]:1"} {
			c := r.connect()
			c.send(proxyHeader(t, 2, client))
			c.handshake()
			c.expect("220")
		}
		c := r.connect()
		c.send(proxyHeader(t, 1, "[2001:db8::2]:1"))
		c.expectEnd()
		r.stop()
		if n := len(r.server.places.open); n != 0 {
			t.Errorf("%d addresses are kept without a connection", n)
		}
	})
}

func TestProxyIsNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, behindProxy)
		begin := time.Now()
		for _, c := range []*client{r.connect(), r.connect()} {
			c.expect("421 4.3.5")
			c.expectEnd()
		}
		trickle := r.connect()
		for range 3 {
			trickle.send("PROXY TCP4 1"[:1])
			time.Sleep(time.Second)
		}
		trickle.expect("421 4.3.5")
		if took := time.Since(begin); took != 2*proxyTimeout {
			t.Errorf("the headers were given %v", took)
		}
		before := r.log.String()
		r.connect().conn.Close() // a health check that only connects
		synctest.Wait()
		if after := r.log.String(); after != before {
			t.Errorf("logged: %s", after[len(before):])
		}
		r.connect()
		synctest.Wait()
		begin = time.Now()
		r.stop()
		if took := time.Since(begin); took != 0 {
			t.Errorf("the stop waited %v for a header", took)
		}
	})
}

// A wrapped connection could not do this (see hangUp).
func TestCloseWriteBehindProxy(t *testing.T) {
	on := loopback
	on.Proxy = networks("127.0.0.1/32")
	r := start(t, on)
	c := r.connect()
	c.send(proxyHeader(t, 1, "127.0.0.9:1024") + "EHLO client.test\r\n")
	c.expect("220", "250")
	c.send("BDAT 1000 LAST\r\n" + strings.Repeat("x", 1<<20))
	c.expect("502 5.5.1")
	c.expectEnd()
}

// Whatever comes, the reading is bounded and ends with the header; how it is split does not matter.
func FuzzProxyHeader(f *testing.F) {
	for _, s := range []string{
		"", "PROXY UNKNOWN\r\n", "EHLO x\r\n", header2(local2, anyFamily, 0, ""), header2(proxy2, byTCP4, 12, tcp4Client),
		header2(proxy2, byUnix, 216, strings.Repeat("/", 216)), proxyHeader(f, 1, "198.51.100.7:1024"),
		proxyHeader(f, 1, "[2001:db8::7]:1024"), proxyHeader(f, 2, "[2001:db8::7]:1024"),
		proxyHeader(f, 2, "198.51.100.7:1", proxyproto.TLV{Type: 4, Value: []byte("pad")}),
	} {
		f.Add([]byte(s))
		f.Add([]byte(s + "EHLO client.test\r\n"))
	}
	f.Fuzz(func(t *testing.T, input []byte) {
		r := bytes.NewReader(input)
		client, err := proxyClient(r)
		used := len(input) - r.Len()
		if used > max(maxProxyLine, 16+maxProxyRest) {
			t.Fatalf("%d bytes are read", used)
		}
		again, err2 := proxyClient(iotest.OneByteReader(bytes.NewReader(input[:used])))
		if client != again || (err == nil) != (err2 == nil) {
			t.Fatalf("%v, %v; byte by byte %v, %v", client, err, again, err2)
		}
		if err != nil {
			return
		}
		if client.Is4In6() || client.IsUnspecified() || client.Zone() != "" {
			t.Fatalf("client %v", client)
		}
		if _, err := proxyClient(bytes.NewReader(input[:used-1])); err == nil {
			t.Fatalf("a part of %q is a header, too", input[:used])
		}
	})
}
