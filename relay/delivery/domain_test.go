package delivery

import (
	"context"
	"crypto/tls"
	"fmt"
	"strings"
	"testing"
	"time"

	"tlsrelay/queue"
	"tlsrelay/relay/dns/dnstest"
)

func TestDomainFor(t *testing.T) {
	list := termsOf(&Options{Domains: []Domain{
		{Name: "example.org"}, {Name: ".example.org"}, {Name: "a.example.org"}, {Name: ".b.example.org"}, {Name: ".net"},
	}})
	for destination, want := range map[string]string{
		"example.org":       "example.org",
		"a.example.org":     "a.example.org",
		"c.example.org":     ".example.org",
		"x.a.example.org":   ".example.org",
		"b.example.org":     ".example.org",
		"x.b.example.org":   ".b.example.org",
		"y.x.b.example.org": ".b.example.org",
		"badexample.org":    "",
		"org":               "",
		"example.net":       ".net",
		"net":               "",
		".net":              ".net", // no domain, and no harm
		"":                  "",
		".":                 "",
		"a..":               "",
		"[192.0.2.1]":       "",
	} {
		if got := domainFor(list, destination).domain; got != want {
			t.Errorf("%q goes by %q, want %q", destination, got, want)
		}
	}
}

func TestTerms(t *testing.T) {
	list := termsOf(&Options{
		Connections: 7, MessagesPerConnection: 100, Source: addrsOf("192.0.2.1", "2001:db8::1"),
		Domains: []Domain{
			{Name: "few.test", Connections: 2, MessagesPerConnection: 3, MessagesPerMinute: 4},
			{Name: "far.test", Source: addrsOf("192.0.2.2", "192.0.2.3")},
		},
	})
	for name, want := range map[string]string{
		"":         "7 100 0 [192.0.2.1] [2001:db8::1]",
		"few.test": "2 3 4 [192.0.2.1] [2001:db8::1]",
		"far.test": "7 100 0 [192.0.2.2 192.0.2.3] [2001:db8::1]",
	} {
		terms := list[name]
		if got := fmt.Sprint(terms.connections, terms.messages, terms.perMinute, terms.v4.addrs, terms.v6.addrs); got != want {
			t.Errorf("%q: %s, want %s", name, got, want)
		}
	}
	if list["far.test"].v6 != list[""].v6 || list["few.test"].v4 != list[""].v4 {
		t.Error("the addresses of [delivery] are not taken in turn by all")
	}
	if none := termsOf(&Options{})[""]; none.connections != 1 || none.v4 != nil || none.v6 != nil {
		t.Errorf("no options: %+v", none)
	}
}

// Destinations share a site only if the same Domain, or none, says how mail goes there, also where they go by a route.
func TestSiteOfDomain(t *testing.T) {
	n := newNetwork(t, 1, "25")
	for _, name := range []string{"twin.test.", "few.test.", "a.many.test.", "b.many.test."} {
		n.set(t, name, dnstest.Records{MX: []string{"10 mx1.dest.test."}})
	}
	n.opts.Connections = 7
	n.opts.Routes = []Route{{Domain: ".example.org"}}
	n.opts.Domains = []Domain{
		{Name: "few.test", Connections: 2},
		{Name: ".many.test", Connections: 9, MessagesPerMinute: 60},
		{Name: "a.example.org", MessagesPerConnection: 1},
	}
	d := New(n.opts)
	for destination, want := range map[string]queue.Site{
		"dest.test":     {Name: "mx1.dest.test (required/1.2)", Workers: 7},
		"twin.test":     {Name: "mx1.dest.test (required/1.2)", Workers: 7},
		"few.test":      {Name: "mx1.dest.test (required/1.2, as few.test)", Workers: 2},
		"a.many.test":   {Name: "mx1.dest.test (required/1.2, as .many.test)", Workers: 9, PerMinute: 60},
		"b.many.test":   {Name: "mx1.dest.test (required/1.2, as .many.test)", Workers: 9, PerMinute: 60},
		"a.example.org": {Name: "route .example.org (required/1.2, as a.example.org)", Workers: 7},
		"b.example.org": {Name: "route .example.org (required/1.2)", Workers: 7},
	} {
		if s := d.Resolve(context.Background(), destination); s != want {
			t.Errorf("%s: %+v, want %+v", destination, s, want)
		}
		if s, known := d.Site(destination); !known || s != want {
			t.Errorf("%s: %+v from memory, want %+v", destination, s, want)
		}
	}
}

func TestMessagesPerConnection(t *testing.T) {
	for name, tc := range map[string]struct {
		all      int
		domains  []Domain
		sessions int
	}{
		"no limit":           {0, nil, 1},
		"more than there is": {5, nil, 1},
		"two":                {2, nil, 2},
		"one":                {1, nil, 4},
		"of the domain":      {2, []Domain{{Name: "dest.test", MessagesPerConnection: 3}}, 2},
		"less for a domain":  {0, []Domain{{Name: "dest.test", MessagesPerConnection: 1}}, 4},
		"left out there":     {2, []Domain{{Name: "dest.test", Connections: 1}}, 2},
		"of another domain":  {0, []Domain{{Name: ".dest.test", MessagesPerConnection: 1}}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			m := (&mx{tls: newAuthority(t).server(t, "mx1.dest.test", tls.VersionTLS12, tls.VersionTLS13)}).start(t, "127.0.0.11", "0")
			n := newNetwork(t, 1, m.port())
			n.opts.MessagesPerConnection, n.opts.Domains = tc.all, tc.domains
			job := jobTo("a@dest.test")
			for _, r := range lineUp(t, n.opts, job, job, job, job) {
				want(t, r.Outcomes[0], "delivered")
			}
			if len(m.received()) != 4 || m.sessions() != tc.sessions {
				t.Errorf("%d messages in %d sessions, want 4 in %d", len(m.received()), m.sessions(), tc.sessions)
			}
		})
	}
}

// The last message of a connection takes no envelope ahead.
func TestNoEnvelopeAheadOfTheLimit(t *testing.T) {
	m := &mx{
		tls:  newAuthority(t).server(t, "mx1.dest.test", tls.VersionTLS12, tls.VersionTLS13),
		ehlo: []string{"PIPELINING"},
	}
	m.start(t, "127.0.0.11", "0")
	n := newNetwork(t, 1, m.port())
	n.opts.Domains = []Domain{{Name: "dest.test", MessagesPerConnection: 2}}
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
	defer cancel()
	l := New(n.opts).Open().(*lane)
	defer l.Close()
	var asked []int
	for i := range 4 {
		r := l.Deliver(ctx, jobTo("a@dest.test"), func() (queue.Job, bool) { asked = append(asked, i); return jobTo("a@dest.test"), true })
		want(t, r.Outcomes[0], "delivered")
		if kept := l.kept != nil; kept != (i%2 == 0) {
			t.Errorf("message %d: connection kept is %v", i, kept)
		}
	}
	if fmt.Sprint(asked) != "[0 2]" || m.sessions() != 2 || strings.Count(m.dialogue(), "MAIL FROM") != 4 {
		t.Errorf("asked ahead after %v, want [0 2], in %d sessions:\n%s", asked, m.sessions(), m.dialogue())
	}
}
