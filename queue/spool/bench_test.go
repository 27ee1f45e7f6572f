package spool

import (
	"bytes"
	"fmt"
	"sync/atomic"
	"testing"

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
