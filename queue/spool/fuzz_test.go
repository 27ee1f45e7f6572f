package spool

import (
	"errors"
	"hash/crc32"
	"io"
	"testing"

	"tlsrelay/queue"
)

// FuzzRecover starts on a segment with arbitrary bytes: behind its header, in the records of an otherwise good frame
// and, if whole, in place of everything. The start must succeed, and what it shows must be readable and stay.
func FuzzRecover(f *testing.F) {
	it := testItem(1)
	enc := encodeItem(&it)
	accept := appendAccept(nil, enc, 4, crc32.Checksum([]byte("text"), crcTable))
	state := appendState(nil, 1, []queue.RecipientUpdate{{Index: 0, Recipient: it.Recipients[0]}})
	f.Add(accept, []byte("text"), []byte{}, false)
	f.Add(append(accept, state...), []byte("text"), []byte("torn"), false)
	f.Add(appendEnd(accept, recDone, 1), []byte("text"), sealed(marker{1}, accept, 4), false)
	f.Add([]byte{recState, 1, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x7f}, []byte{}, []byte{1, 0, 0}, false)
	f.Add([]byte{}, []byte{}, header{seq: 1}.encode(), true)
	f.Fuzz(func(t *testing.T, meta, bodies, rest []byte, whole bool) {
		m := newMemFS(1 << 20)
		data := header{seq: 1, marker: marker{1}}.encode()
		data = append(data, sealed(marker{1}, meta, len(bodies))...)
		data = append(append(data, bodies...), rest...)
		if whole {
			data = rest
		}
		m.names[segmentName(1)] = &memFile{data: data}
		first := recovered(t, m)
		if second := recovered(t, m); second != first {
			t.Fatalf("%d messages, after another start %d", first, second)
		}
	})
}

func sealed(m marker, meta []byte, bodies int) []byte {
	frame := append(make([]byte, frameHead), meta...)
	sealFrame(frame, m, int64(bodies))
	return frame
}

// recovered opens the store, reads all there is and counts the messages.
func recovered(t *testing.T, m *memFS) int {
	s, err := Open("mem", m.opts)
	if errors.Is(err, errVersion) {
		t.Skip()
	}
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	items, err := s.Scan(ctx, 0, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	for _, it := range items {
		r, err := s.Open(ctx, it.ID)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, r); err != nil {
			t.Fatal(err)
		}
	}
	return len(items)
}
