package queue

import "time"

// Tally counts what becomes of mail. Its methods are called when that is stored, from many goroutines at once, and must not wait.
type Tally interface {
	// Result is told what an attempt came to for one recipient, as the line msg=delivery of the log has it: r is ResultFailed
	// also where the outcome is a deferral and the lifetime is over. delay is the time since the message was accepted.
	Result(r Result, o *Outcome, delay time.Duration)

	// Notice is told of a notice that was made.
	Notice(kind NoticeKind)
}

type noTally struct{}

func (noTally) Result(Result, *Outcome, time.Duration) {}
func (noTally) Notice(NoticeKind)                      {}

// Hints are numbers of jobs at one moment. A job that was ordered to be tried at once may count twice for a while.
type Hints struct {
	Scheduled int // that wait for their time
	Due       int // that wait for their turn: their time has come, or nobody has looked yet
}

// Hints gives the numbers as they were when the scheduler did something last. Jobs that are being tried are in none of them.
func (s *Scheduler) Hints() Hints {
	return Hints{Scheduled: int(s.hints.scheduled.Load()), Due: int(s.hints.due.Load()) + s.inbox.len()}
}

// tell notes the numbers for Hints.
func (s *Scheduler) tell(r *ready) {
	s.hints.scheduled.Store(int64(len(r.waiting)))
	s.hints.due.Store(int64(r.standing))
}
