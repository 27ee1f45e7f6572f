//go:build linux

package peertest

import (
	"bytes"
	"crypto/tls"
	"slices"
)

// matrixRows is the table. What a row does not say is left to the program.
func matrixRows() []row {
	return slices.Concat(opensslVersions(), opensslCiphers(), certificates(), gnutlsRows(), postfixRows(),
		recordedRows(), dialogueRows(), afterRows(), implicitRows(), twoHosts())
}

func one(h host) []host { return []host{h} }

func opensslVersions() []row {
	v := func(oldest, newest string) []host { return one(openssl{oldest: oldest, newest: newest}) }
	return []row{
		{name: "TLS 1.3 alone", hosts: v("TLSv1.3", ""), want: "delivered 1.3 "},
		{name: "TLS 1.2 and 1.3", hosts: v("TLSv1.2", ""), want: "delivered 1.3 "},
		{name: "TLS 1.1 to 1.3", hosts: v("TLSv1.1", ""), want: "delivered 1.3 "},
		{name: "TLS 1.0 to 1.3", hosts: v("TLSv1", ""), want: "delivered 1.3 "},
		{name: "TLS 1.2 alone", hosts: v("TLSv1.2", "TLSv1.2"), want: "delivered 1.2 "},
		{name: "TLS 1.1 and 1.2", hosts: v("TLSv1.1", "TLSv1.2"), want: "delivered 1.2 "},
		{name: "TLS 1.0 to 1.2", hosts: v("TLSv1", "TLSv1.2"), want: "delivered 1.2 "},
		{name: "TLS 1.1 alone", hosts: v("TLSv1.1", "TLSv1.1"), want: belowFloor},
		{name: "TLS 1.0 alone", hosts: v("TLSv1", "TLSv1"), want: belowFloor},
		{name: "TLS 1.0 and 1.1", hosts: v("TLSv1", "TLSv1.1"), want: belowFloor},
		{name: "TLS 1.0 and 1.1", level: "opportunistic", hosts: v("TLSv1", "TLSv1.1"), want: belowFloor},
		{name: "TLS 1.0 and 1.1", level: "verified", hosts: v("TLSv1", "TLSv1.1"), want: belowFloor},
		{name: "TLS 1.2 alone", level: "floor 1.3", hosts: v("TLSv1.2", "TLSv1.2"), want: belowFloor},
		{name: "TLS 1.0 to 1.2", level: "floor 1.3", hosts: v("TLSv1", "TLSv1.2"), want: belowFloor},
		{name: "TLS 1.2 and 1.3", level: "floor 1.3", hosts: v("TLSv1.2", ""), want: "delivered 1.3 "},
		{name: "TLS 1.2 alone", level: "opportunistic", hosts: v("TLSv1.2", "TLSv1.2"), want: "delivered 1.2 "},
		{name: "TLS 1.2 alone", level: "verified", hosts: v("TLSv1.2", "TLSv1.2"), want: "delivered 1.2 "},
	}
}

