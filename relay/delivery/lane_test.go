package delivery

import (
	"context"
	"crypto/tls"
	"strings"
	"testing"
	"time"

	"tlsrelay/queue"
	"tlsrelay/tlspolicy"
)

// lineUp delivers jobs on one lane, one after the other.
func lineUp(t *testing.T, o Options, jobs ...queue.Job) []queue.Report {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
	defer cancel()
	l := New(o).Open()
	defer l.Close()
	var reports []queue.Report
	for _, job := range jobs {
		reports = append(reports, l.Deliver(ctx, job, nil))
	}
	return reports
}

func (m *mx) sessions() int { return strings.Count(m.dialogue(), "STARTTLS") }

func TestConnectionIsKept(t *testing.T) {
	for name, tc := range map[string]struct {
		host     *mx
		sessions int
	}{
		"server that keeps it":       {&mx{}, 1},
		"server that hangs up":       {&mx{most: 1}, 3},
		"server that says so":        {&mx{most: 1, enough: "421 4.7.0 too many messages in this session"}, 3},
		"server that hangs up later": {&mx{most: 2}, 2},
		"one recipient too many":     {&mx{replies: map[string]string{"RCPT TO:<d@": "550 5.1.1 unknown"}}, 1},
		"one recipient greylisted":   {&mx{replies: map[string]string{"RCPT TO:<d@": "450 4.2.0 later"}}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			m := tc.host
			m.tls = newAuthority(t).server(t, "mx1.dest.test", tls.VersionTLS12, tls.VersionTLS13)
			m.start(t, "127.0.0.11", "0")
			n := newNetwork(t, 1, m.port())
			for i, r := range lineUp(t, n.opts, jobTo("a@dest.test"), jobTo("b@dest.test", "d@dest.test"), jobTo("c@dest.test")) {
				want(t, r.Outcomes[0], "delivered")
				if r.Site != queue.HealthGood || r.Outcomes[0].TLS.Version != "1.3" || r.Outcomes[0].Host != "mx1.dest.test" {
					t.Errorf("message %d: %+v", i, r)
				}
			}
			if len(m.received()) != 3 || m.sessions() != tc.sessions {
				t.Errorf("%d messages in %d sessions, want 3 in %d", len(m.received()), m.sessions(), tc.sessions)
			}
			noMailInClear(t, m)
		})
	}
}

// A message that asks for more than the one before does not travel in a session that was made for less.
func TestConnectionIsKeptForItsDecision(t *testing.T) {
	m := (&mx{tls: newAuthority(t).server(t, "mx1.dest.test", tls.VersionTLS12, tls.VersionTLS13)}).start(t, "127.0.0.11", "0")
	n := newNetwork(t, 1, m.port())
	n.opts.Policy.Default.Level = tlspolicy.Opportunistic
	n.opts.Policy.Roots = newAuthority(t).pool()
	failed, strict := jobTo("b@dest.test"), jobTo("c@dest.test")
	failed.Item.Recipients[0].TLSFailed = true
	strict.Item.RequireTLS = true
	reports := lineUp(t, n.opts, jobTo("a@dest.test"), failed, strict)
	want(t, reports[0].Outcomes[0], "delivered")
	want(t, reports[1].Outcomes[0], "delivered")
	if reports[2].Outcomes[0].Result == queue.ResultDelivered || reports[2].Site != queue.HealthUnknown {
		t.Errorf("a message with REQUIRETLS: %+v", reports[2])
	}
	if m.sessions() != 2 {
		t.Errorf("%d sessions", m.sessions())
	}
}

func TestConnectionIsKeptOnlySoLong(t *testing.T) {
	m := (&mx{tls: newAuthority(t).server(t, "mx1.dest.test", tls.VersionTLS12, tls.VersionTLS13)}).start(t, "127.0.0.11", "0")
	n := newNetwork(t, 1, m.port())
	at := time.Now()
	n.opts.Now = func() time.Time { at = at.Add(maxAge / 10); return at }
	lineUp(t, n.opts, jobTo("a@dest.test"), jobTo("b@dest.test"), jobTo("c@dest.test"), jobTo("d@dest.test"))
	if len(m.received()) != 4 || m.sessions() < 2 {
		t.Errorf("%d messages in %d sessions", len(m.received()), m.sessions())
	}
}

