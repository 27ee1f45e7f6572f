//go:build linux

package peertest

import (
	"crypto/tls"
	"net"
)

// dialogueRows are about the words before TLS.
func dialogueRows() []row {
	reply := func(s string) []host { return one(stack{starttls: s}) }
	return []row{
		{name: "no STARTTLS", hosts: one(plain{}), want: notOffered},
		{name: "no STARTTLS", level: "verified", hosts: one(plain{}), want: notOffered},
		{name: "no STARTTLS", level: "floor 1.3", hosts: one(plain{}), want: notOffered},
		{name: "no STARTTLS", level: "opportunistic", hosts: one(plain{}), want: clearText},
		{name: "no EHLO", hosts: one(stack{ehlo: "502 5.5.1 what is that?"}), want: notOffered},
		{name: "STARTTLS where the name stands", hosts: one(stack{ehlo: "250 STARTTLS"}), want: notOffered},
		{name: "STARTTLS in lower case", want: "delivered 1.3 ",
			hosts: one(spelled("250-mx.test\r\n250 starttls"))},
		{name: "STARTTLS in both cases", want: "delivered 1.3 ",
			hosts: one(spelled("250-mx.test\r\n250-StartTLS\r\n250 SIZE"))},
		{name: "STARTTLS with a parameter", want: "delivered 1.3 ",
			hosts: one(spelled("250-mx.test\r\n250 STARTTLS REQUIRED"))},
		{name: "454", hosts: reply("454 4.7.0 TLS is not available"), want: refused},
		{name: "454", level: "opportunistic", hosts: reply("454 4.7.0 TLS is not available"), want: refused},
		{name: "500", hosts: reply("500 5.5.1 unknown"), want: refused},
		{name: "501", hosts: reply("501 5.5.4 no parameters"), want: refused},
		{name: "502", hosts: reply("502 5.5.1 not here"), want: refused},
		{name: "502", level: "opportunistic", hosts: reply("502 5.5.1 not here"), want: refused},
		{name: "503", hosts: reply("503 5.5.1 not now"), want: refused},
		{name: "554 in two lines", hosts: reply("554-5.7.1 no TLS\r\n554 5.7.1 for you"), want: refused},
		{name: "421", hosts: reply("421 4.3.2 closing"), want: refused},
		{name: "250 instead of 220", hosts: reply("250 2.0.0 ok"), want: protocol},
		{name: "no SMTP", hosts: reply("ready"), want: protocol},
		{name: "the end after STARTTLS", hosts: one(stack{hangup: true}), want: lost},
		{name: "the end after STARTTLS", level: "opportunistic", hosts: one(stack{hangup: true}), want: lost},
		{name: "words behind 220", hosts: reply("220 ready\r\n250 AUTH PLAIN"), want: broken},
		{name: "words behind 220", level: "opportunistic", hosts: reply("220 ready\r\n250 AUTH PLAIN"), want: broken},
		{name: "an alert behind 220", hosts: reply("220 ready\r\n" + string(alert(tls.VersionTLS12, 70))), want: broken},
	}
}

// spelled is a good host that offers STARTTLS in a way of its own.
type spelled string

func (h spelled) add(f *farm, addr, name string) {
	stack{ehlo: string(h), then: goTLS{}.then(f, name, true)}.add(f, addr, name)
}

// afterRows are about TLS that works, or seems to.
func afterRows() []row {
	return []row{
		{name: "a byte at a time", want: "delivered 1.3 ",
			hosts: one(goTLS{wrap: func(c net.Conn) net.Conn { return byByte{c} }})},
		{name: "a warning first", want: "delivered 1.2 ",
			hosts: one(goTLS{edit: newest(tls.VersionTLS12), wrap: func(c net.Conn) net.Conn { return &warns{Conn: c} }})},
		{name: "a client's certificate", hosts: one(goTLS{edit: wantsClient(tls.VersionTLS13)}), want: broken},
		{name: "a client's certificate, TLS 1.2", hosts: one(goTLS{edit: wantsClient(tls.VersionTLS12)}), want: broken},
		{name: "EHLO refused", hosts: one(goTLS{after: says("554 5.7.1 go away")}), want: "deferred remote-temporary 4.7.1"},
		{name: "EHLO and HELO refused", hosts: one(goTLS{after: says("502 5.5.1 what?")}), want: "deferred remote-temporary 4.5.1"},
		{name: "421", hosts: one(goTLS{after: says("421 4.3.2 too busy")}), want: "deferred remote-temporary 4.3.2"},
		{name: "the end", hosts: one(goTLS{after: func(*farm, *tls.Conn) {}}), want: lost},
		{name: "a reset", hosts: one(goTLS{after: resetsTLS}), want: lost},
		{name: "clear text", hosts: one(goTLS{after: saysInClear}), want: broken},
		{name: "clear text, TLS 1.2", hosts: one(goTLS{edit: newest(tls.VersionTLS12), after: saysInClear}), want: broken},
	}
}

