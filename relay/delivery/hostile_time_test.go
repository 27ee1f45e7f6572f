package delivery

import (
	"crypto/tls"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tlsrelay/queue"
	"tlsrelay/tlspolicy"
)

// largeJob is a job with a message of so many bytes.
func largeJob(size int) queue.Job {
	job := jobTo("a@dest.test")
	job.Item.Size = int64(size)
	job.Open = func() (io.ReadCloser, error) { return io.NopCloser(io.LimitReader(lines{}, int64(size))), nil }
	return job
}

// lines is text without an end.
type lines struct{}

func (lines) Read(p []byte) (int, error) {
	n := len(p) &^ 63
	for i := 0; i < n; i += 64 {
		copy(p[i:], line64)
	}
	return n, nil
}

var line64 = strings.Repeat("x", 62) + "\r\n"

// reads takes the message at a rate.
func reads(bytes int, every time.Duration) func(*visit) {
	return func(v *visit) {
		for {
			if _, err := io.CopyN(io.Discard, v.r, int64(bytes)); err != nil {
				return
			}
			time.Sleep(every)
		}
	}
}

// A server that hardly takes the message, of which a window's worth has gone before that shows.
func TestHostileReader(t *testing.T) {
	config := newAuthority(t).server(t, "mx.dest.test", tls.VersionTLS12, tls.VersionTLS13)
	for name, act := range map[string]func(*visit){
		"zero window":           func(v *visit) { v.wire.Wait() },
		"a byte a minute":       reads(1, time.Minute),
		"16 KB in two minutes":  reads(16<<10, 2*time.Minute),
		"half closes":           func(v *visit) { v.wire.CloseWrite(); v.wire.Wait() },
		"resets in the middle":  func(v *visit) { io.CopyN(io.Discard, v.r, 1<<20); v.wire.Reset() },
		"talks meanwhile":       func(v *visit) { go repeats("250 ok\r\n")(v); v.wire.Wait() },
		"goes on talking":       func(v *visit) { go repeats("250 ok\r\n")(v); v.readBody() },
		"says 421 and no more":  func(v *visit) { v.say("421 4.3.2 no\r\n"); v.wire.Wait() },
		"says 552 and no more":  func(v *visit) { v.say("552 5.3.4 too much\r\n"); v.wire.Wait() },
		"says half and no more": func(v *visit) { v.say("550-5.3"); v.wire.Wait() },
	} {
		for _, offers := range []string{"", "PIPELINING CHUNKING"} {
			t.Run(name+" "+offers, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					h := &tarpit{tls: config, offers: offers, stage: "body", act: act}
					o, bytes, took := measure(t, h, largeJob(4<<20))
					if name == "says 552 and no more" {
						want(t, o, "failed remote-permanent 5.3.4") // it may
					} else if name == "goes on talking" {
						want(t, o, "delivered")
					} else {
						blameless(t, o)
					}
					t.Logf("%d bytes, %v: %s", bytes, took, o.Detail)
				})
			})
		}
	}
}

// A server that takes the message so slowly that it would have a worker for hours, though never a single step for long; and those
// that are only slow.
func TestSlowReader(t *testing.T) {
	config := newAuthority(t).server(t, "mx.dest.test", tls.VersionTLS12, tls.VersionTLS13)
	for _, test := range []struct {
		rate, size int // KB a second, MB
		last       func(*visit)
		want       string
	}{
		{4, 50, nil, "deferred"},
		{40, 50, nil, "deferred"},
		{100, 50, nil, "delivered"},
		{10, 5, nil, "delivered"},
		{80, 50, behaviours["silence"], "deferred"},
	} {
		for _, offers := range []string{"", "PIPELINING CHUNKING"} {
			synctest.Test(t, func(t *testing.T) {
				h := &tarpit{tls: config, offers: offers, rate: test.rate << 10}
				if test.last != nil {
					h.stage, h.act = "dot", test.last
				}
				o, _, took := measure(t, h, largeJob(test.size<<20))
				if o.Result.String() != test.want {
					t.Errorf("%d KB/s: %v %s, %s, after %v", test.rate, o.Result, o.Cause, o.Detail, took)
				}
			})
		}
	}
	// Ten times as much takes ten times as long.
	synctest.Test(t, func(t *testing.T) {
		w := worldOf(&tarpit{tls: config, rate: 200 << 10})
		lane := w.deliverer(tlspolicy.Rule{}).Open()
		want(t, lane.Deliver(t.Context(), largeJob(500<<20), nil).Outcomes[0], "delivered")
		lane.Close()
		w.visits.Wait()
	})
}

