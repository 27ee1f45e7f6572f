//go:build linux

package main

import (
	"context"
	"time"

	"tlsrelay/cmd/relaybench/load"
	"tlsrelay/cmd/relaybench/proc"
	"tlsrelay/cmd/relaybench/system"
)

// sample is what one run of one system gave.
type sample struct {
	System  string `json:"system"`
	Clients int    `json:"clients"`
	Round   int    `json:"round"`

	PerSecond    float64     `json:"messages_per_second"`
	Seconds      float64     `json:"seconds"`
	P50          float64     `json:"p50_ms"` // from MAIL to the 250
	P99          float64     `json:"p99_ms"`
	CPU          float64     `json:"cpu_us_per_message"` // all processes of the system
	GeneratorCPU float64     `json:"generator_cpu_us_per_message"`
	Written      float64     `json:"written_bytes_per_message"` // write_bytes of /proc/PID/io
	IdleMemory   proc.Memory `json:"idle_memory_bytes"`         // before the first message, clients connected
	Memory       proc.Memory `json:"memory_bytes"`              // after the last message, clients connected
	Books        books       `json:"books"`
}

// Measures of a sample.
func perSecond(s *sample) float64    { return s.PerSecond }
func cpu(s *sample) float64          { return s.CPU }
func generatorCPU(s *sample) float64 { return s.GeneratorCPU }

// warmUp is how many messages a system gets before the clock starts, so that all its processes are there and its caches filled;
// at most a tenth of those that count.
func warmUp(clients, messages int) int { return min(max(200, 10*clients), messages/10) }

// settle is how long a system may take to finish after the last answer; what it consumes then counts.
const settle = 200 * time.Millisecond

// run loads a running system: a warm-up, then the messages that count. around, if given, is called right before and right
// after those.
func (s *sample) run(ctx context.Context, sys system.System, o load.Options, messages int, around func() error) error {
	pool, err := load.Dial(ctx, o)
	if err != nil {
		return err
	}
	defer pool.Close()
	if s.IdleMemory, err = sys.Session().Memory(); err != nil {
		return err
	}
	warm, err := pool.Send(ctx, warmUp(o.Clients, messages))
	if err != nil {
		return err
	}
	s.Books.add(warm)
	time.Sleep(settle)
	if around == nil {
		around = func() error { return nil }
	}
	if err := around(); err != nil {
		return err
	}
	if err := s.load(ctx, sys.Session(), pool, messages); err != nil {
		return err
	}
	return around()
}

// load sends the messages that count and takes the measures.
func (s *sample) load(ctx context.Context, session proc.Session, pool *load.Pool, messages int) error {
	before, err := session.Usage()
	if err != nil {
		return err
	}
	own := proc.Self()
	r, err := pool.Send(ctx, messages)
	own = proc.Self() - own
	if err != nil {
		return err
	}
	time.Sleep(settle)
	after, err := session.Usage()
	if err != nil {
		return err
	}
	if s.Memory, err = session.Memory(); err != nil {
		return err
	}
	s.Books.add(r)
	s.fill(r, after.Sub(before), own)
	return nil
}

func (s *sample) fill(r *load.Result, used proc.Usage, own time.Duration) {
	n := float64(max(r.Acknowledged, 1))
	s.PerSecond, s.Seconds = r.PerSecond(), r.Elapsed.Seconds()
	s.P50 = r.Latency(0.50).Seconds() * 1000
	s.P99 = r.Latency(0.99).Seconds() * 1000
	s.CPU = float64(used.CPU.Microseconds()) / n
	s.GeneratorCPU = float64(own.Microseconds()) / n
	s.Written = float64(used.Written) / n
}
