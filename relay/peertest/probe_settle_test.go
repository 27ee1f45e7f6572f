//go:build linux

package peertest

import (
	"crypto/tls"
	"fmt"
	"strings"
	"testing"

	"tlsrelay/tlspolicy"
	"tlsrelay/tlspolicy/probe"
)

// settled is a host, the cause for which an attempt there fails, and what a probe makes of that.
type settled struct {
	name      string
	level     tlspolicy.Level
	host      host
	cause     tlspolicy.Cause
	want      string // the cause, and "proven" behind it if it is
	exchanges string // those that are offered; "-" where none is asked for
}

func settledRows() []settled {
	const required, verified = tlspolicy.Required, tlspolicy.Verified
	only := func(ciphers string) host { return openssl{newest: "TLSv1.2", ciphers: ciphers} }
	curve := func(curves string) host {
		return openssl{newest: "TLSv1.2", ciphers: "ECDHE-RSA-AES128-GCM-SHA256", curves: curves}
	}
	says := func(raw []byte) host { return stack{then: answers(raw)} }
	const no13 = "NORMAL:-VERS-TLS1.3"
	broken, version, cipher := tlspolicy.HandshakeFailed, tlspolicy.VersionBelowFloor, tlspolicy.NoCommonCipher
	rows := []settled{
		{"TLS 1.0 alone", required, openssl{newest: "TLSv1"}, broken, "tls-version proven", "ECDHE DHE RSA"},
		{"TLS 1.1 and 1.0, to an attempt that saw the version", required, openssl{newest: "TLSv1.1"}, version, "tls-version proven", "ECDHE DHE RSA"},
		{"TLS 1.2, to an attempt that failed by chance", required, openssl{newest: "TLSv1.2"}, broken, "tls-handshake", "ECDHE DHE RSA"},
		{"ECDHE alone", verified, only("ECDHE-RSA-AES128-SHA"), broken, "tls-handshake", "ECDHE"},
		{"RSA key exchange alone", required, only("AES128-SHA"), broken, "tls-handshake", "RSA"},
		{"RSA key exchange alone, verified", verified, only("AES128-SHA"), broken, "tls-cipher proven", "RSA"},
		{"DHE alone", required, only("DHE-RSA-AES128-GCM-SHA256"), broken, "tls-cipher proven", "DHE"},
		{"CAMELLIA alone", required, only("CAMELLIA128-SHA"), broken, "tls-cipher proven", "RSA"},
		{"ARIA alone", required, only("ECDHE-ARIA128-GCM-SHA256"), broken, "tls-cipher proven", "ECDHE"},
		{"X448 alone", required, curve("X448"), broken, "tls-cipher proven", "ECDHE"},
		{"brainpool alone", required, curve("brainpoolP256r1"), broken, "tls-cipher proven", "ECDHE"},
		{"TLS 1.3 with X448 alone", required, openssl{oldest: "TLSv1.3", curves: "X448"}, broken, "tls-cipher proven", "-"},
		{"TLS 1.3 with CCM alone", required, openssl{oldest: "TLSv1.3", suites: "TLS_AES_128_CCM_SHA256"}, broken, "tls-cipher proven", "-"},
		{"GnuTLS, DHE alone", required, gnutls(no13 + ":-KX-ALL:+DHE-RSA"), broken, "tls-cipher proven", "DHE"},
		{"GnuTLS, RSA key exchange alone", verified, gnutls(no13 + ":-KX-ALL:+RSA"), broken, "tls-cipher proven", "RSA"},
		{"GnuTLS, TLS 1.1", required, gnutlsServ("NORMAL:-VERS-ALL:+VERS-TLS1.1"), broken, "tls-version proven", "ECDHE DHE RSA"},
		{"Postfix, anonymous", required, postfix{"smtpd_tls_cert_file=none", "smtpd_tls_key_file=none"}, broken, "tls-handshake", "-"},
		{"Postfix without TLS", required, postfix{"smtpd_tls_security_level=none"}, tlspolicy.STARTTLSNotOffered, "starttls-not-offered proven", "-"},
		{"ServerHello of SSL 3.0", required, says(record(22, sslv3, hello(sslv3, rc4))), version, "tls-version proven", "RSA"},
		{"ServerHello of TLS 1.0", required, says(record(22, tls.VersionTLS10, hello(tls.VersionTLS10, dheAES))), version, "tls-version proven", "DHE"},
		{"an alert and nothing else", required, says(alert(tls.VersionTLS10, 70)), version, "tls-version", "-"},
		{"words in clear text", required, says([]byte("454 4.7.0 not now\r\n")), broken, "tls-handshake", "-"},
		{"hangs up", required, stack{}, broken, "tls-handshake", "-"},
	}
	for kind, cause := range map[string]tlspolicy.Cause{
		"expired": tlspolicy.CertificateExpired, "foreign name": tlspolicy.CertificateName, "self-signed": tlspolicy.CertificateUntrusted,
		"no intermediate": tlspolicy.CertificateUntrusted, "negative serial": tlspolicy.CertificateUnreadable,
	} {
		rows = append(rows,
			settled{kind, verified, openssl{cert: kind}, cause, cause.Key + " proven", "ECDHE DHE RSA"},
			settled{kind + " in TLS 1.3 alone", verified, openssl{oldest: "TLSv1.3", cert: kind}, cause, cause.Key + " proven", "-"})
	}
	return append(rows, settled{"good certificate", verified, openssl{}, tlspolicy.CertificateExpired, "certificate-expired", "ECDHE DHE RSA"},
		settled{"RSA with 512 bits", required, openssl{newest: "TLSv1.2", cert: "RSA with 512 bits"}, tlspolicy.CertificateUnreadable,
			"certificate-unreadable proven", "ECDHE DHE RSA"},
		settled{"MD5", required, openssl{cert: "MD5"}, broken, cipher.Key + " proven", "ECDHE DHE RSA"})
}

// What a probe finds out settles what a failed attempt left open, and nothing else.
func TestPeerProbeSettles(t *testing.T) {
	needPackages(t, "postfix", "stunnel4", "exim4-daemon-light", "gnutls-bin")
	f := newFarm(t)
	rows := settledRows()
	targets := make([]probe.Target, len(rows))
	for i, m := range rows {
		h := &probed{name: fmt.Sprintf("mx.s%02d.test", i), addr: f.address()}
		m.host.add(f, h.addr, h.name)
		targets[i] = h.target(f)
	}
	f.start()
	p := probe.New(probe.Options{Open: way().Reach})
	for i, m := range rows {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			m.check(t, p.Probe(t.Context(), targets[i]))
		})
	}
}

func (m settled) check(t *testing.T, r *probe.Result) {
	cause, proven := r.Settle(tlspolicy.Decision{Level: m.level}, m.cause)
	got := cause.Key
	if proven {
		got += " proven"
	}
	var offered []string
	for _, e := range r.Exchanges {
		if e.Offered == probe.Yes {
			offered = append(offered, e.Name)
		}
	}
	if exchanges := or(strings.Join(offered, " "), "-"); got != m.want || exchanges != m.exchanges {
		t.Errorf("got %q with %s, want %q with %s\n%+v\n%+v", got, exchanges, m.want, m.exchanges, r, r.Certificate)
	}
}
