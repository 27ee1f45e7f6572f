package notice

import (
	"strings"
	"testing"

	"tlsrelay/queue"
)

// The languages have the same texts of causes, and none is for a cause that is gone.
func TestNoStrayTexts(t *testing.T) {
	known := strings.Join(allCauses(), " ") + " " + generic + " " + relayed
	for key, l := range builtIn().languages {
		for _, tmpl := range l.templates.Templates() {
			for other, o := range builtIn().languages {
				if strings.Contains(tmpl.Name(), "/") && o.templates.Lookup(tmpl.Name()) == nil {
					t.Errorf("%s has the text %q, %s has not", key, tmpl.Name(), other)
				}
			}
			if cause, _, ok := strings.Cut(tmpl.Name(), "/"); ok && !strings.Contains(" "+known+" ", " "+cause+" ") {
				t.Errorf("%s: %q is for no cause of the tables", key, tmpl.Name())
			}
		}
	}
}

// No text comes out empty, whatever little is known of the attempt; and a cause nobody knows gets the generic one.
func TestTextsNeedNoFacts(t *testing.T) {
	for _, l := range builtIn().languages {
		for _, cause := range allCauses() {
			for _, g := range []group{
				{Key: cause, Hostname: "relay"}, {Key: cause, Hostname: "relay", Delay: true}, {Key: cause, Hostname: "relay", Floor: "1.3"},
			} {
				for _, part := range []string{"what", "do"} {
					s, err := l.cause(part, g)
					if err != nil || len(s) < 20 || strings.Contains(s, "<no value>") || strings.Contains(s, "\n") {
						t.Errorf("%s: %s/%s is %q, %v", l.key, cause, part, s, err)
					}
				}
			}
		}
		want, _ := l.cause("what", group{Key: generic, Domain: "example.org"})
		if got, _ := l.cause("what", group{Key: "not-in-any-table", Domain: "example.org"}); got != want {
			t.Errorf("%s: unknown cause gives %q", l.key, got)
		}
	}
}

func TestTextsFor(t *testing.T) {
	for _, tt := range []struct{ want, got []string }{
		{[]string{"de", "en"}, []string{"de", "en"}}, {[]string{"en"}, []string{"en"}}, {[]string{"fr", "de"},
			[]string{"de"}},
		{[]string{"fr"}, []string{"en"}}, {nil, []string{"en"}},
	} {
		var got []string
		for _, l := range (*Texts)(nil).in(tt.want) {
			got = append(got, l.key)
		}
		if strings.Join(got, " ") != strings.Join(tt.got, " ") {
			t.Errorf("%v gives %v, want %v", tt.want, got, tt.got)
		}
	}
}

func TestSubject(t *testing.T) {
	for _, tt := range []struct {
		lang, want string
		n          queue.Notice
	}{
		{"en", "Not delivered: your message to info@example.org and 2 more", several()},
		{"de", "Nicht zugestellt: Ihre Nachricht an info@example.org und 2 weitere", several()},
		{"en", "Not delivered yet: your message to kunde@example.org", sample("loop", queue.NoticeDelay)},
		{"de", "Noch nicht zugestellt: Ihre Nachricht an kunde@example.org", sample("loop", queue.NoticeDelay)},
	} {
		p, err := parse(compose(t, composer(tt.lang), tt.n, original))
		if err != nil || p.header.Get("Subject") != tt.want {
			t.Errorf("%v: subject %q, want %q", err, p.header.Get("Subject"), tt.want)
		}
	}
}
