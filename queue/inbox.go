package queue

import "sync"

// inbox is where jobs that got a time from outside wait for the scheduler. Who puts them in waits for nobody. It is closed until
// the scheduler begins to read the store, which has them all.
type inbox struct {
	wake chan struct{} // of one place: there is something to take

	mu    sync.Mutex
	open  bool
	quiet bool // nothing more can start: the scheduler will come by itself
	news  news
}

// news are jobs that got a time from outside.
type news struct {
	jobs    []DueJob
	retried []DueJob // by an operator: they may have had a time before
}

// maxQuiet bounds the jobs that gather unseen: in the scheduler they take less memory.
const maxQuiet = 1000

func newInbox() *inbox { return &inbox{wake: make(chan struct{}, 1)} }

// put adds jobs.
func (in *inbox) put(n news) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if !in.open || len(n.jobs)+len(n.retried) == 0 {
		return
	}
	in.news.jobs = append(in.news.jobs, n.jobs...)
	in.news.retried = append(in.news.retried, n.retried...)
	if in.quiet && len(in.news.jobs)+len(in.news.retried) < maxQuiet {
		return
	}
	select {
	case in.wake <- struct{}{}:
	default: // it will come already
	}
}

// take gives what is there.
func (in *inbox) take() news {
	in.mu.Lock()
	defer in.mu.Unlock()
	n := in.news
	in.news, in.quiet = news{}, false
	return n
}

// len gives how many jobs are there.
func (in *inbox) len() int {
	in.mu.Lock()
	defer in.mu.Unlock()
	return len(in.news.jobs) + len(in.news.retried)
}

// rest says that nobody need be woken before the next take.
func (in *inbox) rest() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.quiet = true
}

// setOpen opens or closes the inbox.
func (in *inbox) setOpen(open bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.open, in.news = open, news{}
}
