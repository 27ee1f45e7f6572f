//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tlsrelay/cmd/relaybench/proc"
	"tlsrelay/cmd/relaybench/sink"
	"tlsrelay/cmd/relaybench/system"
)

// drain empties the queue and waits for the disk space.
func (s *stages) drain(ctx context.Context) error {
	if err := s.sys.Switch(ctx, system.Refuse); err != nil {
		return err
	}
	var err error
	if s.out.DiskBefore, err = proc.DiskUse(s.sys.Dir()); err != nil {
		return err
	}
	began := time.Now()
	if relay, ok := s.sys.(*system.Relay); ok && s.Drain == "deliver" {
		err = s.deliver(ctx, relay)
	} else {
		s.out.Drain = "delete"
		err = s.delete(ctx)
	}
	if err != nil {
		return err
	}
	s.out.DrainSeconds = time.Since(began).Seconds()
	s.say("emptied in %.0f s", s.out.DrainSeconds)
	err = s.sys.Queue(ctx, func(m system.Queued) error {
		s.out.Left++
		return nil
	})
	if err != nil {
		return err
	}
	return s.space(ctx)
}

// delete has the operator's command remove everything.
func (s *stages) delete(ctx context.Context) error {
	began := time.Now()
	done := make(chan error, 1)
	go func() { done <- s.sys.Delete(ctx) }()
	for {
		select {
		case err := <-done:
			return err
		case <-time.After(progressPause):
			s.tick("deleting since %.0f s", time.Since(began).Seconds())
		}
	}
}

// space waits until the queue takes no less disk any more, or a tenth of what it took.
func (s *stages) space(ctx context.Context) error {
	began, changed := time.Now(), time.Now()
	for s.out.DiskDrained = s.out.DiskBefore; ; {
		now, err := proc.DiskUse(s.sys.Dir())
		if err != nil {
			return err
		}
		if now != s.out.DiskDrained {
			s.out.DiskDrained, changed = now, time.Now()
			s.out.SpaceSeconds = changed.Sub(began).Seconds()
		}
		if now < s.out.DiskBefore/10 || time.Since(changed) > s.SpaceWait {
			return nil
		}
		if err := sleep(ctx, 200*time.Millisecond); err != nil {
			return err
		}
	}
}

// deliver has all mail go to a sink with STARTTLS, and looks for every acknowledged message there.
func (s *stages) deliver(ctx context.Context, relay *system.Relay) error {
	s.out.Drain = "deliver"
	got := newArrivals(nil)
	target, err := sink.Listen("127.0.0.1:0", sink.Options{TLS: true, Received: got.add})
	if err != nil {
		return err
	}
	defer target.Close()
	// Attempts that were held end in a deferral now; a first retry may pass them by.
	if err := relay.RouteTo(ctx, target.Address()); err != nil {
		return err
	}
	const retries = 3
	for try := 1; ; try++ {
		if err := relay.Retry(ctx); err != nil {
			return err
		}
		err := s.await(ctx, s.out.Books.Queued, got.count, "%d of %d messages are delivered")
		if err == nil {
			break
		}
		if try == retries || ctx.Err() != nil {
			return err
		}
	}
	if err := s.rest(ctx); err != nil { // the last deliveries are written down, a duplicate comes
		return err
	}
	return s.arrived(got)
}

// arrived compares the sink with the books.
func (s *stages) arrived(got *arrivals) error {
	s.out.Received, _ = got.count()
	s.out.Undelivered, s.out.Doubles = got.missing(s.out.Books.numbers), got.doubles()
	return got.problem()
}

// problem says what does not add up, or nil.
func (r *backlogResult) problem() error {
	var errs []error
	note := func(wrong bool, format string, args ...any) {
		if wrong {
			errs = append(errs, fmt.Errorf(r.System+": "+format, args...))
		}
	}
	if err := r.Books.problem(); err != nil {
		errs = append(errs, fmt.Errorf("%s: %w", r.System, err))
	}
	for _, s := range r.Empty {
		if err := s.Books.problem(); err != nil {
			errs = append(errs, fmt.Errorf("%s with an empty queue: %w", r.System, err))
		}
	}
	note(r.Books.Deferred < r.Messages, "only %d of %d messages are deferred with a cause", r.Books.Deferred, r.Messages)
	note(r.Left > 0, "%d messages are left in a queue that should be empty", r.Left)
	note(len(r.Undelivered) > 0, "%d acknowledged messages never came to the sink: %s", len(r.Undelivered), some(r.Undelivered))
	note(len(r.Doubles) > 0, "%d messages came to the sink twice: %s", len(r.Doubles), some(r.Doubles))
	return errors.Join(errs...)
}
