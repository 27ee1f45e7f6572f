package delivery

import (
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tlsrelay/queue"
	"tlsrelay/relay/watch"
	"tlsrelay/tlspolicy"
	"tlsrelay/tlspolicy/probe"
)

// notices keeps what senders are told, and when.
type notices struct {
	mu  sync.Mutex
	all []queue.Notice
	at  []time.Time
}

func (n *notices) Compose(one queue.Notice, _ queue.ID, now time.Time, _ io.Reader) ([]byte, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.all, n.at = append(n.all, one), append(n.at, now)
	return []byte("Subject: notice\r\n\r\n"), nil
}

// fed is a Deliverer that tells a watch what attempts came to.
type fed struct {
	*Deliverer
	watch *watch.Watch
}

type fedLane struct {
	queue.Lane
	watch *watch.Watch
}

func (f fed) Open() queue.Lane { return fedLane{f.Deliverer.Open(), f.watch} }

func (l fedLane) Deliver(ctx context.Context, job queue.Job, next func() (queue.Job, bool)) queue.Report {
	r := l.Lane.Deliver(ctx, job, next)
	l.watch.Attempted(job, r)
	return r
}

// diagnosed is a station with probes and a watch.
type diagnosed struct {
	*station
	notices *notices
	stop    func()
}

func startDiagnosed(t *testing.T, dir string, w *world) *diagnosed {
	t.Helper()
	d := w.deliverer(tlspolicy.Rule{})
	prober := probe.New(probe.Options{Open: d.Reach, Now: time.Now})
	asker := watch.NewAsker(prober)
	d.opts.Prober = asker
	st := &diagnosed{notices: &notices{}}
	o := watch.Options{Trial: d.Trial, Try: prober.Try, Now: time.Now, Log: slog.New(slog.DiscardHandler)}
	o.Retry = func(ctx context.Context, jobs []queue.JobKey) (queue.Retried, error) { return st.RetryJobs(ctx, jobs) }
	f := &fed{Deliverer: d}
	st.station = openStation(t, dir, queue.SchedulerOptions{Deliverer: f, Notifier: st.notices, Schedule: func() queue.Schedule {
		return queue.Schedule{
			Retry: []time.Duration{5 * time.Minute, 10 * time.Minute, 20 * time.Minute, 40 * time.Minute, time.Hour, 2 * time.Hour,
				4 * time.Hour},
			Lifetime: 72 * time.Hour, DelayNotice: 4 * time.Hour, DelayNoticeProven: 15 * time.Minute,
		}
	}})
	o.Store = st.store
	f.watch = watch.New(o)
	ctx, cancel := context.WithCancel(t.Context())
	var parts sync.WaitGroup
	parts.Go(func() { asker.Run(ctx) })
	parts.Go(func() { f.watch.Run(ctx) })
	st.stop = func() {
		cancel()
		parts.Wait()
		st.station.stop()
		w.visits.Wait()
	}
	return st
}

// All who wait hear early, and with the proof, though few of their messages were ever tried.
func TestManyMessagesToAHostWithOldTLS(t *testing.T) {
	old := &tarpit{tls: newAuthority(t).server(t, "mx.dest.test", tls.VersionTLS10, tls.VersionTLS11)}
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		const messages = 200
		st := startDiagnosed(t, dir, worldOf(old))
		for range messages {
			st.enqueue(t, "b@dest.test")
		}
		time.Sleep(30 * time.Minute)
		st.stop()
		if len(st.notices.all) != messages {
			t.Errorf("%d notices", len(st.notices.all))
		}
		tried := 0
		for _, n := range st.notices.all {
			r := n.Item.Recipients[0]
			if len(r.Evidence) != 1 || !r.Evidence[0].Proven || r.Evidence[0].Offers != "TLS 1.0, TLS 1.1" {
				t.Fatalf("%+v", r)
			}
			tried += r.Evidence[0].Attempts
		}
		if tried < 1 || tried > messages/4 {
			t.Errorf("%d attempts for %d messages", tried, messages)
		}
	})
}

// The same early word comes where a host offers no TLS at all.
func TestMailToAHostWithoutTLS(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		st := startDiagnosed(t, dir, worldOf(&tarpit{}))
		began := time.Now()
		st.enqueue(t, "b@dest.test")
		time.Sleep(time.Hour)
		st.stop()
		if len(st.notices.all) != 1 || st.notices.at[0].Sub(began) > 15*time.Minute+time.Second {
			t.Fatalf("notices at %v", st.notices.at)
		}
		if e := st.notices.all[0].Item.Recipients[0].Evidence[0]; !e.Proven || e.Cause != "starttls-not-offered" || e.Offers != "" {
			t.Errorf("%+v", e)
		}
	})
}
