package queue_test

import (
	"fmt"
	"maps"
	"regexp"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tlsrelay/queue"
)

// tally writes down what it is told, as the log would.
type tally struct {
	mu      sync.Mutex
	counts  map[string]int
	longest time.Duration // of the delays
}

func (c *tally) Result(r queue.Result, o *queue.Outcome, delay time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts[fmt.Sprintf("msg=delivery result=%v cause=%q", r, o.Cause)]++
	c.longest = max(c.longest, delay)
}

func (c *tally) Notice(kind queue.NoticeKind) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts[fmt.Sprintf("msg=notice kind=%v", kind)]++
}

// inLog counts the same in a log.
func inLog(log string) map[string]int {
	counts := map[string]int{}
	for _, m := range regexp.MustCompile(`(msg=delivery) .* (result=\S+) cause="?([^" ]*)"? `).FindAllStringSubmatch(log, -1) {
		counts[fmt.Sprintf("%s %s cause=%q", m[1], m[2], m[3])]++
	}
	for _, m := range regexp.MustCompile(`(msg=notice) .* (kind=\S+) `).FindAllStringSubmatch(log, -1) {
		counts[m[1]+" "+m[2]]++
	}
	return counts
}

// What is counted is what the log says, for mail that is tried and for mail that is put off with other mail.
func TestTallyIsTheLog(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		deliverer := onlyFor("old.test", oldTLS)
		deliverer.health = func(job queue.Job) queue.Health {
			if job.Destination() == "old.test" {
				return queue.HealthBad
			}
			return queue.HealthGood
		}
		st := prepare(openSpool(t, dir), deliverer, time.Now)
		told := &tally{counts: map[string]int{}}
		st.opts.Tally = told
		st.Scheduler = queue.NewScheduler(st.opts)
		st.run(t)
		for range 10 {
			st.enqueue(t, "a@app.test", "b@new.test", "c@old.test", "d@old.test")
		}
		time.Sleep(73 * time.Hour)
		st.stop()
		want := inLog(st.log.String())
		if !maps.Equal(told.counts, want) {
			t.Errorf("told of %v, the log has %v", told.counts, want)
		}
		for line, n := range map[string]int{
			`msg=delivery result=failed cause="tls-version"`: 20, `msg=delivery result=delivered cause=""`: 30,
			"msg=notice kind=delay": 10, "msg=notice kind=failure": 10,
		} {
			if told.counts[line] != n {
				t.Errorf("%s: %d, want %d", line, told.counts[line], n)
			}
		}
		if told.longest < 72*time.Hour || told.longest > 73*time.Hour {
			t.Errorf("the longest delay is %v", told.longest)
		}
	})
}

func TestHints(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		goOn := make(chan struct{})
		st := prepare(openSpool(t, dir), &remote{outcome: func(queue.Job) queue.Outcome {
			<-goOn
			return queue.Outcome{Result: queue.ResultDelivered}
		}}, time.Now)
		st.quiet(10) // of which a site without a success gets one
		st.run(t)
		for range 3 {
			st.enqueue(t, "a@app.test", "b@slow.test")
		}
		st.enqueueFor(t, time.Now().Add(time.Hour), 0, "a@app.test", "b@later.test")
		time.Sleep(time.Second)
		if got, want := st.Hints(), (queue.Hints{Scheduled: 1, Due: 2}); got != want {
			t.Errorf("while one is tried: %+v, want %+v", got, want)
		}
		close(goOn)
		time.Sleep(time.Second)
		if got, want := st.Hints(), (queue.Hints{Scheduled: 1}); got != want {
			t.Errorf("later: %+v, want %+v", got, want)
		}
		time.Sleep(2 * time.Hour)
		if got := st.Hints(); got != (queue.Hints{}) {
			t.Errorf("in the end: %+v", got)
		}
		st.stop()
	})
}
