//go:build linux

package main

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"tlsrelay/cmd/relaybench/system"
)

// listed is a system that has only a queue.
type listed struct {
	system.System
	queue []system.Queued
	err   error
}

func (l listed) Name() string { return "listed" }

func (l listed) Queue(_ context.Context, each func(system.Queued) error) error {
	for _, m := range l.queue {
		if err := each(m); err != nil {
			return err
		}
	}
	return l.err
}

func TestBooks(t *testing.T) {
	queue := func(ids ...string) (q []system.Queued) {
		for _, id := range ids {
			q = append(q, system.Queued{ID: id, Deferred: id != "b"})
		}
		return q
	}
	for _, c := range []struct {
		name    string
		books   books
		queue   []system.Queued
		problem string
	}{
		{"all there", books{Sent: 2, Acknowledged: 2, ids: []string{"b", "a"}}, queue("a", "b"), ""},
		{"one lost", books{Sent: 3, Acknowledged: 3, ids: []string{"a", "b", "c"}}, queue("c", "a"), "1 acknowledged messages are lost: [b]"},
		{"one twice", books{Sent: 1, Acknowledged: 1, ids: []string{"a"}}, queue("a", "a"), "1 messages are in the queue that were not acknowledged: [a]"},
		{"one ID for two", books{Sent: 2, Acknowledged: 2, ids: []string{"a", "a"}}, queue("a"), "1 acknowledged messages are lost: [a]"},
		{"one without ID", books{Sent: 2, Acknowledged: 2, ids: []string{"a"}}, queue("a"), "only 1 with an ID"},
		{"one refused", books{Sent: 2, Acknowledged: 1, Refused: map[string]int{"RCPT 451": 1}, ids: []string{"a"}}, queue("a"), "of 2 messages 1 were refused"},
		{"one not accounted for", books{Sent: 3, Acknowledged: 1, Refused: map[string]int{"RCPT 451": 1}, ids: []string{"a"}}, queue("a"), "3 messages were sent, but"},
		{"an answer lost by a kill, message there", books{Sent: 2, Acknowledged: 1, Unknown: 1, excused: 1, ids: []string{"a"}}, queue("a", "x"), ""},
		{"the same, message not there", books{Sent: 2, Acknowledged: 1, Unknown: 1, excused: 1, ids: []string{"a"}}, queue("a"), ""},
		{"an answer lost without a kill", books{Sent: 2, Acknowledged: 1, Unknown: 1, ids: []string{"a"}}, queue("a", "x"), "refused or not answered"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := c.books.compare(t.Context(), listed{queue: c.queue}); err != nil {
				t.Fatal(err)
			}
			err := c.books.problem()
			if c.problem == "" && err != nil || c.problem != "" && (err == nil || !strings.Contains(err.Error(), c.problem)) {
				t.Errorf("problem %v, want %q", err, c.problem)
			}
		})
	}
	var b books
	if err := b.compare(t.Context(), listed{err: errors.New("broken")}); err == nil || !strings.Contains(err.Error(), "broken") {
		t.Errorf("a queue that cannot be read: %v", err)
	}
}

func TestBooksAddUp(t *testing.T) {
	a := books{Sent: 3, Acknowledged: 2, Unknown: 1, ids: []string{"a"}, numbers: []int{1}}
	a.merge(&books{Sent: 2, Acknowledged: 1, Refused: map[string]int{"x": 1}, Queued: 5, Deferred: 4, Missing: []string{"m"},
		Duplicates: []string{"d"}, excused: 2, named: 7, ids: []string{"b"}, numbers: []int{2}})
	if a.Sent != 5 || a.Acknowledged != 3 || a.Unknown != 1 || a.Refused["x"] != 1 || a.Queued != 5 || a.Deferred != 4 ||
		a.excused != 2 || a.named != 7 || len(a.Missing) != 1 || len(a.Duplicates) != 1 ||
		!slices.Equal(a.ids, []string{"a", "b"}) || !slices.Equal(a.numbers, []int{1, 2}) {
		t.Errorf("%+v", a)
	}
}

func TestSome(t *testing.T) {
	if got := some([]int{1, 2}); got != "[1 2]" {
		t.Error(got)
	}
	if got := some(make([]int, 12)); got != "[0 0 0 0 0 0 0 0 0 0] and 2 more" {
		t.Error(got)
	}
}
