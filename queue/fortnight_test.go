package queue_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"tlsrelay/queue"
)

// TestFortnight runs a queue through fourteen days of mail to hosts that fail, greylist, refuse and are slow, while the relay is
// started anew again and again and its clock is set. At the end each message has been delivered once or has gone back to its
// sender for a reason that holds.
func TestFortnight(t *testing.T) {
	messages := 100_000
	if testing.Short() || raceDetector {
		messages = 5_000
	}
	dir := memoryDir(t)
	began := time.Now()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(dir, messages)
		w.live(t)
		w.check(t)
	})
	t.Logf("%d messages in %v", messages, time.Since(began).Round(time.Millisecond))
}

// memoryDir is a folder on a file system without a disk, where there is one: a sync that takes time proves nothing here.
func memoryDir(t *testing.T) string {
	dir, err := os.MkdirTemp("/dev/shm", "tlsrelay")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

const (
	worldDays    = 14
	worldMail    = 9 * 24 * time.Hour // mail comes in for so long; the rest is for what waits
	worldSites   = 300
	worldDomains = 900
	worldWorkers = 50
)

// world is hosts with their fates, a clock that somebody sets, and an account of what became of each message.
type world struct {
	*dice
	dir      string
	messages int
	sites    []*place
	offset   atomic.Int64 // of the relay's clock
	jumps    []jump

	mu       sync.Mutex
	mail     map[queue.ID]*fate
	busy     int
	mostBusy int
	attempts int
	known    map[string]time.Time // destinations, and until when their site is known
	faults   []string
}

// place is one site.
type place struct {
	name    string
	outages []outage
	slow    time.Duration
	gray    bool // defers the first attempt of each message
	ceiling int
	busy    int
	tried   int // attempts while it was down
}

type outage struct{ from, to time.Time }

type jump struct {
	at time.Time // true time
	by time.Duration
}

// fate is what became of a message.
type fate struct {
	arrived   time.Time // true time
	refused   bool      // its recipient does not exist
	attempts  int
	delivered int
	bounced   int
}

func newWorld(dir string, messages int) *world {
	w := &world{
		dice: &dice{source: rand.New(rand.NewPCG(14, 14))}, dir: dir, messages: messages,
		mail: make(map[queue.ID]*fate, messages), known: map[string]time.Time{},
	}
	start := time.Now()
	for i := range worldSites {
		p := &place{name: fmt.Sprintf("mx%d", i), ceiling: 1 + w.n(8), slow: w.upTo(3*time.Second) + time.Millisecond, gray: w.n(10) == 0}
		for range w.n(4) {
			from := start.Add(w.upTo(worldDays * 24 * time.Hour))
			long := w.upTo(4 * time.Hour)
			if w.n(4) == 0 {
				long = w.upTo(5 * 24 * time.Hour)
			}
			p.outages = append(p.outages, outage{from, from.Add(long)})
		}
		w.sites = append(w.sites, p)
	}
	for range 8 {
		by := w.upTo(36 * time.Hour)
		if w.n(2) == 0 {
			by = -by
		}
		w.jumps = append(w.jumps, jump{start.Add(w.upTo(worldMail)), by})
	}
	return w
}

func (w *world) now() time.Time { return time.Now().Round(0).Add(time.Duration(w.offset.Load())) }

func (w *world) fault(format string, args ...any) {
	w.faults = append(w.faults, fmt.Sprintf(format, args...))
}

func (p *place) down(at time.Time) bool {
	for _, o := range p.outages {
		if !at.Before(o.from) && at.Before(o.to) {
			return true
		}
	}
	return false
}

// upSince reports whether the place worked all the time from then to now.
func (p *place) upSince(then time.Time) bool {
	now := time.Now()
	for _, o := range p.outages {
		if o.from.Before(now) && o.to.After(then) {
			return false
		}
	}
	return true
}

func (w *world) placeOf(destination string) *place {
	var n int
	fmt.Sscanf(destination, "d%d.test", &n)
	return w.sites[n%worldSites]
}

func (w *world) siteOf(destination string) queue.Site {
	p := w.placeOf(destination)
	return queue.Site{Name: p.name, Workers: p.ceiling}
}

// Site forgets each destination after an hour.
func (w *world) Site(destination string) (queue.Site, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.siteOf(destination), time.Now().Before(w.known[destination])
}

func (w *world) Resolve(ctx context.Context, destination string) queue.Site {
	select {
	case <-time.After(w.upTo(2 * time.Second)):
	case <-ctx.Done():
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.known[destination] = time.Now().Add(time.Hour)
	return w.siteOf(destination)
}

func (w *world) Open() queue.Lane { return &worldLane{world: w} }

// worldLane takes a job ahead now and then.
type worldLane struct {
	*world
	ahead queue.ID
}

func (l *worldLane) Close() {}

func (l *worldLane) Deliver(ctx context.Context, job queue.Job, next func() (queue.Job, bool)) queue.Report {
	p := l.placeOf(job.Destination())
	l.begin(p, job, l.ahead)
	l.ahead = 0
	select {
	case <-time.After(p.slow):
	case <-ctx.Done():
	}
	if l.n(3) == 0 {
		if ahead, ok := next(); ok {
			l.ahead = ahead.Item.ID
		}
	}
	return l.end(ctx, p, job)
}

func (w *world) begin(p *place, job queue.Job, ahead queue.ID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	p.busy++
	w.busy++
	w.attempts++
	w.mostBusy = max(w.mostBusy, w.busy)
	if p.busy > p.ceiling {
		w.fault("%s has %d attempts at once, the limit is %d", p.name, p.busy, p.ceiling)
	}
	if ahead != 0 && ahead != job.Item.ID {
		w.fault("%v was taken ahead, %v came", ahead, job.Item.ID)
	}
}

func (w *world) end(ctx context.Context, p *place, job queue.Job) queue.Report {
	w.mu.Lock()
	defer w.mu.Unlock()
	p.busy--
	w.busy--
	f := w.mail[job.Item.ID]
	if f == nil { // a notice; it is taken in any case
		return queue.Report{Outcomes: []queue.Outcome{{Result: queue.ResultDelivered}}, Site: queue.HealthGood}
	}
	f.attempts++
	one := func(o queue.Outcome, h queue.Health) queue.Report {
		return queue.Report{Outcomes: []queue.Outcome{o}, Site: h}
	}
	switch {
	case ctx.Err() != nil:
		return one(queue.Outcome{Cause: "local-trouble"}, queue.HealthUnknown)
	case p.down(time.Now()):
		p.tried++
		return one(refused, queue.HealthBad)
	case f.refused:
		return one(queue.Outcome{Result: queue.ResultFailed, Cause: "remote-permanent"}, queue.HealthGood)
	case p.gray && f.attempts == 1:
		return one(queue.Outcome{Cause: "remote-temporary"}, queue.HealthGood)
	}
	f.delivered++
	return one(queue.Outcome{Result: queue.ResultDelivered}, queue.HealthGood)
}

// note judges a bounce.
func (w *world) note(n queue.Notice) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f := w.mail[n.Item.ID]
	if n.Kind != queue.NoticeFailure {
		return
	}
	f.bounced++
	p := w.placeOf(n.Item.Recipients[0].Destination)
	last := n.Item.Recipients[0].Last
	switch {
	case !n.Expired && !f.refused:
		w.fault("%v was refused for good, and should not be: %+v", n.Item.ID, last)
	case n.Expired && p.upSince(time.Now().Add(-time.Minute)) && !p.gray:
		w.fault("%v to %s ended with its lifetime while the host works: %d attempts, %+v", n.Item.ID, p.name, f.attempts, last)
	}
}

// live lets the fortnight go by.
func (w *world) live(t *testing.T) {
	st := w.start(t)
	var wg sync.WaitGroup
	wg.Go(func() {
		for _, j := range w.inOrder() {
			time.Sleep(time.Until(j.at))
			w.offset.Add(int64(j.by))
		}
	})
	restart := time.Now().Add(w.upTo(2 * 24 * time.Hour))
	pause := worldMail / time.Duration(w.messages)
	for i := range w.messages {
		time.Sleep(w.upTo(2 * pause))
		if time.Now().After(restart) {
			st.stop()
			time.Sleep(w.upTo(3 * time.Hour))
			st = w.start(t)
			restart = time.Now().Add(w.upTo(2 * 24 * time.Hour))
		}
		domain := w.n(worldDomains)
		if w.n(2) == 0 {
			domain = w.n(10) // half of the mail goes to few
		}
		w.send(t, st, i, fmt.Sprintf("d%d.test", domain))
	}
	wg.Wait()
	time.Sleep(worldDays*24*time.Hour - worldMail)
	if left := st.queued(t); len(left) != 0 {
		t.Errorf("%d messages are left, the first one: %+v", len(left), left[0])
	}
	st.stop()
}

func (w *world) inOrder() []jump {
	jumps := append([]jump(nil), w.jumps...)
	for i := range jumps {
		for k := range jumps[:i] {
			if jumps[i].at.Before(jumps[k].at) {
				jumps[i], jumps[k] = jumps[k], jumps[i]
			}
		}
	}
	return jumps
}

func (w *world) start(t *testing.T) *station {
	st := prepare(openSpool(t, w.dir), w, w.now)
	st.notifier.seen = w.note
	st.quiet(worldWorkers)
	st.run(t)
	<-st.Loaded()
	return st
}

func (w *world) send(t *testing.T, st *station, n int, domain string) {
	ctx := context.Background()
	body, err := st.NewBody(ctx)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(body, "Subject: %d\r\n\r\n", n)
	now := st.now()
	item := queue.Item{ID: st.NextID(), Sender: "a@app.test", Size: body.Size(), Arrived: now, Expires: now.Add(st.lifetime)}
	item.Recipients = []queue.Recipient{{Address: "b@" + domain, Destination: domain, NextAttempt: now}}
	w.mu.Lock()
	w.mail[item.ID] = &fate{arrived: time.Now(), refused: w.n(50) == 0}
	w.mu.Unlock()
	if err := st.Enqueue(ctx, item, body); err != nil {
		t.Fatal(err)
	}
}

func (w *world) check(t *testing.T) {
	delivered, bounced := 0, 0
	for id, f := range w.mail {
		if f.delivered+f.bounced != 1 {
			t.Errorf("%v was delivered %d times, bounced %d times, after %d attempts", id, f.delivered, f.bounced, f.attempts)
		}
		delivered += f.delivered
		bounced += f.bounced
	}
	tried := 0
	for _, p := range w.sites {
		tried += p.tried
	}
	for i, f := range w.faults {
		if i == 10 {
			t.Errorf("and %d more", len(w.faults)-i)
			break
		}
		t.Error(f)
	}
	if w.mostBusy > worldWorkers {
		t.Errorf("%d attempts at once", w.mostBusy)
	}
	if tried > len(w.mail) {
		t.Errorf("%d attempts at hosts that were down", tried)
	}
	t.Logf("%d delivered, %d went back, %d attempts (%d at hosts that were down), at most %d at once", delivered, bounced, w.attempts, tried, w.mostBusy)
}
