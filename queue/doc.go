// Package queue holds what a mail queue is, without saying how it is stored or delivered: messages, what became of
// each recipient, the retry schedule, and the scheduler that decides what is tried when.
//
// The package knows no SMTP and no TLS. A [Deliverer] says by which [Site] mail goes, and its [Lane] makes an attempt and answers
// with an [Outcome] for each recipient; [Apply] turns outcomes into the next state and the notices that are due; a [Store] makes both durable in
// one [Batch]. Data goes one way: Enqueue, Store, Scheduler, Lane, Outcome, Apply, Store.
package queue
