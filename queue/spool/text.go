package spool

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"tlsrelay/queue"
)

var errTextCRC = errors.New("the text's checksum is wrong")

// Open implements [queue.Store]. The reader has the file open: it may be read to the end although the message is done
// meanwhile and the file unlinked, or the store closed. Content that is not what was stored ends in an error instead of
// io.EOF.
func (s *Store) Open(ctx context.Context, id queue.ID) (io.ReadCloser, error) {
	if err := s.usable(ctx); err != nil {
		return nil, err
	}
	for {
		s.mu.RLock()
		v, there := s.look(id)
		s.mu.RUnlock()
		if !there {
			return nil, goneError(id)
		}
		r, err := s.openText(&v)
		if err == nil {
			return r, nil
		}
		s.mu.RLock()
		same := s.same(&v)
		s.mu.RUnlock()
		if same {
			return nil, fmt.Errorf("spool: the text of message %s: %w", id, err)
		}
	}
}

func (s *Store) openText(v *view) (io.ReadCloser, error) {
	accept, err := s.readRecord(v.accept, recAccept, v.id)
	if err != nil {
		return nil, err
	}
	r := &reader{id: v.id, text: accept.text}
	if accept.text.file != 0 {
		f, err := s.dir.Open(textName(accept.text.file))
		if err != nil {
			return nil, err
		}
		r.file, r.name, r.close = f, textName(accept.text.file), f.Close
		return r, nil
	}
	h, err := s.files.get(v.accept.seg)
	if err != nil {
		return nil, err
	}
	r.file, r.name, r.off = h, segmentName(v.accept.seg), int64(v.accept.off)+int64(v.size)-accept.text.size
	r.close = func() error { s.files.put(h); return nil }
	return r, nil
}

// reader reads one text.
type reader struct {
	file  io.ReaderAt
	name  string
	id    queue.ID
	text  text
	off   int64 // in the file
	done  int64 // bytes read
	crc   uint32
	close func() error // nil: closed
}

// Read implements [io.Reader].
func (r *reader) Read(p []byte) (int, error) {
	left := r.text.size - r.done
	if left == 0 {
		if r.crc != r.text.crc {
			return 0, r.error(errTextCRC)
		}
		return 0, io.EOF
	}
	if int64(len(p)) > left {
		p = p[:left]
	}
	n, err := r.file.ReadAt(p, r.off+r.done)
	r.done += int64(n)
	r.crc = crc32.Update(r.crc, crcTable, p[:n])
	switch {
	case n == len(p):
		return n, nil
	case err == io.EOF:
		err = io.ErrUnexpectedEOF
	}
	return n, r.error(err)
}

func (r *reader) error(err error) error {
	return fmt.Errorf("spool: the text of message %s in %s at %d: %w", r.id, r.name, r.off, err)
}

// Close implements [io.Closer]. A second call does nothing.
func (r *reader) Close() error {
	if r.close == nil {
		return nil
	}
	err := r.close()
	r.close = nil
	return err
}