func opensslCiphers() []row {
	only := func(ciphers string) []host { return one(openssl{newest: "TLSv1.2", ciphers: ciphers}) }
	curve := func(curves, newest, ciphers string) []host {
		return one(openssl{curves: curves, newest: newest, ciphers: ciphers})
	}
	return []row{
		{name: "RSA key exchange alone, CBC", hosts: only("AES128-SHA"), want: "delivered 1.2 TLS_RSA_WITH_AES_128_CBC_SHA"},
		{name: "RSA key exchange alone, GCM", hosts: only("AES256-GCM-SHA384"), want: "delivered 1.2 TLS_RSA_WITH_AES_256_GCM_SHA384"},
		{name: "RSA key exchange alone", level: "opportunistic", hosts: only("AES256-SHA"), want: "delivered 1.2 TLS_RSA_WITH_AES_256_CBC_SHA"},
		{name: "RSA key exchange alone", level: "verified", hosts: only("AES128-SHA"), want: broken}, // alert 40
		{name: "RSA key exchange, CBC with SHA-256", hosts: only("AES128-SHA256"), want: broken},
		{name: "ECDHE with ChaCha20", hosts: only("ECDHE-RSA-CHACHA20-POLY1305"), want: "delivered 1.2 TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256"},
		{name: "ECDHE with AES-CBC", hosts: only("ECDHE-RSA-AES128-SHA"), want: "delivered 1.2 TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA"},
		{name: "ECDHE with AES-256-GCM", level: "verified", hosts: only("ECDHE-RSA-AES256-GCM-SHA384"), want: "delivered 1.2 TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"},
		{name: "ECDHE, CBC with SHA-384", hosts: only("ECDHE-RSA-AES256-SHA384"), want: broken},
		{name: "DHE alone", hosts: only("DHE-RSA-AES128-GCM-SHA256"), want: broken},
		{name: "CAMELLIA alone", hosts: only("CAMELLIA128-SHA"), want: broken},
		{name: "ARIA alone", hosts: only("ECDHE-ARIA128-GCM-SHA256"), want: broken},
		{name: "no encryption", hosts: only("NULL-SHA256"), want: broken},
		{name: "no certificate", hosts: only("AECDH-AES128-SHA"), want: broken},
		{name: "RSA key exchange of TLS 1.0", hosts: one(openssl{newest: "TLSv1", ciphers: "AES128-SHA"}), want: belowFloor},
		{name: "TLS 1.3 with ChaCha20", hosts: one(openssl{oldest: "TLSv1.3", suites: "TLS_CHACHA20_POLY1305_SHA256"}), want: "delivered 1.3 TLS_CHACHA20_POLY1305_SHA256"},
		{name: "TLS 1.3 with CCM", hosts: one(openssl{oldest: "TLSv1.3", suites: "TLS_AES_128_CCM_SHA256"}), want: broken},
		{name: "P-256 alone", hosts: curve("P-256", "", ""), want: "delivered 1.3 "},
		{name: "P-521 alone", hosts: curve("P-521", "", ""), want: "delivered 1.3 "},
		{name: "P-384 alone, TLS 1.2", hosts: curve("P-384", "TLSv1.2", "ECDHE-RSA-AES128-GCM-SHA256"), want: "delivered 1.2 "},
		{name: "X448 alone", hosts: one(openssl{oldest: "TLSv1.3", curves: "X448"}), want: broken},
		{name: "X448 alone, TLS 1.2", hosts: curve("X448", "TLSv1.2", "ECDHE-RSA-AES128-GCM-SHA256"), want: broken},
		{name: "X448 or RSA key exchange", hosts: curve("X448", "TLSv1.2", "ECDHE-RSA-AES128-GCM-SHA256:AES128-SHA"), want: "delivered 1.2 TLS_RSA_WITH_AES_128_CBC_SHA"},
		{name: "brainpool curve", hosts: curve("brainpoolP256r1", "TLSv1.2", "ECDHE-RSA-AES128-GCM-SHA256"), want: broken},
	}
}

