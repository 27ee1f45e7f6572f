package queue

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"
)

// some gives n hints in random order, some of them equal and many with the same time or job.
func some(n int, chance *rand.Rand) waiting {
	var w waiting
	for range n {
		due := epoch.Add(time.Duration(chance.IntN(50)) * time.Second)
		w = append(w, newHint(dueJob(ID(chance.IntN(50)), fmt.Sprintf("d%d.test", chance.IntN(3)), due)))
	}
	return w
}

// drained pops all hints.
func drained(w waiting) []hint {
	var out []hint
	for len(w) > 0 {
		out = append(out, w.pop())
	}
	return out
}

func sorted(hints []hint) []hint {
	hints = slices.Clone(hints)
	slices.SortFunc(hints, func(a, b hint) int { return a.compare(&b) })
	return hints
}

func TestWaitingIsAHeap(t *testing.T) {
	chance := rand.New(rand.NewPCG(1, 2))
	for n := range 200 {
		hints := some(n, chance)
		var w waiting
		for _, h := range hints {
			w.push(h)
		}
		if got := drained(w); !slices.Equal(got, sorted(hints)) {
			t.Fatalf("%d hints pushed come out as %v", n, got)
		}

		latest := stamp(epoch.Add(20 * time.Second))
		w = slices.Clone(hints)
		w.order()
		w.clamp(latest)
		for i := range hints {
			hints[i].due = min(hints[i].due, latest)
		}
		if got := drained(w); !slices.Equal(got, sorted(hints)) {
			t.Fatalf("%d hints clamped come out as %v", n, got)
		}
	}
}

func TestWaitingSweepKeepsTheEarliest(t *testing.T) {
	chance := rand.New(rand.NewPCG(3, 4))
	for n := range 200 {
		w := some(n, chance)
		earliest := map[jobRef]int64{}
		for _, h := range w {
			if due, known := earliest[h.jobRef]; !known || h.due < due {
				earliest[h.jobRef] = h.due
			}
		}
		w.sweep()
		left := drained(w)
		if len(left) != len(earliest) || !slices.Equal(left, sorted(left)) {
			t.Fatalf("%d hints for %d jobs are left: %v", len(left), len(earliest), left)
		}
		for _, h := range left {
			if h.due != earliest[h.jobRef] {
				t.Fatalf("the hint for %v is %v, want %v", h.key(), h.due, earliest[h.jobRef])
			}
		}
	}
}

func TestStamp(t *testing.T) {
	for _, tt := range []struct {
		t    time.Time
		want int64
	}{
		{time.Time{}, math.MinInt64}, // the nanoseconds of year 1 would wrap around
		{time.Date(2300, 1, 1, 0, 0, 0, 0, time.UTC), math.MaxInt64},
		{time.Unix(3, 4), 3e9 + 4},
	} {
		if got := stamp(tt.t); got != tt.want {
			t.Errorf("%v: %d, want %d", tt.t, got, tt.want)
		}
	}
}

func TestHintsAreSmall(t *testing.T) {
	if size := unsafe.Sizeof(hint{}); size > 24 {
		t.Errorf("a hint takes %d bytes", size)
	}
	if size := unsafe.Sizeof(jobRef{}); size > 16 {
		t.Errorf("a job at its site takes %d bytes", size)
	}
}

// BenchmarkMillionJobs says what a job costs while it waits (B/waiting), and when all are due at once (B/due, the heap's
// memory included that is not given back yet).
func BenchmarkMillionJobs(b *testing.B) {
	const jobs, destinations = 1_000_000, 1000
	for b.Loop() {
		empty := heapInUse()
		r := newReady(100, 100, each(10))
		began := time.Now()
		for i := range jobs {
			destination := fmt.Sprintf("d%d.test", i%destinations)
			r.add(dueJob(ID(i+1), destination, epoch.Add(time.Duration(i*7919%jobs)*time.Millisecond)))
		}
		b.ReportMetric(float64(time.Since(began).Nanoseconds())/jobs, "ns/add")
		b.ReportMetric((heapInUse()-empty)/jobs, "B/waiting")
		now := epoch.Add(time.Hour)
		began = time.Now()
		for len(r.waiting) > 0 {
			r.start(now)
		}
		b.ReportMetric(float64(time.Since(began).Nanoseconds())/jobs, "ns/due")
		b.ReportMetric((heapInUse()-empty)/jobs, "B/due")
		runtime.KeepAlive(r)
	}
}

// BenchmarkManySites says what a site costs when a hundred thousand have ten jobs each (B/site, without the jobs), and when they
// are idle (B/idle).
func BenchmarkManySites(b *testing.B) {
	const jobs, destinations = 1_000_000, 100_000
	for b.Loop() {
		r := newReady(100, 100, each(10))
		names := make([]string, destinations)
		for i := range names {
			names[i] = fmt.Sprintf("d%d.test", i)
		}
		for i := range jobs {
			r.add(dueJob(ID(i+1), names[i%destinations], epoch))
		}
		before := heapInUse()
		began := time.Now()
		for len(r.waiting) > 0 {
			r.takeDue(stamp(epoch))
		}
		b.ReportMetric(float64(time.Since(began).Nanoseconds())/jobs, "ns/due")
		b.ReportMetric((heapInUse()-before+jobs*float64(unsafe.Sizeof(hint{})-unsafe.Sizeof(jobRef{})))/destinations, "B/site")
		for _, s := range r.sites {
			s.jobs.all()
		}
		r.turn = fifo[*site]{}
		empty := heapInUse()
		kept := len(r.sites)
		for _, s := range r.sites {
			s.inTurn = false
		}
		r.forget(stamp(epoch.Add(2 * longestRest)))
		b.ReportMetric((empty-heapInUse())/float64(kept), "B/idle")
		runtime.KeepAlive(r)
	}
}

func BenchmarkSweep(b *testing.B) {
	var w waiting
	for i := range 1_300_000 {
		w.push(newHint(dueJob(ID(i%1_000_000), "a.test", epoch.Add(time.Duration(i*7919%1_000_003)*time.Millisecond))))
	}
	for b.Loop() {
		c := slices.Clone(w)
		c.sweep()
	}
}

// A destination must not hold the text that it was cut from.
func TestHintHoldsNoItem(t *testing.T) {
	const jobs, text = 100, 1 << 20
	empty := heapInUse()
	r := newReady(1, 1, each(1))
	for i := range ID(jobs) {
		item := strings.Repeat("x", text) + "unheard-of.test"
		r.add(dueJob(i, item[text:], epoch))
	}
	if grown := heapInUse() - empty; grown > jobs*text/10 {
		t.Errorf("%d hints hold %.0f bytes", jobs, grown)
	}
	runtime.KeepAlive(r)
}

func heapInUse() float64 {
	runtime.GC()
	runtime.GC() // the first may leave what the unique strings' cleanups hold
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}

func BenchmarkPause(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		schedule.Pause(JobKey{77, "dest.test"}, 3)
	}
}
