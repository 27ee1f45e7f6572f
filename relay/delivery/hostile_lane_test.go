package delivery

import (
	"crypto/tls"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tlsrelay/queue"
	"tlsrelay/tlspolicy"
)

// between messages a remote has nothing to say.
var asides = map[string]func(*visit){
	"nothing":           func(*visit) {},
	"bye":               func(v *visit) { v.say("421 4.4.2 idle\r\n") },
	"one answer":        func(v *visit) { v.say("250 forged\r\n") },
	"all answers":       func(v *visit) { v.say("250 ok\r\n250 ok\r\n250 forged\r\n") },
	"refusals":          func(v *visit) { v.say("550 5.1.1 forged\r\n550 5.1.1 forged\r\n550 5.1.1 forged\r\n") },
	"half an answer":    func(v *visit) { v.say("2") },
	"half closes":       func(v *visit) { v.wire.CloseWrite() },
	"resets":            func(v *visit) { v.wire.Reset() },
	"closes":            func(v *visit) { v.wire.Close() },
	"endless replies":   repeats("250 forged\r\n"),
	"endless line":      repeats("250 forged"),
	"clear text":        func(v *visit) { v.wire.Write([]byte("250 forged\r\n")) },
	"TLS record of 0":   func(v *visit) { v.wire.Write([]byte("\x17\x03\x03\x00\x00")) },
	"a ticket":          func(v *visit) { records["tickets"](v.nc.(*forger)) },
	"tickets":           flood(records["tickets"], false),
	"key updates":       flood(records["key updates"], false),
	"empty records":     flood(records["empty records"], false),
	"tickets and bytes": flood(records["tickets and bytes"], false),
}

// What a remote says on a kept session between two messages is not read while nobody waits for it, and not taken for an answer
// to the next one.
func TestHostileAside(t *testing.T) {
	config := newAuthority(t).server(t, "mx.dest.test", tls.VersionTLS13, tls.VersionTLS13)
	for _, name := range names(asides) {
		for _, offers := range []string{"", "PIPELINING", "PIPELINING CHUNKING"} {
			t.Run(name+" "+offers, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					after := func(v *visit) {
						time.Sleep(time.Second)
						asides[name](v)
					}
					w := worldOf(&tarpit{tls: config, forge: true, offers: offers, after: after})
					lane := w.deliverer(tlspolicy.Rule{}).Open()
					job := jobTo("a@dest.test")
					for i := range 3 {
						before := w.read()
						time.Sleep(5 * time.Second)
						if read := w.read() - before; read > 0 {
							t.Errorf("%d bytes were read while nobody waited", read)
						}
						start := time.Now()
						o := lane.Deliver(t.Context(), job, nil).Outcomes[0]
						want(t, o, "delivered")
						if o.Reply != "250 2.0.0 taken" || time.Since(start) > time.Second {
							t.Errorf("message %d: %q after %v", i, o.Reply, time.Since(start))
						}
					}
					lane.Close()
					if sessions := len(w.ends); sessions != 3 && name != "nothing" && name != "a ticket" || name == "nothing" && sessions != 1 {
						t.Errorf("%d sessions", sessions)
					}
					if !w.closed() || w.read() > 30000 {
						t.Errorf("closed %v, %d bytes read", w.closed(), w.read())
					}
					w.visits.Wait()
				})
			})
		}
	}
}

// The same with the next envelope sent ahead. What is said then may be the answer to that, but nobody's message is taken for
// delivered before it went out.
func TestHostileAsideWithEnvelopeAhead(t *testing.T) {
	config := newAuthority(t).server(t, "mx.dest.test", tls.VersionTLS13, tls.VersionTLS13)
	for _, name := range names(asides) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				after := func(v *visit) {
					time.Sleep(time.Second)
					asides[name](v)
				}
				w := worldOf(&tarpit{tls: config, forge: true, offers: "PIPELINING", after: after})
				l := w.deliverer(tlspolicy.Rule{}).Open().(*lane)
				first, second := jobTo("a@dest.test"), jobTo("b@dest.test")
				want(t, l.Deliver(t.Context(), first, func() (queue.Job, bool) { return second, true }).Outcomes[0], "delivered")
				if l.kept == nil || !l.kept.conn.Ahead() {
					t.Fatal("nothing was sent ahead")
				}
				before := w.read()
				time.Sleep(5 * time.Second)
				if read := w.read() - before; read > 0 {
					t.Errorf("%d bytes were read while nobody waited", read)
				}
				start := time.Now()
				o := l.Deliver(t.Context(), second, nil).Outcomes[0]
				took := time.Since(start)
				l.Close()
				w.visits.Wait()
				switch {
				case o.Result == queue.ResultDelivered && o.Reply != "250 2.0.0 taken",
					o.Result == queue.ResultFailed && name != "refusals",
					took > mostTime, !w.closed(), w.read()-before > mostBytes:
					t.Errorf("%v, %q after %v; %d bytes", o.Result, o.Reply, took, w.read())
				}
				t.Logf("%v %s %s, %d sessions, %d bytes, %v", o.Result, o.Detail, o.Reply, len(w.ends), w.read(), took)
			})
		})
	}
}

// A session does not end in the middle of a message because the ones before were refused at length.
func TestLongRefusals(t *testing.T) {
	config := newAuthority(t).server(t, "mx.dest.test", tls.VersionTLS12, tls.VersionTLS13)
	var recipients []string
	for i := range 100 {
		recipients = append(recipients, fmt.Sprintf("r%d@dest.test", i))
	}
	synctest.Test(t, func(t *testing.T) {
		w := worldOf(&tarpit{tls: config, offers: "PIPELINING", rcpt: "550 5.1.1 nobody " + strings.Repeat("x", 400) + "\r\n"})
		lane := w.deliverer(tlspolicy.Rule{}).Open()
		for i := range 100 {
			for _, o := range lane.Deliver(t.Context(), jobTo(recipients...), nil).Outcomes {
				if o.Result != queue.ResultFailed {
					t.Fatalf("message %d: %v %s %s", i, o.Result, o.Cause, o.Detail)
				}
			}
		}
		lane.Close()
		if most := w.read(); most > mostBytes {
			t.Errorf("%d bytes read", most)
		}
		w.visits.Wait()
	})
}
