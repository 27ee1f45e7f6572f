package queue

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// seen is what one attempt saw at an address at a time.
func seen(remote, cause string, at time.Time) Evidence {
	return Evidence{Host: "mx.dest.test", Remote: remote, Cause: cause, Seen: "alert of " + cause, First: at, Last: at, Attempts: 1}
}

// probed adds what a probe found out.
func (e Evidence) probed(at time.Time, offers string, proven bool) Evidence {
	e.Probed, e.Offers, e.Proven = at, offers, proven
	e.Certificate = CertificateFacts{Names: "of " + offers, NotAfter: at}
	return e
}

func TestEvidenceOfOneAddress(t *testing.T) {
	at := func(minutes int) time.Time { return epoch.Add(time.Duration(minutes) * time.Minute) }
	first := seen("192.0.2.1:25", "tls-version", at(1))
	proven := first.probed(at(2), "TLS 1.0", true)
	still := seen("192.0.2.1:25", "tls-version", at(5))
	still.Proven = true
	for name, tc := range map[string]struct{ known, later, want Evidence }{
		"a second attempt": {first, seen("192.0.2.1:25", "tls-handshake", at(5)),
			Evidence{Cause: "tls-handshake", Seen: "alert of tls-handshake"}},
		"a probe came": {first, seen("192.0.2.1:25", "tls-version", at(5)).probed(at(3), "TLS 1.1", true),
			Evidence{Cause: "tls-version", Seen: "alert of tls-version"}.probed(at(3), "TLS 1.1", true)},
		"the probe is forgotten": {proven, seen("192.0.2.1:25", "tls-version", at(5)),
			Evidence{Cause: "tls-version", Seen: "alert of tls-version"}.probed(at(2), "TLS 1.0", false)},
		"the attempt knows that it counts": {proven, still,
			Evidence{Cause: "tls-version", Seen: "alert of tls-version"}.probed(at(2), "TLS 1.0", true)},
		"and the cause is another": {proven, seen("192.0.2.1:25", "tls-handshake", at(5)),
			Evidence{Cause: "tls-handshake", Seen: "alert of tls-handshake"}.probed(at(2), "TLS 1.0", false)},
		"the same probe says less of another cause": {proven, seen("192.0.2.1:25", "tls-handshake", at(5)).probed(at(2), "TLS 1.0", false),
			Evidence{Cause: "tls-handshake", Seen: "alert of tls-handshake"}.probed(at(2), "TLS 1.0", false)},
	} {
		tc.want.Host, tc.want.Remote, tc.want.First, tc.want.Last, tc.want.Attempts = "mx.dest.test", "192.0.2.1:25", at(1), at(5), 2
		job := jobFor(1, 2)
		job.Item.Recipients[0].Evidence = []Evidence{tc.known}
		got := Apply(job, Report{Outcomes: []Outcome{{}}, Evidence: []Evidence{tc.later}}, at(5), schedule).Recipients[0].Recipient.Evidence
		if !reflect.DeepEqual(got, []Evidence{tc.want}) {
			t.Errorf("%s: %+v, want %+v", name, got, tc.want)
		}
		if !reflect.DeepEqual(job.Item.Recipients[0].Evidence[0], tc.known) {
			t.Errorf("%s: the evidence of before was changed", name)
		}
	}
}

func TestEvidenceIsSharedAndStays(t *testing.T) {
	tr := Apply(jobFor(3, 1), Report{Outcomes: make([]Outcome, 3), Evidence: []Evidence{seen("192.0.2.1:25", "tls-version", epoch)}}, epoch, schedule)
	a, c := tr.Recipients[0].Recipient.Evidence, tr.Recipients[2].Recipient.Evidence
	if len(a) != 1 || &a[0] != &c[0] {
		t.Fatalf("%+v and %+v are not the same", a, c)
	}
	job := jobFor(3, 2)
	for i := range job.Item.Recipients {
		job.Item.Recipients[i].Evidence = a
	}
	tr = applied(job, make([]Outcome, 3), epoch.Add(time.Minute), schedule) // as when it is put off without an attempt
	if got := tr.Recipients[1].Recipient.Evidence; len(got) != 1 || &got[0] != &a[0] {
		t.Errorf("%+v after an attempt that saw none", got)
	}
}

