package notice

import (
	"crypto/tls"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"tlsrelay/tlspolicy"
)

// allSeen is what an attempt can see of a server, in all ways to put it: each kind of answer, and each alert there may be.
func allSeen(t *testing.T) []tlspolicy.Observed {
	t.Helper()
	if n := reflect.TypeFor[tlspolicy.Observed]().NumField(); n != 6 {
		t.Fatalf("tlspolicy.Observed has %d fields: say here what values they have", n)
	}
	var all []tlspolicy.Observed
	hellos := []tlspolicy.Observed{
		{}, {NotTLS: true}, {Hello: true, Version: tlspolicy.SSL20}, {Hello: true, Version: tlspolicy.SSL30, Cipher: tls.TLS_RSA_WITH_RC4_128_SHA},
		{Hello: true, Version: tlspolicy.TLS10, Cipher: tls.TLS_RSA_WITH_AES_128_CBC_SHA}, {Hello: true, Version: tlspolicy.TLS13, Cipher: 0xffff},
		{Hello: true, Version: 0x7f1c},
	}
	for _, o := range hellos {
		for o.Bytes = 0; o.Bytes < 2; o.Bytes++ {
			for o.Alert = -1; o.Alert < 256; o.Alert++ {
				all = append(all, o)
			}
		}
	}
	return all
}

// Whatever tlspolicy says that it saw, there are words for it in each language.
func TestSeenIsSaid(t *testing.T) {
	for _, l := range languages {
		for _, o := range allSeen(t) {
			said, known := l.seen.say(o.String())
			if !known || said == "" {
				t.Errorf("%s: no words for %q: see seen.go", l.key, o)
			}
			if l.key != "en" && (said == o.String() && !helloSeen.MatchString(said) || strings.Contains(said, "then")) {
				t.Errorf("%s: %q is said as in English", l.key, o)
			}
		}
	}
}

// Of every alert that Go has words for, and of those that it does not know and others do, German has words of its own.
func TestSeenAlerts(t *testing.T) {
	const others = " 41 52 117 "
	for n := range 256 {
		english := strings.TrimPrefix(tls.AlertError(n).Error(), "tls: ")
		want := !strings.HasPrefix(english, "alert(") || strings.Contains(others, fmt.Sprintf(" %d ", n))
		if words := germanAlerts[n]; (words != "") != want || words == english {
			t.Errorf("alert %d (%s) is %q in German", n, english, words)
		}
	}
}

func TestSeenWords(t *testing.T) {
	for _, tt := range []struct{ seen, en, de string }{
		{"nothing", "no answer", "keine Antwort"},
		{"alert 70 (protocol version not supported)", "alert 70 (protocol version not supported)", "TLS-Alert 70 (Protokollversion nicht unterstützt)"},
		{"alert 70", "alert 70", "TLS-Alert 70 (Protokollversion nicht unterstützt)"},
		{"alert 200 (alert(200))", "alert 200", "TLS-Alert 200"},
		{"ServerHello TLS 1.0, TLS_RSA_WITH_AES_128_CBC_SHA", "ServerHello TLS 1.0, TLS_RSA_WITH_AES_128_CBC_SHA",
			"ServerHello TLS 1.0, TLS_RSA_WITH_AES_128_CBC_SHA"},
		{"ServerHello TLS 1.2, 0x0005, then alert 40 (handshake failure)", "ServerHello TLS 1.2, 0x0005, then alert 40 (handshake failure)",
			"ServerHello TLS 1.2, 0x0005, dann TLS-Alert 40 (Handshake fehlgeschlagen)"},

		{"", "", ""}, // and what is not known stays as it is
		{"alert 200 (of a newer version)", "alert 200 (of a newer version)", "alert 200 (of a newer version)"},
		{"alert 070 (x)", "alert 070 (x)", "alert 070 (x)"},
		{"alert 70 (x) and more", "alert 70 (x) and more", "alert 70 (x) and more"},
		{"alert 99999999999999999999", "alert 99999999999999999999", "alert 99999999999999999999"},
		{"something, then alert 40 (handshake failure)", "something, then alert 40 (handshake failure)", "something, then alert 40 (handshake failure)"},
	} {
		if en, de := Seen("en", tt.seen), Seen("de", tt.seen); en != tt.en || de != tt.de {
			t.Errorf("%q: %q, %q", tt.seen, en, de)
		}
	}
	if got := Seen("fr", "nothing"); got != "no answer" {
		t.Errorf("another language: %q", got)
	}
}
