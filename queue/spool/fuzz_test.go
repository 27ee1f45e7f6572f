package spool

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"slices"
	"testing"

	"tlsrelay/queue"
)

// FuzzRecover starts on a segment with arbitrary bytes: behind its header, in the records of an otherwise good frame
// and, if whole, in place of everything. The start must succeed, and what it shows must be readable and stay.
func FuzzRecover(f *testing.F) {
	it := testItem(1)
	accept := appendAccept(nil, &it, text{size: 4, crc: crc32.Checksum([]byte("text"), crcTable)})
	state := appendState(nil, 1, []queue.RecipientUpdate{{Index: 0, Recipient: it.Recipients[0]}})
	seen := fullItem().Recipients[1]
	evidence := appendState(nil, 1, []queue.RecipientUpdate{{Index: 0, Recipient: seen}, {Index: 1, Recipient: seen}})
	whole := append(slices.Clone(accept), "text"...)
	f.Add(whole, []byte{}, false)
	f.Add(append(slices.Clone(whole), state...), []byte("torn"), false)
	f.Add(append(slices.Clone(whole), evidence...), []byte{}, false)
	f.Add(appendEnd(slices.Clone(whole), recDone, 1, nil), framed(marker{1}, whole), false)
	f.Add(closeRecord(append(openRecord(nil), 1, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0x7f), 0, recState), []byte{1, 0, 0}, false)
	f.Add([]byte{}, header{seq: 1}.encode(), true)
	f.Fuzz(func(t *testing.T, records, rest []byte, whole bool) {
		m := newMemFS(1 << 20)
		data := header{seq: 1, marker: marker{1}}.encode()
		data = append(append(data, framed(marker{1}, repaired(records))...), rest...)
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

// repaired makes the checksum of the first record good, so that what is in it is looked at.
func repaired(records []byte) []byte {
	if len(records) < recordHead {
		return records
	}
	b := slices.Clone(records)
	if _, n, err := recordLength(b); err == nil && n <= int64(len(b)-recordHead) {
		binary.LittleEndian.PutUint32(b, crc32.Checksum(b[4:recordHead+n], crcTable))
	}
	return b
}

func framed(m marker, records []byte) []byte {
	return append(appendFrameHead(nil, m, int64(len(records))), records...)
}

// FuzzHint starts with a hint of arbitrary content and a good checksum. Whatever it claims, the start succeeds, and a
// message that is not there as the hint says is not shown.
func FuzzHint(f *testing.F) {
	f.Add(appendDigest(nil, &digest{kind: recAccept, id: 1, off: headerSize + frameHead, size: 50, rcpts: []brief{{destination: "a.example"}}}))
	f.Add(appendDigest(nil, &digest{kind: recState, id: 1, rcpts: []brief{{index: 3, due: 7, done: true}}}))
	f.Add(appendDigest(nil, &digest{kind: recDone, id: 1, refs: []uint32{1, 2}}))
	f.Fuzz(func(t *testing.T, digests []byte) {
		m := newMemFS(1 << 20)
		good := &segment{seq: 1, marker: marker{1}, end: headerSize, digests: digests}
		m.names[segmentName(1)] = &memFile{data: append(header{seq: 1, marker: marker{1}}.encode(), digests...)}
		m.names[segmentName(2)] = &memFile{data: header{seq: 2, marker: marker{2}, prevSeq: 1, prevEnd: headerSize}.encode()}
		m.names[hintName(1)] = &memFile{data: encodeHint(good)}
		recovered(t, m)
	})
}

// recovered opens the store, reads all there is and counts the messages.
func recovered(t *testing.T, m *memFS) int {
	s, err := Open("mem", m.opts)
	if errors.Is(err, errNewer) || errors.Is(err, errOlder) {
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