func certificates() []row {
	c := func(kind string) []host { return one(openssl{oldest: "TLSv1.2", cert: kind}) }
	c12 := func(kind string) []host { return one(openssl{newest: "TLSv1.2", cert: kind}) }
	return []row{
		{name: "good certificate", level: "verified", hosts: c(""), want: "delivered 1.3 "},
		{name: "wildcard", level: "verified", hosts: c("wildcard"), want: "delivered 1.3 "},
		{name: "expired", hosts: c("expired"), want: "delivered 1.3 "},
		{name: "expired", level: "opportunistic", hosts: c("expired"), want: "delivered 1.3 "},
		{name: "expired", level: "verified", hosts: c("expired"), want: expired},
		{name: "not yet valid", level: "verified", hosts: c("not yet valid"), want: expired},
		{name: "foreign name", hosts: c("foreign name"), want: "delivered 1.3 "},
		{name: "foreign name", level: "verified", hosts: c("foreign name"), want: foreignName},
		{name: "common name alone", level: "verified", hosts: c("common name alone"), want: foreignName},
		{name: "self-signed", hosts: c("self-signed"), want: "delivered 1.3 "},
		{name: "self-signed", level: "verified", hosts: c("self-signed"), want: untrusted},
		{name: "unknown authority", level: "verified", hosts: c12("unknown authority"), want: untrusted},
		{name: "chain without its middle", hosts: c("no intermediate"), want: "delivered 1.3 "},
		{name: "chain without its middle", level: "verified", hosts: c("no intermediate"), want: untrusted},
		{name: "chain of three", level: "verified", hosts: c("intermediate"), want: "delivered 1.3 "},
		{name: "RSA with 1024 bits", hosts: c("RSA with 1024 bits"), want: "delivered 1.3 "},
		{name: "RSA with 512 bits", hosts: c12("RSA with 512 bits"), want: unreadable},
		{name: "RSA with 16384 bits", hosts: one(goTLS{edit: hugeCertificate}), want: unreadable},
		{name: "P-384", level: "verified", hosts: c("P-384"), want: "delivered 1.3 "},
		{name: "P-521", level: "verified", hosts: c("P-521"), want: "delivered 1.3 "},
		{name: "Ed25519", level: "verified", hosts: c("Ed25519"), want: "delivered 1.3 "},
		{name: "Ed25519, TLS 1.2", hosts: c12("Ed25519"), want: "delivered 1.2 "},
		{name: "Ed448", hosts: c("Ed448"), want: broken},
		{name: "brainpool", hosts: one(openssl{newest: "TLSv1.2", cert: "brainpool", curves: "brainpoolP256r1:P-256"}), want: broken},
		{name: "RSA-PSS", hosts: c("RSA-PSS"), want: broken},
		{name: "negative serial", hosts: c("negative serial"), want: unreadable},
		{name: "negative serial", level: "verified", hosts: c("negative serial"), want: unreadable},
		{name: "version 1", hosts: c("version 1"), want: "delivered 1.3 "},
		{name: "version 1", level: "verified", hosts: c("version 1"), want: foreignName},
		{name: "MD5", hosts: one(goTLS{cert: "MD5"}), want: "delivered 1.3 "},
		{name: "MD5", level: "verified", hosts: one(goTLS{cert: "MD5"}), want: untrusted},
		{name: "MD5, in OpenSSL", hosts: c("MD5"), want: broken}, // alert 40: our ClientHello does not list MD5 for certificates
		{name: "SHA-1", hosts: c12("SHA-1"), want: "delivered 1.2 "},
		{name: "SHA-1", level: "verified", hosts: c("SHA-1"), want: untrusted},
		{name: "no certificate at all", hosts: one(goTLS{edit: garbledCertificate}), want: unreadable},
		{name: "key of another certificate", hosts: one(goTLS{edit: foreignKey}), want: unreadable},
		{name: "key of another certificate, TLS 1.2", hosts: one(goTLS{edit: func(f *farm, name string, c *tls.Config) {
			foreignKey(f, name, c)
			c.MaxVersion = tls.VersionTLS12
		}}), want: unreadable},
	}
}

func hugeCertificate(f *farm, name string, c *tls.Config) {
	c.Certificates = []tls.Certificate{f.ids.huge(f.t, name)}
}

func garbledCertificate(_ *farm, _ string, c *tls.Config) {
	c.Certificates[0].Leaf, c.Certificates[0].Certificate = nil, [][]byte{[]byte("-----BEGIN CERTIFICATE-----")}
}

func foreignKey(f *farm, _ string, c *tls.Config) { c.Certificates[0].PrivateKey = f.ids.unknown.key }

func gnutlsRows() []row {
	const no13 = "NORMAL:-VERS-TLS1.3"
	return []row{
		{name: "GnuTLS", hosts: one(gnutls("NORMAL")), want: "delivered 1.3 "},
		{name: "GnuTLS", level: "verified", hosts: one(gnutls("NORMAL")), want: "delivered 1.3 "},
		{name: "GnuTLS, TLS 1.2", hosts: one(gnutls(no13)), want: "delivered 1.2 "},
		{name: "GnuTLS, TLS 1.2", level: "floor 1.3", hosts: one(gnutls(no13)), want: broken}, // alert 40
		{name: "GnuTLS, TLS 1.1", hosts: one(gnutls("NORMAL:-VERS-ALL:+VERS-TLS1.1")), want: belowFloor},
		{name: "GnuTLS, TLS 1.0", hosts: one(gnutls("NORMAL:-VERS-ALL:+VERS-TLS1.0")), want: belowFloor},
		{name: "GnuTLS, TLS 1.0", level: "opportunistic", hosts: one(gnutls("NORMAL:-VERS-ALL:+VERS-TLS1.0")), want: belowFloor},
		{name: "GnuTLS, RSA key exchange", hosts: one(gnutls(no13 + ":-KX-ALL:+RSA")), want: "delivered 1.2 TLS_RSA_"},
		{name: "GnuTLS, RSA key exchange", level: "verified", hosts: one(gnutls(no13 + ":-KX-ALL:+RSA")), want: broken},
		{name: "GnuTLS, P-521", hosts: one(gnutls("NORMAL:-GROUP-ALL:+GROUP-SECP521R1")), want: "delivered 1.3 "},
		{name: "GnuTLS, finite fields", hosts: one(gnutls("NORMAL:-GROUP-ALL:+GROUP-FFDHE2048")), want: broken},
		{name: "GnuTLS, DHE", hosts: one(gnutls(no13 + ":-KX-ALL:+DHE-RSA")), want: broken},
		{name: "gnutls-serv, TLS 1.1", hosts: one(gnutlsServ("NORMAL:-VERS-ALL:+VERS-TLS1.1")), want: belowFloor},
		{name: "gnutls-serv, 3DES", hosts: one(gnutlsServ(no13 + ":-CIPHER-ALL:+3DES-CBC")), want: broken},
		{name: "gnutls-serv, anonymous", hosts: one(gnutlsServ(no13 + ":-KX-ALL:+ANON-ECDH:+ANON-DH")), want: broken},
	}
}

