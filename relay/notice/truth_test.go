package notice

import (
	"strings"
	"testing"

	"tlsrelay/queue"
)

// What a notice says must be true of all servers that fail for its cause.
func TestNoticesClaimNoMoreThanIsTrue(t *testing.T) {
	edit := func(cause string, edit func(*queue.Recipient)) queue.Notice {
		n := proven(cause, queue.NoticeDelay)
		edit(&n.Item.Recipients[0])
		return n
	}
	legacy := func(name string) queue.Notice {
		return edit("certificate-name", func(r *queue.Recipient) { r.Evidence[0].Certificate.Names = name })
	}
	seen := func(words string) queue.Notice {
		return edit("tls-handshake", func(r *queue.Recipient) {
			r.Last.TLS.Seen, r.Evidence = words, nil
		})
	}
	at465 := func(cause string) queue.Notice {
		return edit(cause, func(r *queue.Recipient) { r.Last.Remote, r.Evidence[0].Remote = "192.0.2.25:465", "192.0.2.25:465" })
	}
	type trial struct {
		name      string
		n         queue.Notice
		en, de    string
		not, nein string
	}
	trials := []trial{
		{"the name as common name", legacy("CN=MX1.Example.org"), "only a common name (MX1.Example.org)", "nur einen „Common Name“ (MX1.Example.org)", "another name", "anderen Namen"},
		{"the name in a common name with a wildcard", legacy("CN=*.example.org"), "only a common name (*.example.org)", "nur einen „Common Name“ (*.example.org)", "another name", "anderen Namen"},
		{"another name", legacy("www.example.org"), "issued for another name (www.example.org)", "anderen Namen ausgestellt ist (www.example.org)",
			"common name", "Common Name"},
		{"no answer", seen("nothing"), "Seen no answer", "Beobachtet keine Antwort", "nothing", "nothing"},
		{"not TLS", seen("no TLS"), "Seen an answer that is not TLS", "Beobachtet eine Antwort, die kein TLS ist", "Seen no TLS", "no TLS"},
		{"a foreign group or signature", proven("tls-cipher", queue.NoticeDelay), "key exchange groups", "Gruppe", "none of the cipher suites",
			"keine der Cipher-Suites"},
		{"a foreign authority", proven("certificate-untrusted", queue.NoticeDelay), "authority of its own", "eigenen Zertifizierungsstelle",
			"Either it is", "Entweder"},
		{"a key of another certificate", proven("certificate-unreadable", queue.NoticeDelay), "does not belong to", "gehört nicht zu", "", ""},
	}
	for _, cause := range []string{"tls-version", "tls-cipher", "tls-handshake", "certificate-expired", "certificate-name",
		"certificate-untrusted", "certificate-unreadable"} {
		trials = append(trials, trial{cause + " with TLS from the first byte", at465(cause), "port 465", "Port 465", "STARTTLS", "STARTTLS"})
	}
	for _, tt := range trials {
		for lang, words := range map[string][2]string{"en": {tt.en, tt.not}, "de": {tt.de, tt.nein}} {
			text := flat(t, lang, tt.n)
			if !strings.Contains(text, words[0]) || words[1] != "" && strings.Contains(text, words[1]) {
				t.Errorf("%s: %q is missing, or %q stands in\n%s", tt.name, words[0], words[1], text)
			}
		}
	}
}
