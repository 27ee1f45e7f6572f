package notice

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"tlsrelay/queue"
	"tlsrelay/tlspolicy"
)

// try executes the texts of a language for every kind of notice and every cause, with much and with little known, and gives the
// errors, each once.
func (t *texts) try() []error {
	var errs []error
	seen := map[string]bool{}
	note := func(err error) {
		if err != nil && !seen[err.Error()] {
			seen[err.Error()] = true
			errs = append(errs, err)
		}
	}
	c := Composer{Hostname: "relay.example.net", HelpURL: "https://help.example.net/{cause}"}
	for _, n := range trials() {
		v := c.view(n, time.UTC, returned{subject: "Subject", header: []byte("Subject: x\r\n")})
		subject, _, err := v.write([]*texts{t, t})
		note(t.hint(err))
		if err == nil && subject == "" {
			note(fmt.Errorf("%s: the template \"subject\" gives nothing", t.key))
		}
		for _, g := range v.Groups {
			note(t.tryCause(g))
		}
	}
	for _, key := range tableKeys() {
		for _, f := range []Facts{
			{}, {Domain: "example.org", Host: "mx1.example.org", Needed: "1.3"},
			{Domain: "example.org", Needed: "1.2", Probed: time.Unix(0, 0).UTC(), Offers: "TLS 1.2"},
		} {
			g := f.group(key)
			note(t.tryCause(g))
			_, err := t.explain(g)
			note(t.hint(err))
		}
	}
	return errs
}

// tryCause sees that a cause has the texts that it must have.
func (t *texts) tryCause(g group) error {
	for _, part := range causeParts {
		s, err := t.cause(part, g)
		if errors.Is(err, errLong) {
			return fmt.Errorf("%s: the template \"%s/%s\": %w", t.key, g.Key, part, err)
		}
		if err != nil {
			return t.hint(err)
		}
		if s == "" && slices.Contains([]string{"title", "what", "do"}, part) {
			return fmt.Errorf("%s: the template \"%s/%s\" gives nothing", t.key, g.Key, part)
		}
	}
	return nil
}

// hint says where the values are described that a template asked for in vain.
func (t *texts) hint(err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, errLong) {
		return fmt.Errorf("%s: %w", t.key, errLong)
	}
	err = located(err)
	if what, _, found := strings.Cut(err.Error(), " in type "); found {
		return fmt.Errorf("%s; the values that there are stand at the top of notice.tmpl as `tlsrelay config notices DIR` writes it",
			what)
	}
	return err
}

// tableKeys is the keys of all causes.
func tableKeys() []string {
	var keys []string
	for _, c := range tlspolicy.Causes() {
		keys = append(keys, c.Key)
	}
	for _, c := range queue.Causes() {
		keys = append(keys, c.Key)
	}
	return keys
}

// trials are notices of every kind about every cause.
func trials() []queue.Notice {
	list := []queue.Notice{trial("", queue.NoticeRelayed, false), trial("", queue.NoticeFailure, true)}
	for _, key := range tableKeys() {
		for _, kind := range []queue.NoticeKind{queue.NoticeFailure, queue.NoticeDelay} {
			list = append(list, trial(key, kind, false), trial(key, kind, true))
		}
	}
	return list
}

// trial is a notice about two recipients, of whom much is known or next to nothing.
func trial(cause string, kind queue.NoticeKind, much bool) queue.Notice {
	at := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	n := queue.Notice{
		Kind: kind, Recipients: []int{0},
		Item: queue.Item{Sender: "a@example.net", Arrived: at, Recipients: []queue.Recipient{
			{Address: "b@example.org", Destination: "example.org", Last: queue.Outcome{Cause: cause}},
		}},
	}
	if !much {
		return n
	}
	n.Item.Size, n.Until, n.Expired = 1_000_000, at.Add(72*time.Hour), kind == queue.NoticeFailure
	r := &n.Item.Recipients[0]
	r.Attempts = 7
	r.Last = queue.Outcome{
		Cause: cause, Status: "4.4.1", Stage: queue.StageTLS, Reply: "450-Not\n450 now", Detail: "remote error", Host: "mx1.example.org",
		Remote: "192.0.2.25:25", End: at, TLS: queue.TLSFacts{Seen: "alert 70", Floor: "1.2", Proven: true},
	}
	for i := range maxFindings + 1 {
		e := queue.Evidence{
			Host: "mx1.example.org", Remote: fmt.Sprintf("192.0.2.%d:25", 25+i), Cause: cause, Seen: "alert 70", Needed: "1.2", Probed: at,
			Offers: "TLS 1.0, TLS 1.1", KeyExchange: "DHE", Proven: true, First: at, Last: at, Attempts: i,
			Certificate: queue.CertificateFacts{
				Names: "a.example, b.example", Issuer: "CA", NotBefore: at, NotAfter: at.Add(time.Duration(i-1) * time.Hour),
			},
		}
		r.Evidence = append(r.Evidence, e)
	}
	second := *r
	second.Address, second.Last.Reply = "c@example.org", "550 no"
	n.Item.Recipients, n.Recipients = append(n.Item.Recipients, second, second), []int{0, 1}
	return n
}
