//go:build linux

package load

import (
	"bytes"
	"slices"
	"time"
)

// Result is what came of one [Pool.Send].
type Result struct {
	Sent         int            // messages that were begun
	Acknowledged int            // with 250 to the end of data
	Unknown      int            // the connection broke between the end of data and the answer
	Refused      map[string]int // all others, by stage and reply code, such as "RCPT 451"
	Elapsed      time.Duration

	ids       []byte // queue IDs, each with a line end
	numbers   []int
	latencies []uint32 // in microseconds, from MAIL to the 250
	sorted    bool
}

func newResult(n int) *Result {
	n = min(n, 1<<20) // room to begin with, so that growing does not disturb the measure
	return &Result{Refused: map[string]int{}, numbers: make([]int, 0, n), latencies: make([]uint32, 0, n), ids: make([]byte, 0, 16*n)}
}

// queuedAs precedes the ID in the replies of many servers, Postfix and tlsrelay among them.
var queuedAs = []byte("queued as ")

func (r *Result) acknowledge(number int, reply []byte, took time.Duration) {
	r.Acknowledged++
	r.numbers = append(r.numbers, number)
	r.latencies = append(r.latencies, uint32(min(took.Microseconds(), 1<<32-1)))
	if i := bytes.LastIndex(reply, queuedAs); i >= 0 {
		id, _, _ := bytes.Cut(bytes.TrimRight(reply[i+len(queuedAs):], "\r"), []byte(" "))
		r.ids = append(append(r.ids, id...), '\n')
	}
}

func (r *Result) refuse(why string) { r.Refused[why]++ }

// IDs gives the queue IDs that the server named with its 250s, one for each if it names them at all.
func (r *Result) IDs() []string {
	var ids []string
	for line := range bytes.Lines(r.ids) {
		ids = append(ids, string(line[:len(line)-1]))
	}
	return ids
}

// Numbers gives the acknowledged messages, by number.
func (r *Result) Numbers() []int { return r.numbers }

// PerSecond is the rate of acknowledged messages.
func (r *Result) PerSecond() float64 {
	if r.Elapsed <= 0 {
		return 0
	}
	return float64(r.Acknowledged) / r.Elapsed.Seconds()
}

// Latency gives the time within which the share q (0 to 1) of the acknowledged messages was taken, from MAIL to the 250.
func (r *Result) Latency(q float64) time.Duration {
	if len(r.latencies) == 0 {
		return 0
	}
	if !r.sorted {
		slices.Sort(r.latencies)
		r.sorted = true
	}
	return time.Duration(r.latencies[int(q*float64(len(r.latencies)-1))]) * time.Microsecond
}
