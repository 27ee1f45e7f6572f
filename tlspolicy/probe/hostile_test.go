package probe

import (
	"bytes"
	"crypto/rand"
	rsakey "crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/binary"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"
	"unicode"

	"tlsrelay/tlspolicy"
)

// What a server sends is looked at again with each record: there must not be many.
func TestCrumbs(t *testing.T) {
	for name, crumb := range map[string][]byte{
		"empty records":       {22, 3, 1, 0, 0},
		"single bytes":        {22, 3, 1, 0, 1, messageHello},
		"warnings":            {recordAlert, 3, 1, 0, 2, 1, 90},
		"changes of ciphers":  {20, 3, 1, 0, 1, 1},
		"records of SSL 2.0":  {0x80, 3, 9, 0, 0},
		"certificates, empty": {22, 3, 1, 0, 4, messageCertificate, 0, 0, 0},
	} {
		r := bytes.NewReader(bytes.Repeat(crumb, maxAnswer/len(crumb)+1))
		readAnswer(r, true)
		if read := int(r.Size()) - r.Len(); read > maxRecords*len(crumb) && crumb[0] != 0x80 { // that says to be longer
			t.Errorf("%s: %d bytes were read", name, read)
		}
	}
}

// certificateOf makes the DER of a certificate whatever is in it.
func certificateOf(t testing.TB, public *rsakey.PublicKey, edit func(*x509.Certificate)) []byte {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "x"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	if edit != nil {
		edit(template)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, rsaKey())
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// firstFlight is how a server of TLS 1.2 begins that has this chain.
func firstFlight(chain ...[]byte) []byte {
	hello := append([]byte{3, 3}, make([]byte, 33)...)
	hello = append(hello, 0xc0, 0x2f, 0)
	length := func(b []byte) []byte {
		return append([]byte{byte(len(b) >> 16), byte(len(b) >> 8), byte(len(b))}, b...)
	}
	var list []byte
	for _, c := range chain {
		list = append(list, length(c)...)
	}
	messages := append(append([]byte{messageHello}, length(hello)...), append([]byte{messageCertificate}, length(length(list))...)...)
	var flight []byte
	for len(messages) > 0 {
		n := min(len(messages), 1<<14)
		flight = append(binary.BigEndian.AppendUint16(append(flight, 22, 3, 3), uint16(n)), messages[:n]...)
		messages = messages[n:]
	}
	return flight
}

// A key of two hundred thousand bits costs more than a second for each signature that it may have made.
func TestEndlessKeys(t *testing.T) {
	n := new(big.Int).Lsh(big.NewInt(1), 200_000)
	n.Add(n, big.NewInt(12345))
	long := &rsakey.PublicKey{N: n, E: 1<<31 - 1}
	leaf := certificateOf(t, &rsaKey().PublicKey, nil)
	signature := make([]byte, (200_001+7)/8)
	parent, err := x509.ParseCertificate(certificateOf(t, long, nil))
	if err != nil {
		t.Fatal(err)
	}
	var whole struct {
		TBS, Algorithm asn1.RawValue
		Signature      asn1.BitString
	}
	if _, err := asn1.Unmarshal(leaf, &whole); err != nil {
		t.Fatal(err)
	}
	rand.Read(signature[1:])
	whole.Signature = asn1.BitString{Bytes: signature, BitLength: 8 * len(signature)}
	if leaf, err = asn1.Marshal(whole); err != nil {
		t.Fatal(err)
	}
	for name, chain := range map[string][][]byte{"of the authority": {leaf, parent.Raw}, "of the server": {parent.Raw, leaf}} {
		flight := firstFlight(chain...)
		if a := readAnswer(bytes.NewReader(flight), true); len(a.chain) != 2 {
			t.Fatalf("%s: %d certificates were read", name, len(a.chain))
		}
		s := serve(t, func(c net.Conn) {
			readRecord(c)
			c.Write(flight)
		})
		r := New(Options{Open: dial, Roots: x509.NewCertPool()}).Probe(t.Context(), s.target)
		if r.Certificate == nil || r.Certificate.Trusted == Yes {
			t.Errorf("%s: %+v", name, r.Certificate)
		}
		// That the key was left out is seen by what is left: nothing where it is the server's, the server's own where not.
		if parsed, err := parse(chain); len(parsed) > 1 || len(parsed) == 0 && err == nil {
			t.Errorf("%s: %d certificates are looked at, %v", name, len(parsed), err)
		}
	}
}

// Certificates with more in them than any honest one has.
func TestEndlessNames(t *testing.T) {
	c := &x509.Certificate{RawIssuer: make([]byte, 250<<10), Issuer: pkix.Name{CommonName: "CA", Organization: []string{"Example", "x"}}}
	for range 20_000 {
		c.Issuer.Names = append(c.Issuer.Names, pkix.AttributeTypeAndValue{Type: []int{1, 2, 3}, Value: ",,,,,,,,"})
		c.DNSNames = append(c.DNSNames, "mx.example.org")
		c.IPAddresses = append(c.IPAddresses, net.IPv4(192, 0, 2, 1))
	}
	if got := Names(c); len(got) != maxNames || got[0] != "mx.example.org" {
		t.Errorf("names %q", got)
	}
	if got := Issuer(c); got != "CN=CA,O=Example" { // not as long as it is: to write that out takes long
		t.Errorf("issuer %q", got)
	}
	c.DNSNames = nil
	if got := Names(c); len(got) != maxNames || got[0] != "192.0.2.1" {
		t.Errorf("names %q", got)
	}
}

// What a certificate says comes out as printable ASCII, a name that looks like another one, too.
func TestCertificateOfLies(t *testing.T) {
	c := &x509.Certificate{
		Subject: pkix.Name{CommonName: "\u0430pple.example\x1b[2J\n\u202e"}, // the first letter is Cyrillic
		Issuer:  pkix.Name{CommonName: "Let's \u0415ncrypt\r\nX: y", Organization: []string{strings.Repeat("o", 9000)}},
	}
	if got := Names(c); len(got) != 1 || got[0] != "CN=?pple.example?[2J??" {
		t.Errorf("names %q", got)
	}
	if got := Issuer(c); len(got) > maxName || !isASCII(got) {
		t.Errorf("issuer %q", got)
	}
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r > unicode.MaxASCII || !unicode.IsPrint(r) })
}