func postfixRows() []row {
	p := func(options ...string) []host { return one(postfix(options)) }
	return []row{
		{name: "Postfix", hosts: p(), want: "delivered 1.3 "},
		{name: "Postfix", level: "verified", hosts: p(), want: "delivered 1.3 "},
		{name: "Postfix that insists on TLS", hosts: p("smtpd_tls_security_level=encrypt"), want: "delivered 1.3 "},
		{name: "Postfix, TLS 1.2", hosts: p("smtpd_tls_protocols=TLSv1.2"), want: "delivered 1.2 "},
		{name: "Postfix, TLS 1.2 at most", level: "floor 1.3", hosts: p("smtpd_tls_protocols=<=TLSv1.2"), want: belowFloor},
		{name: "Postfix, TLS 1.1 at most", hosts: p("smtpd_tls_protocols=<=TLSv1.1"), want: belowFloor},
		{name: "Postfix, TLS 1.1 at most", level: "opportunistic", hosts: p("smtpd_tls_protocols=<=TLSv1.1"), want: belowFloor},
		{name: "Postfix that insists on TLS 1.0", hosts: p("smtpd_tls_security_level=encrypt", "smtpd_tls_mandatory_protocols=TLSv1"), want: belowFloor},
		{name: "Postfix without TLS", hosts: p("smtpd_tls_security_level=none"), want: notOffered},
		{name: "Postfix without TLS", level: "verified", hosts: p("smtpd_tls_security_level=none"), want: notOffered},
		{name: "Postfix without TLS", level: "opportunistic", hosts: p("smtpd_tls_security_level=none"), want: clearText},
		{name: "Postfix that hides STARTTLS", hosts: p("smtpd_discard_ehlo_keywords=starttls"), want: notOffered},
		{name: "Postfix without its certificate", hosts: p("smtpd_tls_cert_file=/nonexistent", "smtpd_tls_key_file=/nonexistent"), want: refused},
		{name: "Postfix, anonymous", hosts: p("smtpd_tls_cert_file=none", "smtpd_tls_key_file=none"), want: broken},
		{name: "Postfix that asks for a certificate", hosts: p("smtpd_tls_ask_ccert=yes"), want: "delivered 1.3 "},
		{name: "Postfix that requires a certificate", hosts: p("smtpd_tls_security_level=encrypt", "smtpd_tls_req_ccert=yes"), want: "deferred remote-temporary 4.7.1"}, // in words
		{name: "Postfix that requires a certificate, TLS 1.2", want: "deferred remote-temporary 4.7.1",
			hosts: p("smtpd_tls_security_level=encrypt", "smtpd_tls_req_ccert=yes", "smtpd_tls_mandatory_protocols=TLSv1.2")},
	}
}