// implicitRows are routes to port 465.
func implicitRows() []row {
	return []row{
		{name: "implicit TLS 1.3", hosts: one(implicitTLS{}), want: "delivered 1.3 "},
		{name: "implicit TLS 1.2", hosts: one(implicitTLS{tls: goTLS{edit: newest(tls.VersionTLS12)}}), want: "delivered 1.2 "},
		{name: "implicit TLS", level: "verified", hosts: one(implicitTLS{}), want: "delivered 1.3 "},
		{name: "implicit TLS, foreign name", level: "verified", hosts: one(implicitTLS{tls: goTLS{cert: "foreign name"}}), want: foreignName},
		{name: "implicit TLS 1.1", hosts: one(implicitTLS{tls: goTLS{edit: newest(tls.VersionTLS11)}}), want: belowFloor},
		{name: "implicit TLS that is none", level: "opportunistic", want: broken,
			hosts: one(implicitTLS{raw: func(f *farm, c net.Conn) { stack{}.handle(f, c) }})},
		{name: "implicit TLS that ends", level: "opportunistic", hosts: one(implicitTLS{raw: func(*farm, net.Conn) {}}), want: broken},
	}
}

// twoHosts are domains with two MX hosts: the first is bad in one way each, the other one good or without STARTTLS.
func twoHosts() []row {
	var rows []row
	good := func() host { return openssl{oldest: "TLSv1.2"} }
	for _, bad := range []struct {
		name  string
		level string // of the policy with a good second host
		host  host
		want  string // with a second host in clear text
		by    int    // likewise
	}{
		{"old TLS", "", openssl{newest: "TLSv1.1"}, belowFloor, 1},
		{"old GnuTLS", "", gnutls("NORMAL:-VERS-ALL:+VERS-TLS1.1"), belowFloor, 1},
		{"no common cipher", "", openssl{newest: "TLSv1.2", ciphers: "CAMELLIA128-SHA"}, broken, 1},
		{"SSL 3.0", "", stack{then: answers(record(22, sslv3, hello(sslv3, rc4)))}, belowFloor, 1},
		{"refused STARTTLS", "", stack{starttls: "454 4.7.0 not now"}, refused, 1},
		{"silence", "", stack{silence: true}, broken, 1},
		{"text", "", stack{then: answers([]byte("500 what?\r\n"))}, broken, 1},
		{"the end of the connection", "", stack{}, broken, 1},
		{"the end after STARTTLS", "", stack{hangup: true}, notOffered, 2}, // the other one tells more
		{"words behind 220", "", stack{starttls: "220 ready\r\n250 STARTTLS"}, broken, 1},
		{"a client's certificate", "", goTLS{edit: wantsClient(tls.VersionTLS13)}, broken, 1},
		{"the end before EHLO", "", goTLS{after: func(*farm, *tls.Conn) {}}, notOffered, 2},
		{"clear text within TLS", "", goTLS{after: saysInClear}, broken, 1},
		{"an unreadable certificate", "", openssl{cert: "negative serial"}, unreadable, 1},
	} {
		rows = append(rows,
			row{name: "first " + bad.name + ", then good", level: bad.level, hosts: []host{bad.host, good()}, want: "delivered 1.3 ", by: 2},
			row{name: "first " + bad.name + ", then clear", level: "opportunistic", hosts: []host{bad.host, plain{}}, want: bad.want, by: bad.by})
	}
	return append(rows,
		row{name: "first clear, then good", hosts: []host{plain{}, good()}, want: "delivered 1.3 ", by: 2},
		row{name: "first an expired certificate, then good", level: "verified", hosts: []host{openssl{cert: "expired"}, good()}, want: "delivered 1.3 ", by: 2},
		row{name: "first TLS 1.2, then 1.3", level: "floor 1.3", hosts: []host{openssl{newest: "TLSv1.2"}, good()}, want: "delivered 1.3 ", by: 2},
		row{name: "first old, then older", hosts: []host{openssl{newest: "TLSv1.1"}, openssl{newest: "TLSv1"}}, want: belowFloor},
		row{name: "first clear, then old", hosts: []host{plain{}, openssl{newest: "TLSv1.1"}}, want: notOffered},
		row{name: "first good TLS and no mail, then clear", level: "opportunistic", want: clearText, by: 2,
			hosts: []host{goTLS{after: says("554 5.7.1 go away")}, plain{}}},
	)
}

func wrapCutOff(c net.Conn) net.Conn { return &cutOff{c, 200} }
