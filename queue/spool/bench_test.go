package spool

import (
	"bytes"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"tlsrelay/queue"
)

// BenchmarkCommit stores messages of 4 KB and removes them again, two commits each, from several clients at once.
func BenchmarkCommit(b *testing.B) {
	text := bytes.Repeat([]byte("0123456789abcde\n"), 256)
	for _, clients := range []int{1, 20, 100} {
		b.Run(fmt.Sprintf("clients=%d", clients), func(b *testing.B) {
			s, err := Open(b.TempDir(), Options{Log: quiet()})
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			var next, failed atomic.Int64
			done := make(chan struct{})
			b.ResetTimer()
			for range clients {
				go func() {
					defer func() { done <- struct{}{} }()
					for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
						if putRemove(s, int(n), text) != nil {
							failed.Add(1)
						}
					}
				}()
			}
			for range clients {
				<-done
			}
			if failed.Load() > 0 {
				b.Fatalf("%d commits failed", failed.Load())
			}
		})
	}
}

func putRemove(s *Store, n int, text []byte) error {
	body, err := s.NewBody(ctx)
	if err != nil {
		return err
	}
	defer body.Discard()
	if _, err = body.Write(text); err != nil {
		return err
	}
	if err = s.Commit(ctx, &queue.Batch{Put: []queue.Put{{Item: testItem(n), Body: body}}}); err != nil {
		return err
	}
	return remove(s, n)
}

// BenchmarkBacklog fills a spool with messages that were tried once, and measures what each costs in memory and at a start.
// `go test -bench Backlog -benchtime 1000000x` is the backlog of a bad day.
func BenchmarkBacklog(b *testing.B) {
	dir := b.TempDir()
	s, err := Open(dir, Options{Log: quiet()})
	if err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	for n := 1; n <= b.N; n += 1000 {
		if err := putDeferred(s, n, min(n+1000, b.N+1)); err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	before := heap()
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	s = nil
	b.ReportMetric(float64(before-heap())/float64(b.N), "heap-B/message")
	started := time.Now()
	if s, err = Open(dir, Options{Log: quiet()}); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(time.Since(started).Milliseconds()), "start-ms")
	started = time.Now()
	for after, jobs := queue.ID(0), 0; ; {
		page, last, err := s.Jobs(ctx, after, 1000)
		if jobs += len(page); err != nil || last == 0 {
			if jobs != b.N {
				b.Fatalf("%d jobs, %v", jobs, err)
			}
			break
		}
		after = last
	}
	b.ReportMetric(float64(time.Since(started).Milliseconds()), "jobs-ms")
	started = time.Now()
	for after := queue.ID(0); ; {
		items, err := s.Scan(ctx, after, 1000)
		if err != nil {
			b.Fatal(err)
		}
		if len(items) == 0 {
			break
		}
		after = items[len(items)-1].ID
	}
	b.ReportMetric(float64(time.Since(started).Milliseconds()), "scan-ms")
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// putDeferred stores messages from number from to before to, each deferred once.
func putDeferred(s *Store, from, to int) error {
	text := bytes.Repeat([]byte("0123456789abcde\n"), 256)
	puts, updates := &queue.Batch{}, &queue.Batch{}
	for n := from; n < to; n++ {
		it := testItem(n)
		it.Recipients[0].Destination = fmt.Sprintf("d%d.example", n%1000)
		body, err := s.NewBody(ctx)
		if err != nil {
			return err
		}
		body.Write(text)
		puts.Put = append(puts.Put, queue.Put{Item: it, Body: body})
	}
	if err := s.Commit(ctx, puts); err != nil {
		return err
	}
	for _, p := range puts.Put {
		key := queue.JobKey{ID: p.Item.ID, Destination: p.Item.Recipients[0].Destination}
		it, token, err := s.Claim(ctx, "bench", key)
		if err != nil {
			return err
		}
		r := it.Recipients[0]
		r.Attempts, r.Last = 1, queue.Outcome{Cause: "connection-refused", Status: "4.4.1", Host: "mx.example", Detail: "connect: connection refused"}
		updates.Update = append(updates.Update, queue.Update{Job: key, Token: token, Recipients: []queue.RecipientUpdate{{Recipient: r}}})
	}
	return s.Commit(ctx, updates)
}