// recordedRows are servers that no package has any more, by what they write.
func recordedRows() []row {
	a := func(raw ...[]byte) []host { return one(stack{then: answers(raw...)}) }
	cut := hello(tls.VersionTLS10, rc4)
	return []row{
		{name: "ServerHello of SSL 3.0", hosts: a(record(22, sslv3, hello(sslv3, rc4))), want: belowFloor},
		{name: "ServerHello of SSL 3.0", level: "opportunistic", hosts: a(record(22, sslv3, hello(sslv3, rc4))), want: belowFloor},
		{name: "SERVER-HELLO of SSL 2.0", hosts: a(ssl2Hello()), want: belowFloor},
		{name: "ERROR of SSL 2.0", hosts: a(ssl2NoCipher()), want: belowFloor},
		{name: "ServerHello of TLS 1.0", hosts: a(record(22, tls.VersionTLS10, hello(tls.VersionTLS10, rc4))), want: belowFloor},
		{name: "ServerHello of TLS 1.1", hosts: a(record(22, tls.VersionTLS11, hello(tls.VersionTLS11, dheAES))), want: belowFloor},
		{name: "ServerHello of TLS 1.0 in two records", want: belowFloor,
			hosts: a(record(22, tls.VersionTLS10, cut[:40]), record(22, tls.VersionTLS10, cut[40:]))},
		{name: "ServerHello of TLS 1.0 in two segments", want: belowFloor,
			hosts: a(record(22, tls.VersionTLS10, cut)[:20], record(22, tls.VersionTLS10, cut)[20:])},
		{name: "ServerHello of TLS 1.2 under the floor", level: "floor 1.3", hosts: a(record(22, tls.VersionTLS12, hello(tls.VersionTLS12, ecdhGCM))), want: belowFloor},
		{name: "ServerHello of a TLS to come", hosts: a(record(22, tls.VersionTLS12, hello(0x0305, aesSHA))), want: broken},
		{name: "ServerHello with DHE", hosts: a(record(22, tls.VersionTLS12, hello(tls.VersionTLS12, dheAES))), want: noCipher},
		{name: "ServerHello with RC4", hosts: a(record(22, tls.VersionTLS12, hello(tls.VersionTLS12, rc4))), want: noCipher},
		{name: "ServerHello that tells of a downgrade", want: broken,
			hosts: a(record(22, tls.VersionTLS12, helloWith(tls.VersionTLS12, ecdhGCM, sentinel())))},
		{name: "ServerHello and no more", hosts: a(record(22, tls.VersionTLS12, hello(tls.VersionTLS12, ecdhGCM))), want: broken},
		{name: "half a ServerHello", hosts: a(record(22, tls.VersionTLS12, hello(tls.VersionTLS12, ecdhGCM))[:30]), want: broken},
		{name: "alert: protocol version", hosts: a(alert(tls.VersionTLS10, 70)), want: belowFloor},
		{name: "alert: protocol version", level: "opportunistic", hosts: a(alert(sslv3, 70)), want: belowFloor},
		{name: "alert: insufficient security", hosts: a(alert(tls.VersionTLS12, 71)), want: noCipher},
		{name: "alert: handshake failure", hosts: a(alert(tls.VersionTLS12, 40)), want: broken},
		{name: "alert: handshake failure, in SSL 3.0", hosts: a(alert(sslv3, 40)), want: broken},
		{name: "alert: internal error", hosts: a(alert(tls.VersionTLS12, 80)), want: broken},
		{name: "alert: close_notify", hosts: a(record(21, tls.VersionTLS12, []byte{1, 0})), want: broken},
		{name: "alert: unexpected message", hosts: a(alert(tls.VersionTLS10, 10)), want: broken},
		{name: "alert: illegal parameter", hosts: a(alert(tls.VersionTLS12, 47)), want: broken},
		{name: "alert: unrecognized name", hosts: a(alert(tls.VersionTLS12, 112)), want: broken},
		{name: "alert: inappropriate fallback", hosts: a(alert(tls.VersionTLS12, 86)), want: broken},
		{name: "DTLS", hosts: a([]byte{22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2}), want: broken},
		{name: "a record without end", hosts: a([]byte{22, 3, 3, 0xff, 0xff}, bytes.Repeat([]byte{7}, 1<<16)), want: broken},
		{name: "empty records", hosts: a(bytes.Repeat(record(22, tls.VersionTLS12, nil), 2000)), want: broken},
		{name: "one byte", hosts: a([]byte{22}), want: broken},
		{name: "text", hosts: a([]byte("454 4.7.0 TLS is not available\r\n")), want: broken},
		{name: "text", level: "opportunistic", hosts: a([]byte("250 mx.test\r\n")), want: broken},
		{name: "HTTP", hosts: a([]byte("HTTP/1.1 400 Bad Request\r\n\r\n")), want: broken},
		{name: "zeros", hosts: a(make([]byte, 1<<17)), want: broken},
		{name: "silence", hosts: one(stack{silence: true}), want: broken},
		{name: "silence", level: "opportunistic", hosts: one(stack{silence: true}), want: broken},
		{name: "the end", hosts: one(stack{}), want: broken},
		{name: "the end", level: "opportunistic", hosts: one(stack{}), want: broken},
		{name: "a reset", hosts: one(stack{then: resets}), want: broken},
		{name: "the end within the handshake", want: broken,
			hosts: one(goTLS{wrap: wrapCutOff})},
	}
}