// FuzzAnswer has servers answer what they like: what comes of it is in our own words, of bounded size, and makes sense.
func FuzzAnswer(f *testing.F) {
	leaf := certificateOf(f, &rsaKey().PublicKey, func(c *x509.Certificate) {
		c.DNSNames, c.Issuer.CommonName = []string{"mx.example.org", "*.example.org"}, "Example CA"
	})
	f.Add(firstFlight(leaf, leaf))
	f.Add(firstFlight(leaf)[:500])
	f.Add([]byte{recordAlert, 3, 1, 0, 2, alertFatal, 70})
	f.Add([]byte{0x80, 3, 0, 0, 1})
	f.Add([]byte{0x80, 46, 4, 0, 1, 0, 2, 0, 0, 0, 0, 0, 0})
	f.Add([]byte("500 5.5.1 what?\x1b[2J\r\n"))
	f.Add(bytes.Repeat([]byte{22, 3, 1, 0, 1, messageHello}, 300))
	p := New(Options{Roots: x509.NewCertPool()})
	f.Fuzz(func(t *testing.T, sent []byte) {
		r := bytes.NewReader(append(sent, make([]byte, maxAnswer)...))
		a := readAnswer(r, true)
		if read := int(r.Size()) - r.Len(); read > maxAnswer || a.seen.Bytes > read {
			t.Fatalf("%d bytes were read, %d seen", read, a.seen.Bytes)
		}
		if text := a.String(); !isASCII(text) || len(text) > 200 {
			t.Fatalf("seen: %q", text)
		}
		for _, v := range versions {
			if got := a.about(v); got == Yes && a.seen.Version != v || got == No && a.silent {
				t.Fatalf("%s is %v after %s", v.Name(), got, a)
			}
		}
		if len(a.chain) > maxChain || len(a.chain) > 0 && !a.hello {
			t.Fatalf("%d certificates", len(a.chain))
		}
		s := &survey{line: line{p: p, target: Target{Name: mx}}, r: new(Result), chain: a.chain}
		s.certificate(handshake{state: tls.ConnectionState{}, cause: tlspolicy.Cause{}})
		checkCertificate(t, s.r.Certificate)
	})
}

func checkCertificate(t *testing.T, c *Certificate) {
	if c == nil {
		return
	}
	if len(c.Names) > maxNames {
		t.Fatalf("%d names", len(c.Names))
	}
	for _, text := range append(c.Names, c.Issuer, c.Problem, c.Key) {
		if !isASCII(text) || len(text) > maxName {
			t.Fatalf("a certificate says %q", text)
		}
	}
	if c.Trusted == Yes {
		t.Fatal("no roots, and yet it is trusted")
	}
}
