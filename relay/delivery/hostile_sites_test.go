package delivery

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"tlsrelay/queue"
	"tlsrelay/queue/spool"
	"tlsrelay/relay/memnet"
	"tlsrelay/tlspolicy"
)

// station is a scheduler on a spool, whose mail goes out into a world.
type station struct {
	*queue.Scheduler
	store *spool.Store
	stop  func()
}

type noNotices struct{}

func (noNotices) Compose(n queue.Notice, _ queue.ID, _ time.Time, _ io.Reader) ([]byte, error) {
	return nil, fmt.Errorf("a notice of kind %v", n.Kind)
}

func startStation(t *testing.T, dir string, w *world) *station {
	t.Helper()
	return openStation(t, dir, queue.SchedulerOptions{
		Deliverer: w.deliverer(tlspolicy.Rule{}), Notifier: noNotices{},
		Schedule: func() queue.Schedule {
			return queue.Schedule{Retry: []time.Duration{5 * time.Minute, time.Hour}, Lifetime: 72 * time.Hour}
		},
	})
}

// openStation runs a scheduler with a deliverer, a notifier and a schedule.
func openStation(t *testing.T, dir string, o queue.SchedulerOptions) *station {
	t.Helper()
	store, err := spool.Open(dir, spool.Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	o.Store, o.Workers, o.Idle, o.KeepIdle, o.Grace = store, 200, 200, 5*time.Second, 10*time.Second
	o.Owner, o.Now, o.Log = "test", time.Now, slog.New(slog.DiscardHandler)
	st := &station{store: store, Scheduler: queue.NewScheduler(o)}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- st.Run(ctx) }()
	st.stop = func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	}
	return st
}

func (st *station) enqueue(t *testing.T, recipient string) {
	t.Helper()
	body, err := st.NewBody(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(body, "Subject: hello\r\n\r\nhello\r\n")
	now := time.Now()
	item := queue.Item{ID: st.NextID(), Sender: "a@app.test", Size: body.Size(), Arrived: now, Expires: now.Add(72 * time.Hour)}
	item.Recipients = []queue.Recipient{{Address: recipient, Destination: queue.DestinationOf(recipient), NextAttempt: now}}
	if err := st.Enqueue(t.Context(), item, body); err != nil {
		t.Fatal(err)
	}
}

// waiting counts the messages in the queue for each destination.
func (st *station) waiting(t *testing.T) map[string]int {
	t.Helper()
	items, err := st.store.Scan(t.Context(), 0, 10000)
	if err != nil {
		t.Fatal(err)
	}
	n := map[string]int{}
	for _, item := range items {
		n[item.Recipients[0].Destination]++
	}
	return n
}

// A tarpit holds its own mail up and no other.
func TestTarpitBesideAGoodHost(t *testing.T) {
	config := newAuthority(t).server(t, "mx.dest.test", tls.VersionTLS12, tls.VersionTLS13)
	good := &tarpit{tls: config, offers: "PIPELINING CHUNKING"}
	for name, bad := range map[string]*tarpit{
		"silence":         {tls: config, stage: "greeting", act: behaviours["silence"]},
		"byte a minute":   {tls: config, stage: "ehlo+tls", act: behaviours["byte a minute"]},
		"zero window":     {tls: config, stage: "dot", act: behaviours["zero window"]},
		"endless reply":   {tls: config, stage: "mail", act: behaviours["endless reply"]},
		"tarpit":          {tls: config, pause: 4 * time.Minute},
		"takes the first": {tls: config, takes: 1, stage: "mail", act: behaviours["silence"]},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			synctest.Test(t, func(t *testing.T) {
				w := &world{mx: map[string][]string{"good.test": {"192.0.2.1"}, "bad.test": {"192.0.2.2"}}}
				w.at = map[string]func(*memnet.End){"192.0.2.1:25": good.serve, "192.0.2.2:25": bad.serve}
				st := startStation(t, dir, w)
				for i := range 50 {
					st.enqueue(t, fmt.Sprintf("b%d@bad.test", i))
				}
				time.Sleep(time.Second)
				for i := range 50 {
					st.enqueue(t, fmt.Sprintf("b%d@good.test", i))
				}
				time.Sleep(time.Second)
				if left := st.waiting(t); left["good.test"] > 0 {
					t.Errorf("after a second: %v", left)
				}
				time.Sleep(2 * time.Hour)
				if left := st.waiting(t)["bad.test"]; (left == 0) != (name == "takes the first") {
					t.Errorf("%d messages left after two hours", left)
				}
				most := w.atOnce("192.0.2.2:25")
				if most > 20 || most < 1 {
					t.Errorf("%d sessions at once with the tarpit", most)
				}
				began := time.Now()
				st.stop()
				if took := time.Since(began); took > 15*time.Second {
					t.Errorf("the end took %v", took)
				}
				w.visits.Wait()
				if !w.closed() || w.read() > mostBytes {
					t.Errorf("closed %v, %d bytes read", w.closed(), w.read())
				}
				t.Logf("%d sessions in two hours, at most %d at once", len(w.ends), most)
			})
		})
	}
}

// Many tarpits, each a domain of its own, are no reason for others to wait: before it has done any good a site gets one worker
// when there are many like it, and all of these together half of the workers. A stranger beyond that waits for one of them, which
// counts as idle after a minute. A site that has done good waits for none.
func TestManyTarpitsBesideAGoodHost(t *testing.T) {
	config := newAuthority(t).server(t, "mx.dest.test", tls.VersionTLS12, tls.VersionTLS13)
	good := &tarpit{tls: config, offers: "PIPELINING CHUNKING"}
	bad := &tarpit{tls: config, pause: 4 * time.Minute}
	for sites, wait := range map[int]time.Duration{
		10: 5 * time.Second, 75: 5 * time.Second, 120: 65 * time.Second, 280: 125 * time.Second, 450: 31 * time.Minute, // 200 may be idle
	} {
		dir := t.TempDir()
		synctest.Test(t, func(t *testing.T) {
			w := &world{
				mx: map[string][]string{"good.test": {"192.0.2.1"}, "known.test": {"192.0.2.2"}},
				at: map[string]func(*memnet.End){"192.0.2.1:25": good.serve, "192.0.2.2:25": good.serve},
			}
			for s := range sites { // before the station starts: it reads these without a lock
				addr := fmt.Sprintf("192.0.%d.%d", 3+s/250, s%250)
				w.mx[fmt.Sprintf("bad%d.test", s)] = []string{addr}
				w.at[addr+":25"] = bad.serve
			}
			st := startStation(t, dir, w)
			st.enqueue(t, "b@known.test")
			time.Sleep(time.Second)
			for i := range 10 * sites {
				st.enqueue(t, fmt.Sprintf("b@bad%d.test", i%sites))
			}
			time.Sleep(time.Second)
			st.enqueue(t, "b@known.test")
			time.Sleep(time.Second)
			if st.waiting(t)["known.test"] > 0 {
				t.Errorf("%d tarpits: a host that has done good waits", sites)
			}
			st.enqueue(t, "b@good.test")
			began := time.Now()
			for st.waiting(t)["good.test"] > 0 && time.Since(began) < time.Hour {
				time.Sleep(5 * time.Second)
			}
			if took := time.Since(began); took > wait {
				t.Errorf("%d tarpits: a good host waits for %v", sites, took)
			}
			if most := w.atOnce(""); most > 400 {
				t.Errorf("%d connections at once", most)
			}
			st.stop()
			w.visits.Wait()
		})
	}
}