// A remote that takes its time for each reply, but never too much, and a host with ten such addresses.
func TestPatience(t *testing.T) {
	config := newAuthority(t).server(t, "mx.dest.test", tls.VersionTLS12, tls.VersionTLS13)
	h := &tarpit{tls: config, pause: 4*time.Minute + 50*time.Second}
	synctest.Test(t, func(t *testing.T) {
		o, _, took := measure(t, h, jobTo("a@dest.test"))
		blameless(t, o)
		if took < 15*time.Minute {
			t.Errorf("left after %v", took)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		w := worldOf(h, h, h, h, h, h, h, h, h, h)
		start := time.Now()
		lane := w.deliverer(tlspolicy.Rule{}).Open()
		o := lane.Deliver(t.Context(), jobTo("a@dest.test"), nil).Outcomes[0]
		lane.Close()
		blameless(t, o)
		if took := time.Since(start); took > 31*time.Minute || len(w.ends) < 2 {
			t.Errorf("%d sessions took %v", len(w.ends), took)
		}
		w.visits.Wait()
	})
	// The same after a message that went well.
	synctest.Test(t, func(t *testing.T) {
		turns := &tarpit{tls: config, after: func(v *visit) { v.pause = h.pause }}
		w := worldOf(turns, h, h, h)
		lane := w.deliverer(tlspolicy.Rule{}).Open()
		want(t, lane.Deliver(t.Context(), jobTo("a@dest.test"), nil).Outcomes[0], "delivered")
		start := time.Now()
		o := lane.Deliver(t.Context(), jobTo("a@dest.test"), nil).Outcomes[0]
		lane.Close()
		blameless(t, o)
		if took := time.Since(start); took > 31*time.Minute || len(w.ends) != 2 {
			t.Errorf("%d sessions took %v", len(w.ends), took)
		}
		w.visits.Wait()
	})
	// One that is only silent is left for the next.
	synctest.Test(t, func(t *testing.T) {
		silent := &tarpit{stage: "greeting", act: behaviours["silence"]}
		w := worldOf(silent, silent, &tarpit{tls: config})
		lane := w.deliverer(tlspolicy.Rule{}).Open()
		want(t, lane.Deliver(t.Context(), jobTo("a@dest.test"), nil).Outcomes[0], "delivered")
		lane.Close()
		w.visits.Wait()
	})
}

// What a remote does when all is said does not hold anybody up.
func TestHostileEnd(t *testing.T) {
	config := newAuthority(t).server(t, "mx.dest.test", tls.VersionTLS12, tls.VersionTLS13)
	for _, name := range names(behaviours) {
		for _, stage := range []string{"quit", "rset"} {
			synctest.Test(t, func(t *testing.T) {
				h, result, most := &tarpit{tls: config, stage: stage, act: behaviours[name]}, queue.ResultDelivered, time.Duration(0)
				if stage == "rset" {
					h.rcpt, result, most = "550 5.1.1 nobody\r\n", queue.ResultFailed, 5*time.Minute
				}
				o, _, took := measure(t, h, jobTo("a@dest.test"))
				if o.Result != result || took > most {
					t.Errorf("%s at %s: %v after %v", name, stage, o.Result, took)
				}
			})
		}
	}
}

// A refusal counts whatever else is in it, and its words stay what they are, within bounds.
func TestHostileRefusal(t *testing.T) {
	config := newAuthority(t).server(t, "mx.dest.test", tls.VersionTLS12, tls.VersionTLS13)
	for reply, status := range map[string]string{
		"550\r\n": "5.0.0",
		"550 \x1b]0;owned\a\x1b[2J\u202e\xff\r\n":                                 "5.0.0",
		"550-5.1.1 a\r\n550-5.7.1 b\r\n550 4.2.2 c\r\n":                           "5.1.1",
		"550 5.1.1." + strings.Repeat("9", 100000) + "\r\n":                       "5.0.0",
		"550 2.0.0 taken\r\n":                                                     "5.0.0",
		strings.Repeat("550-"+strings.Repeat("x", 1000)+"\r\n", 99) + "550 y\r\n": "5.0.0",
	} {
		for _, stage := range []string{"mail", "rcpt", "data", "dot"} {
			synctest.Test(t, func(t *testing.T) {
				o, _, _ := measure(t, &tarpit{tls: config, stage: stage, act: says(reply)}, jobTo("a@dest.test"))
				want(t, o, "failed remote-permanent "+status)
				if len(o.Reply) > maxWords+10 || !strings.HasPrefix(o.Reply, reply[:3]) {
					t.Errorf("reply %q", o.Reply)
				}
			})
		}
	}
}
