//go:build linux

package peertest

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"tlsrelay/relay/delivery"
	"tlsrelay/tlspolicy/probe"
)

// probedVersions are those that the programs can be told to offer.
var probedVersions = []string{"1.0", "1.1", "1.2", "1.3"}

// probed is a host that offers some versions of TLS, and those alone.
type probed struct {
	program    string
	offers     []string
	host       host
	name, addr string
}

// opensslVersion is a version in the words of OpenSSL.
func opensslVersion(v string) string { return "TLSv" + strings.TrimSuffix(v, ".0") }

// probedHosts are all programs with these versions each.
func probedHosts(offers []string) []*probed {
	tunnel, priority := openssl{}, "NORMAL:-VERS-ALL"
	var names []string
	for _, v := range probedVersions {
		if !slices.Contains(offers, v) {
			tunnel.more += fmt.Sprintf("options = NO_%s\n", strings.ReplaceAll(opensslVersion(v), ".", "_"))
			continue
		}
		names = append(names, opensslVersion(v))
		priority += ":+VERS-TLS" + v
	}
	mta := postfix{"tls_medium_cipherlist=ALL:@SECLEVEL=0", "smtpd_tls_protocols=" + strings.Join(names, ",")}
	other := offers
	if slices.Contains(offers, "1.3") && !slices.Contains(offers, "1.2") && len(offers) > 1 {
		other = offers[:len(offers)-1] // GnuTLS then counts down from 1.2, and never comes to 1.3
	}
	return []*probed{
		{program: "stunnel", offers: offers, host: tunnel}, {program: "Postfix", offers: offers, host: mta},
		{program: "Exim", offers: other, host: gnutls(priority)}, {program: "gnutls-serv", offers: other, host: gnutlsServ(priority)},
	}
}

// A probe on the way that mail takes finds the versions that a host was told to offer, whatever gaps there are between them, and
// sslscan finds the same ones.
func TestPeerProbe(t *testing.T) {
	needPackages(t, "postfix", "stunnel4", "exim4-daemon-light", "gnutls-bin", "sslscan")
	f := newFarm(t)
	var all []*probed
	for choice := 1; choice < 1<<len(probedVersions); choice++ {
		var offers []string
		for i, v := range probedVersions {
			if choice&(1<<i) != 0 {
				offers = append(offers, v)
			}
		}
		all = append(all, probedHosts(offers)...)
	}
	for i, h := range all {
		h.name, h.addr = fmt.Sprintf("mx.p%02d.test", i), f.address()
		h.host.add(f, h.addr, h.name)
	}
	f.start()
	p := probe.New(probe.Options{Open: way().Reach})
	for _, h := range all {
		t.Run(fmt.Sprintf("%s %s", h.program, h.name), func(t *testing.T) {
			t.Parallel()
			h.check(t, p.Probe(t.Context(), h.target(f)), scanVersions(t, gather(t, f.n.at(h.addr))))
		})
	}
}

// way is what leads to a host as mail is led.
func way() *delivery.Deliverer {
	return delivery.New(delivery.Options{Hostname: hostname, PrivateAddresses: true, Now: time.Now})
}

func (h *probed) target(f *farm) probe.Target {
	return probe.Target{Addr: netip.MustParseAddrPort(f.n.at(h.addr)), Name: h.name}
}

func (h *probed) check(t *testing.T, r *probe.Result, scan offers) {
	if r.Trouble != "" || len(r.Versions) != 5 || r.STARTTLS != probe.Yes {
		t.Fatalf("%+v", r)
	}
	names := map[string]string{"SSL 3.0": "SSLv3", "1.0": "TLS1", "1.1": "TLS1_1", "1.2": "TLS1_2", "1.3": "TLS1_3"}
	for _, v := range r.Versions {
		want := probe.No
		if slices.Contains(h.offers, v.Version.String()) {
			want = probe.Yes
		}
		scanned, found := scan[names[v.Version.String()]]
		if v.Offered != want || scanned != (want == probe.Yes) || !found {
			t.Errorf("%s: the probe finds %d (%s), sslscan %v, want %d", v.Version.Name(), v.Offered, v.Seen, scanned, want)
		}
	}
	if c := r.Certificate; c == nil || c.Problem != "" || c.Trusted != probe.Yes || !slices.Equal(c.Names, []string{h.name}) {
		t.Errorf("certificate: %+v", c)
	}
	if r.BigHello != probe.Yes || r.PostQuantum != probe.No {
		t.Errorf("big hello %d, post-quantum %d", r.BigHello, r.PostQuantum)
	}
}

// scanVersions gives what sslscan finds of versions, in the words of testssl.
func scanVersions(t *testing.T, address string) offers {
	t.Helper()
	var doc struct {
		Protocols []protocolFound `xml:"ssltest>protocol"`
	}
	out := mustRun(t, "", "sslscan", "--starttls-smtp", "--no-ciphersuites", "--no-cipher-details", "--no-groups", "--no-heartbleed",
		"--no-compression", "--no-fallback", "--no-renegotiation", "--no-check-certificate", "--xml=-", "--no-colour", address)
	if err := xml.Unmarshal([]byte(out), &doc); err != nil {
		t.Fatalf("%v:\n%s", err, out)
	}
	return versionsFound(doc.Protocols)
}

// gather puts something before a server that sends on in one piece what comes together. sslscan takes the first piece of the
// answer to EHLO for the whole, and stunnel sends each line by itself.
func gather(t *testing.T, address string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := farm{t: t}
	f.serveOn(l, func(c net.Conn) {
		if far, err := net.Dial("tcp", address); err == nil {
			f.join(c, gathered{far})
		}
	})
	return l.Addr().String()
}

// gathered reads what comes within a few milliseconds at once.
type gathered struct{ net.Conn }

func (g gathered) Read(b []byte) (int, error) {
	n, err := g.Conn.Read(b)
	if err != nil {
		return n, err
	}
	g.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
	defer g.SetReadDeadline(time.Time{})
	more, err := io.ReadFull(g.Conn, b[n:])
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		err = nil
	}
	return n + more, err
}
