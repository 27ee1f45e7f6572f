package notice

import (
	"slices"
	"strings"
	"testing"

	"tlsrelay/queue"
)

func TestSenders(t *testing.T) {
	c := composer("en")
	top := c.HelpURL
	c.Senders = []Sender{
		{Domain: ".example.de", Languages: []string{"de"}},
		{Domain: ".mail.example.de", Languages: []string{"de", "en"}, HelpURL: "https://below/"},
		{Domain: "mail.example.de", HelpURL: "https://mail/"},
		{Domain: "xn--kln-sna.example", Languages: []string{"de"}},
		{Account: "Shop@example.de", Languages: []string{"en", "de"}},
	}
	for _, tt := range []struct {
		sender, account, languages, link string
	}{
		{"a@example.org", "", "en", top},
		{"a@example.de", "", "en", top}, // the entry is for domains below it
		{"a@www.EXAMPLE.de", "", "de", top},
		{"a@xexample.de", "", "en", top},
		{"a@mail.example.de", "", "en", "https://mail/"},
		{"a@x.mail.example.de", "", "de en", "https://below/"},
		{"a@x.mail.example.de", "shop@example.DE", "en de", top},
		{"a@x.mail.example.de", "other", "de en", "https://below/"},
		{"a@xn--kln-sna.example", "", "de", top},
		{"a@Köln.example", "", "de", top},
		{"no-domain", "", "en", top},
	} {
		got := c.forSender(&queue.Item{Sender: tt.sender, Account: tt.account})
		if strings.Join(got.Languages, " ") != tt.languages || got.HelpURL != tt.link {
			t.Errorf("%s of %q: %v, %s", tt.sender, tt.account, got.Languages, got.HelpURL)
		}
	}
	if !slices.Equal(c.Languages, []string{"en"}) || c.HelpURL != top {
		t.Errorf("the composer became %+v", c)
	}
}

// The entry is what the notice shows.
func TestNoticeForSender(t *testing.T) {
	c := composer("en")
	c.Senders = []Sender{{Domain: "sender.example", Languages: []string{"de"}, HelpURL: "https://hilfe.example/{cause}"}}
	text := textOf(t, compose(t, c, sample("tls-version", queue.NoticeFailure), original))
	if !strings.HasPrefix(text, "Dies ist") || !strings.Contains(text, "    https://hilfe.example/tls-version\n") {
		t.Errorf("text\n%s", text)
	}
}
