package delivery

import (
	"context"
	"crypto/tls"
	"fmt"
	"maps"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tlsrelay/queue"
	"tlsrelay/relay/memnet"
	"tlsrelay/tlspolicy"
)

// What an attempt at one hostile remote may cost: bytes that we read on a connection, and time: a quarter of an hour of waiting,
// and less than a minute to shake hands and to take leave.
const (
	mostBytes = 1 << 20
	mostTime  = 16 * time.Minute
)

// measure makes one attempt at a host, in virtual time. When it returns no goroutine is left: the bubble waits for all.
func measure(t *testing.T, h *tarpit, job queue.Job) (o queue.Outcome, bytes int, took time.Duration) {
	t.Helper()
	w := worldOf(h)
	start := time.Now()
	lane := w.deliverer(tlspolicy.Rule{}).Open()
	o = lane.Deliver(context.Background(), job, nil).Outcomes[0]
	lane.Close()
	if took = time.Since(start); took > mostTime {
		t.Errorf("it took %v", took)
	}
	if bytes = w.read(); bytes > mostBytes {
		t.Errorf("%d bytes were read", bytes)
	}
	if !w.closed() {
		t.Error("a connection is open")
	}
	w.visits.Wait()
	return o, bytes, took
}

// worldOf is a world with nothing but one domain, dest.test, and its mail host, which has an address for each tarpit.
func worldOf(hosts ...*tarpit) *world {
	w := &world{at: map[string]func(*memnet.End){}, mx: map[string][]string{}}
	for i, h := range hosts {
		addr := fmt.Sprintf("192.0.2.%d", i+1)
		w.at[addr+":25"] = h.serve
		w.mx["dest.test"] = append(w.mx["dest.test"], addr)
	}
	return w
}

func (w *world) deliverer(rule tlspolicy.Rule) *Deliverer {
	return New(Options{
		Hostname: "relay.test", Resolver: w, Policy: &tlspolicy.Policy{Default: rule}, Port: 25, PrivateAddresses: true, Connections: 20,
		Now: time.Now, Connect: w.connect,
	})
}

// blameless checks what is said of the mail: that it is not the sender's or the recipient's fault.
func blameless(t *testing.T, o queue.Outcome) {
	t.Helper()
	if o.Result != queue.ResultDeferred || o.Status[0] != '4' || o.Cause == queue.LocalTrouble.Key || o.Cause == "" {
		t.Errorf("%v %s %s: %q, %q", o.Result, o.Cause, o.Status, o.Detail, o.Reply)
	}
	tidy(t, o)
}

// tidy checks that the words of an outcome can go into a notice and a log.
func tidy(t *testing.T, o queue.Outcome) {
	t.Helper()
	if len(o.Detail) > maxWords+10 || len(o.Reply) > maxWords+10 {
		t.Errorf("%d bytes of detail, %d of reply", len(o.Detail), len(o.Reply))
	}
	if o.Detail+o.Reply == "" || o.Detail != queue.Printable(o.Detail) || o.TLS.Seen != queue.Printable(o.TLS.Seen) {
		t.Errorf("detail %q, seen %q, reply %q", o.Detail, o.TLS.Seen, o.Reply)
	}
}

// ways are how a message can go: the EHLO keywords that make it so, and what its last stage is then.
var ways = map[string]string{"": "data", "PIPELINING": "data", "PIPELINING CHUNKING": "bdat"}

// Whatever a remote does at whatever stage, it costs little, and the mail is tried again.
func TestHostileRemote(t *testing.T) {
	config := newAuthority(t).server(t, "mx.dest.test", tls.VersionTLS12, tls.VersionTLS13)
	all := maps.Clone(behaviours)
	for name, act := range answers {
		all[name] = act
	}
	for _, name := range names(all) {
		t.Run(name, func(t *testing.T) {
			var bytes int
			var took time.Duration
			for offers, last := range ways {
				for _, stage := range []string{"greeting", "ehlo", "starttls", "handshake", "ehlo+tls", "mail", "rcpt", last, "body", "dot"} {
					if last == "bdat" && stage == "body" || offers != "" && strings.Contains("greeting ehlo starttls handshake", stage) || isRight(stage, name) {
						continue
					}
					synctest.Test(t, func(t *testing.T) {
						o, b, d := measure(t, &tarpit{tls: config, offers: offers, stage: stage, act: all[name]}, jobTo("a@dest.test"))
						blameless(t, o)
						bytes, took = max(bytes, b), max(took, d)
						if t.Failed() {
							t.Fatalf("at %s with %q, %d bytes, %v", stage, offers, b, d)
						}
					})
				}
			}
			t.Logf("at most %d bytes, %v", bytes, took)
		})
	}
}

// Answers that came before the questions are not taken for answers.
func TestAnswersAhead(t *testing.T) {
	config := newAuthority(t).server(t, "mx.dest.test", tls.VersionTLS12, tls.VersionTLS13)
	for offers := range ways {
		synctest.Test(t, func(t *testing.T) {
			h := &tarpit{tls: config, offers: offers, stage: "ehlo+tls"}
			h.act = func(v *visit) {
				v.say(v.extensions() + "250 sender\r\n250 recipient\r\n250 2.0.0 forged\r\n")
				v.drain()
			}
			o, _, _ := measure(t, h, jobTo("a@dest.test"))
			want(t, o, "deferred remote-protocol 4.5.0")
		})
	}
}

// A relay that stops does not wait for a tarpit.
func TestStopLeavesATarpit(t *testing.T) {
	config := newAuthority(t).server(t, "mx.dest.test", tls.VersionTLS12, tls.VersionTLS13)
	for _, name := range []string{"silence", "zero window", "byte a minute", "line a minute"} {
		for _, stage := range []string{"greeting", "ehlo", "starttls", "handshake", "ehlo+tls", "mail", "rcpt", "data", "body", "dot"} {
			synctest.Test(t, func(t *testing.T) {
				w := worldOf(&tarpit{tls: config, stage: stage, act: behaviours[name]})
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				start := time.Now()
				lane := w.deliverer(tlspolicy.Rule{}).Open()
				job := jobTo("a@dest.test")
				if stage == "body" {
					job = largeJob(1 << 20)
				}
				o := lane.Deliver(ctx, job, nil).Outcomes[0]
				lane.Close()
				if took := time.Since(start); o.Result != queue.ResultDeferred || took > 10*time.Second {
					t.Errorf("%s at %s: %v %s after %v", name, stage, o.Result, o.Cause, took)
				}
				w.visits.Wait()
			})
		}
	}
}

// isRight reports whether a behaviour can end with a message taken or refused, as it may.
func isRight(stage, behaviour string) bool {
	if behaviour != "endless replies" && behaviour != "all after 250" {
		return false
	}
	return stage == "dot" || stage == "body" || stage == "bdat" || stage == "mail" || stage == "rcpt"
}
