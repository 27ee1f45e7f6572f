package queue

import "slices"

// fifo is a queue that gives its memory back while it is worked off. The zero value is empty.
type fifo[T any] struct {
	items []T
	head  int // of items; those before it are taken out
}

// fifoSpare is how much room a fifo keeps for the next elements.
const fifoSpare = 16

func (q *fifo[T]) len() int { return len(q.items) - q.head }

func (q *fifo[T]) push(v T) { q.items = append(q.items, v) }

// pop takes the oldest element out; there must be one. When half of the elements are taken out the others move up, so that
// each is moved about once.
func (q *fifo[T]) pop() T {
	v := q.items[q.head]
	clear(q.items[q.head : q.head+1])
	q.head++
	if 2*q.head >= len(q.items) {
		q.items = slices.Delete(q.items, 0, q.head)
		q.head = 0
		q.items = trimmed(q.items, fifoSpare)
	}
	return v
}

// all takes all elements out, the oldest first.
func (q *fifo[T]) all() []T {
	items := q.items[q.head:]
	*q = fifo[T]{}
	return items
}

// trimmed gives s in less memory if it fills less than half of its own, spare elements not counted.
func trimmed[T any](s []T, spare int) []T {
	if cap(s) <= 2*(len(s)+spare) {
		return s
	}
	return append(make([]T, 0, len(s)+spare), s...)
}
