package spool

import (
	"bytes"
	"errors"
	"io"
	"syscall"
	"testing"
)

func testWindow(data []byte, bad [2]int64) *window {
	m := newMemFS(0)
	h := &memHandle{&memDir{m, 0}, &memFile{data: data, bad: bad}, false}
	return &window{file: h, size: int64(len(data))}
}

// The next frame is found wherever it begins, also across the pieces in which the file is searched.
func TestFindMarker(t *testing.T) {
	mark := marker{1, 1, 2, 1, 1, 2, 1, 3}
	const piece = windowSize / 4
	for _, at := range []int64{0, 1, piece - 8, piece - 7, piece - 1, piece, windowSize - 3} {
		data := bytes.Repeat([]byte{1}, int(at)+frameHead)
		copy(data[at:], mark[:])
		if got, ok := testWindow(data, [2]int64{}).find(mark, 0); !ok || got != at {
			t.Errorf("marker at %d: found %v at %d", at, ok, got)
		}
		if got, ok := testWindow(data, [2]int64{}).find(mark, at+1); ok {
			t.Errorf("marker at %d: found again at %d", at, got)
		}
	}
}

func TestFindStepsOverBadSectors(t *testing.T) {
	mark := marker{7}
	data := make([]byte, 10*windowSize)
	copy(data[9*windowSize:], mark[:])
	w := testWindow(data, [2]int64{1000, 8 * windowSize})
	if at, ok := w.find(mark, 0); !ok || at != 9*windowSize || !w.faulty {
		t.Errorf("found %v at %d", ok, at)
	}
}

func TestWindowReads(t *testing.T) {
	data := make([]byte, 2*windowSize)
	for i := range data {
		data[i] = byte(i >> 8)
	}
	bad := int64(windowSize + 500)
	w := testWindow(data, [2]int64{bad, bad + 1})
	for _, off := range []int64{0, bad - 100, 50, windowSize - 10} { // what lies behind cannot be read: no matter
		if b, err := w.at(off, 100); err != nil || !bytes.Equal(b, data[off:off+100]) {
			t.Errorf("at %d: %v", off, err)
		}
	}
	if w.faulty {
		t.Error("faulty although all that was asked for was read")
	}
	if _, err := w.at(bad-1, 2); !errors.Is(err, syscall.EIO) || !w.faulty {
		t.Errorf("error %v", err)
	}
	if _, err := w.at(w.size-1, 2); err != io.ErrUnexpectedEOF {
		t.Errorf("behind the end: error %v", err)
	}
}