// What an attempt shows of a site decides whether other mail is tried.
func TestHealth(t *testing.T) {
	good := func(t *testing.T) *mx {
		return &mx{tls: newAuthority(t).server(t, "mx1.dest.test", tls.VersionTLS12, tls.VersionTLS13)}
	}
	for name, tc := range map[string]struct {
		host func(t *testing.T) *mx
		want queue.Health
	}{
		"delivered":       {good, queue.HealthGood},
		"refused at MAIL": {func(t *testing.T) *mx { m := good(t); m.replies = map[string]string{"MAIL": "550 5.7.1 no"}; return m }, queue.HealthGood},
		"greylisted": {func(t *testing.T) *mx {
			m := good(t)
			m.replies = map[string]string{"RCPT": "450 4.2.0 later"}
			return m
		}, queue.HealthGood},
		"lost at the dot": {func(t *testing.T) *mx { m := good(t); m.replies = map[string]string{"DOT": ""}; return m }, queue.HealthUnknown},
		"421 at MAIL": {func(t *testing.T) *mx {
			m := good(t)
			m.replies = map[string]string{"MAIL": "421 4.3.2 busy"}
			return m
		}, queue.HealthBad},
		"gone at MAIL":     {func(t *testing.T) *mx { m := good(t); m.replies = map[string]string{"MAIL": ""}; return m }, queue.HealthBad},
		"bad greeting":     {func(t *testing.T) *mx { m := good(t); m.greet = "554 no"; return m }, queue.HealthBad},
		"without STARTTLS": {func(t *testing.T) *mx { return &mx{} }, queue.HealthBad},
		"too old": {func(t *testing.T) *mx {
			return &mx{tls: newAuthority(t).server(t, "x", tls.VersionTLS10, tls.VersionTLS11)}
		}, queue.HealthBad},
		"message too large": {func(t *testing.T) *mx { m := good(t); m.ehlo = []string{"SIZE 10"}; return m }, queue.HealthUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			m := tc.host(t).start(t, "127.0.0.11", "0")
			n := newNetwork(t, 1, m.port())
			if r := lineUp(t, n.opts, jobTo("a@dest.test"))[0]; r.Site != tc.want {
				t.Errorf("health %v, want %v: %+v", r.Site, tc.want, r.Outcomes)
			}
		})
	}
	n := newNetwork(t, 1, "1")
	for destination, want := range map[string]queue.Health{
		"dest.test":    queue.HealthBad, // refused
		"nowhere.test": queue.HealthUnknown,
	} {
		if r := lineUp(t, n.opts, jobTo("a@"+destination))[0]; r.Site != want {
			t.Errorf("%s: health %v, want %v", destination, r.Site, want)
		}
	}
}

// The envelope of the next message goes out with the end of the one before; whatever then comes is delivered once.
func TestNextMessageAhead(t *testing.T) {
	second, other := jobTo("b@dest.test"), jobTo("c@dest.test")
	second.Item.ID, other.Item.ID = 2, 3
	utf8, large := jobTo("b@dest.test"), jobTo("b@dest.test")
	utf8.Item.SMTPUTF8, large.Item.Size = true, 2000
	for name, tc := range map[string]struct {
		next     queue.Job // said to come
		comes    queue.Job
		replies  map[string]string
		ahead    bool
		sessions int
		want     []string
	}{
		"as said":              {second, second, nil, true, 1, []string{"delivered", "delivered"}},
		"another one":          {second, other, nil, true, 2, []string{"delivered", "delivered"}},
		"needs more":           {utf8, utf8, nil, false, 1, []string{"delivered", "failed needs-smtputf8 5.6.7"}},
		"too large":            {large, large, nil, false, 1, []string{"delivered", "failed message-too-large 5.3.4"}},
		"recipient refused":    {second, second, map[string]string{"RCPT TO:<b@": "550 5.1.1 no"}, true, 1, []string{"delivered", "failed remote-permanent 5.1.1"}},
		"first one refused":    {second, second, map[string]string{"DOT": "550 5.7.1 spam"}, true, 1, []string{"failed remote-permanent 5.7.1", "failed remote-permanent 5.7.1"}},
		"gone after the first": {second, second, map[string]string{"DOT": ""}, true, 2, []string{"deferred connection-lost 4.4.2", "deferred connection-lost 4.4.2"}},
	} {
		t.Run(name, func(t *testing.T) {
			m := &mx{
				tls:  newAuthority(t).server(t, "mx1.dest.test", tls.VersionTLS12, tls.VersionTLS13),
				ehlo: []string{"PIPELINING", "SIZE 1000"}, replies: tc.replies,
			}
			m.start(t, "127.0.0.11", "0")
			n := newNetwork(t, 1, m.port())
			ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
			defer cancel()
			l := New(n.opts).Open().(*lane)
			defer l.Close()
			asked := 0
			first := l.Deliver(ctx, jobTo("a@dest.test"), func() (queue.Job, bool) { asked++; return tc.next, true })
			if ahead := l.kept != nil && l.kept.conn.Ahead(); ahead != tc.ahead && tc.sessions == 1 || asked != 1 {
				t.Errorf("ahead: %v, want %v; asked %d times", ahead, tc.ahead, asked)
			}
			want(t, first.Outcomes[0], tc.want[0])
			want(t, l.Deliver(ctx, tc.comes, nil).Outcomes[0], tc.want[1])
			if m.sessions() != tc.sessions {
				t.Errorf("%d sessions, want %d:\n%s", m.sessions(), tc.sessions, m.dialogue())
			}
			for _, body := range m.received() {
				if body != "" && !strings.Contains(body, canary) { // empty is for nobody: see smtpclient
					t.Errorf("a message that nobody sent: %q", body)
				}
			}
			noMailInClear(t, m)
		})
	}
}

// Mail whose TLS failed before asks for more than other mail only where others may go in clear text.
func TestHealthAfterBrokenTLS(t *testing.T) {
	bad := (&mx{tls: newAuthority(t).server(t, "mx1.dest.test", tls.VersionTLS10, tls.VersionTLS11)}).start(t, "127.0.0.11", "0")
	for level, want := range map[tlspolicy.Level]queue.Health{tlspolicy.Required: queue.HealthBad, tlspolicy.Opportunistic: queue.HealthUnknown} {
		n := newNetwork(t, 1, bad.port())
		n.opts.Policy = &tlspolicy.Policy{Default: tlspolicy.Rule{Level: level}}
		job := jobTo("a@dest.test")
		job.Item.Recipients[0].TLSFailed = true
		if r := report(t, n.opts, job); r.Site != want {
			t.Errorf("%v: health %v", level, r.Site)
		}
	}
}