// What another message met tells a message that is put off of the server, and is no attempt of its own.
func TestEvidenceOfAnotherMessage(t *testing.T) {
	at := func(minutes int) time.Time { return epoch.Add(time.Duration(minutes) * time.Minute) }
	own := seen("192.0.2.1:25", "tls-handshake", at(5))
	told := ofNoAttempt([]Evidence{seen("192.0.2.1:25", "tls-version", at(10)).probed(at(9), "TLS 1.0", true)})
	for name, tc := range map[string]struct {
		known       []Evidence
		seen        []Evidence
		first, last time.Time
		attempts    int
	}{
		"never tried itself":     {nil, told, at(10), at(10), 0},
		"tried before":           {[]Evidence{own}, told, at(5), at(5), 1},
		"tried later":            {told, []Evidence{seen("192.0.2.1:25", "tls-version", at(20))}, at(20), at(20), 1},
		"told of it again":       {told, told, at(10), at(10), 0},
		"tried before and after": {[]Evidence{own}, []Evidence{seen("192.0.2.1:25", "tls-version", at(20))}, at(5), at(20), 2},
	} {
		job := jobFor(1, 2)
		job.Item.Recipients[0].Evidence = tc.known
		got := Apply(job, Report{Outcomes: []Outcome{{}}, Evidence: tc.seen}, at(20), schedule).Recipients[0].Recipient.Evidence
		if len(got) != 1 || !got[0].First.Equal(tc.first) || !got[0].Last.Equal(tc.last) || got[0].Attempts != tc.attempts || got[0].Cause != "tls-version" {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// An address at which nothing failed for a day has no place in a notice: mail may go elsewhere by now.
func TestOutdatedEvidenceIsDropped(t *testing.T) {
	old, next := seen("192.0.2.1:25", "tls-version", epoch), seen("192.0.2.2:25", "tls-version", epoch)
	for _, tc := range []struct {
		after time.Duration
		seen  []string
		want  string
	}{
		{maxEvidenceAge, []string{"192.0.2.2:25"}, "192.0.2.1:25 192.0.2.2:25 "},
		{maxEvidenceAge + time.Second, []string{"192.0.2.2:25"}, "192.0.2.2:25 "},
		{maxEvidenceAge + time.Second, []string{"192.0.2.2:25", "192.0.2.1:25"}, "192.0.2.1:25 192.0.2.2:25 "},
		{-maxEvidenceAge, []string{"192.0.2.2:25"}, "192.0.2.1:25 192.0.2.2:25 "}, // the clock was set
	} {
		job := jobFor(1, 2)
		job.Item.Recipients[0].Evidence = []Evidence{old, next}
		var report Report
		for _, remote := range tc.seen {
			report.Evidence = append(report.Evidence, seen(remote, "tls-version", epoch.Add(tc.after)))
		}
		report.Outcomes = []Outcome{{}}
		got := ""
		for _, e := range Apply(job, report, epoch, schedule).Recipients[0].Recipient.Evidence {
			got += e.Remote + " "
		}
		if got != tc.want {
			t.Errorf("%v later, at %v: %s, want %s", tc.after, tc.seen, got, tc.want)
		}
	}
}

func TestEvidenceOfRecipientsTriedApart(t *testing.T) {
	job := jobFor(2, 3)
	job.Item.Recipients[0].Attempts = 1
	job.Item.Recipients[1].Evidence = []Evidence{seen("192.0.2.1:25", "tls-version", epoch)}
	tr := Apply(job, Report{Outcomes: make([]Outcome, 2), Evidence: []Evidence{seen("192.0.2.1:25", "tls-version", epoch)}}, epoch, schedule)
	if got := tr.Recipients[0].Recipient.Evidence; len(got) != 1 || got[0].Attempts != 2 {
		t.Errorf("%+v", got)
	}
}

func TestEvidenceIsBounded(t *testing.T) {
	job := jobFor(1, 1)
	for n := range 20 {
		e := seen(fmt.Sprintf("192.0.2.%d:25", n), "tls-version", epoch.Add(time.Duration(n)*time.Minute))
		e.Certificate.Names = strings.Repeat("ä", 5000)
		tr := Apply(job, Report{Outcomes: []Outcome{{}}, Evidence: []Evidence{e, seen("192.0.2.99:25", "tls-cipher", e.Last)}}, e.Last, schedule)
		job.Item.Recipients[0] = tr.Recipients[0].Recipient
	}
	all := job.Item.Recipients[0].Evidence
	if len(all) != maxEvidence {
		t.Fatalf("%d addresses", len(all))
	}
	remotes := map[string]int{}
	for _, e := range all {
		remotes[e.Remote] = e.Attempts
		if n := len(e.Certificate.Names); n > maxEvidenceText || !utf8.ValidString(e.Certificate.Names) {
			t.Errorf("%d bytes of names", n)
		}
	}
	if remotes["192.0.2.99:25"] != 20 || remotes["192.0.2.19:25"] != 1 || remotes["192.0.2.13:25"] != 1 {
		t.Errorf("the latest are gone: %v", remotes)
	}
}

// A message with very many recipients keeps less of each.
func TestEvidenceOfManyRecipients(t *testing.T) {
	for recipients, want := range map[int]int{1: 8, 500: 8, 1000: 4, 10_000: 1} {
		job := jobFor(recipients, 1)
		job.Recipients = job.Recipients[:1]
		var report Report
		for n := range 20 {
			report.Evidence = append(report.Evidence, seen(fmt.Sprintf("192.0.2.%d:25", n), "tls-version", epoch))
		}
		report.Outcomes = []Outcome{{}}
		if n := len(Apply(job, report, epoch, schedule).Recipients[0].Recipient.Evidence); n != want {
			t.Errorf("%d addresses with %d recipients, want %d", n, recipients, want)
		}
	}
}
