package spool

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"strings"
)

// A hint holds the digests of a sealed segment, so that a start needs not read the texts. It is never synced: one that is
// not whole is as good as none, and the segment itself is read.

const (
	hintMagic  = "TLRSHINT"
	hintSuffix = ".hint"
	hintTimes  = 3 // a hint is never so many times as long as its segment
)

func hintName(seq uint32) string {
	return strings.TrimSuffix(segmentName(seq), segmentSuffix) + hintSuffix
}

// hintSeq is the reverse of hintName.
func hintSeq(name string) (seq uint32, ok bool) {
	base, ok := strings.CutSuffix(name, hintSuffix)
	if !ok {
		return 0, false
	}
	return segmentSeq(base + segmentSuffix)
}

// encodeHint makes the content of the hint of g.
func encodeHint(g *segment) []byte {
	b := make([]byte, headerSize, headerSize+len(g.digests))
	copy(b, hintMagic)
	binary.LittleEndian.PutUint32(b[8:], segmentVersion)
	binary.LittleEndian.PutUint32(b[16:], g.seq)
	copy(b[24:], g.marker[:])
	binary.LittleEndian.PutUint64(b[32:], uint64(g.end))
	binary.LittleEndian.PutUint64(b[40:], uint64(len(g.digests)))
	binary.LittleEndian.PutUint32(b[56:], crc32.Checksum(g.digests, crcTable))
	binary.LittleEndian.PutUint32(b[60:], crc32.Checksum(b[:60], crcTable))
	return append(b, g.digests...)
}

var errHint = errors.New("the hint is damaged or of another segment")

// decodeHint gives the digests in a hint of g, and where g ends.
func decodeHint(b []byte, g *segment) (digests []byte, end int64, err error) {
	if len(b) < headerSize || string(b[:8]) != hintMagic || crc32.Checksum(b[:60], crcTable) != binary.LittleEndian.Uint32(b[60:]) ||
		binary.LittleEndian.Uint32(b[8:]) != segmentVersion || binary.LittleEndian.Uint32(b[16:]) != g.seq ||
		marker(b[24:32]) != g.marker {
		return nil, 0, errHint
	}
	digests = b[headerSize:]
	if uint64(len(digests)) != binary.LittleEndian.Uint64(b[40:]) ||
		crc32.Checksum(digests, crcTable) != binary.LittleEndian.Uint32(b[56:]) {
		return nil, 0, errHint
	}
	return digests, int64(binary.LittleEndian.Uint64(b[32:])), nil
}

// writeHints writes the hints that are missing.
func (s *Store) writeHints() {
	for _, g := range s.sealed() {
		s.mu.RLock()
		now := *g
		s.mu.RUnlock()
		if now.digests == nil || now.damaged || now.unreadable || now.unsure || now.empty() || s.quitting() {
			continue
		}
		if err := s.writeHint(&now); err != nil {
			s.log.Warn("spool: could not write a hint; the next start reads the whole segment", "file", g.name(), "error", err)
		}
		s.mu.Lock()
		g.digests = nil
		damaged := g.damaged
		s.mu.Unlock()
		if damaged { // found meanwhile
			s.dir.Remove(hintName(g.seq))
		}
	}
}

func (s *Store) writeHint(g *segment) error {
	name := hintName(g.seq)
	f, err := s.dir.Create(name)
	if errors.Is(err, fs.ErrExist) {
		if err = s.dir.Remove(name); err == nil {
			f, err = s.dir.Create(name)
		}
	}
	if err != nil {
		return err
	}
	_, err = f.WriteAt(encodeHint(g), 0)
	if err = errors.Join(err, f.Close()); err != nil {
		err = errors.Join(err, s.dir.Remove(name))
	}
	return err
}

// readHint gives the digests in the hint of g.
func readHint(dir Dir, g *segment) (digests []byte, end int64, err error) {
	f, err := dir.Open(hintName(g.seq))
	if err != nil {
		return nil, 0, err
	}
	defer f.Close()
	size, err := f.Size()
	if err == nil && size > hintTimes*max(g.size, g.end) {
		err = errHint
	}
	if err != nil {
		return nil, 0, err
	}
	b := make([]byte, size)
	if n, err := f.ReadAt(b, 0); int64(n) < size {
		return nil, 0, fmt.Errorf("%s: %w", hintName(g.seq), errors.Join(err, io.ErrUnexpectedEOF))
	}
	return decodeHint(b, g)
}

// eachDigest calls visit for each record of a sealed segment, in order.
func (s *Store) eachDigest(g *segment, visit func(*digest) error) error {
	s.mu.RLock()
	digests := g.digests
	s.mu.RUnlock()
	if digests == nil {
		var err error
		if digests, _, err = readHint(s.dir, g); err != nil {
			if digests, err = s.digestsFromSegment(g); err != nil {
				return err
			}
		}
	}
	return walkDigests(digests, visit)
}

func walkDigests(digests []byte, visit func(*digest) error) error {
	for d := (decoder{s: string(digests)}); len(d.s) > 0; {
		g := d.digest()
		if d.bad {
			return errHint
		}
		if err := visit(&g); err != nil {
			return err
		}
	}
	return nil
}

// digestsFromSegment reads the records of g itself.
func (s *Store) digestsFromSegment(g *segment) ([]byte, error) {
	h, err := s.files.get(g.seq)
	if err != nil {
		return nil, err
	}
	defer s.files.put(h)
	digests := []byte{}
	w := window{file: h, size: g.end}
	w.scan(g.marker, func(frame []digest) {
		for i := range frame {
			digests = appendDigest(digests, &frame[i])
		}
	}, func(region) {}) // damage was told of at the start
	return digests, nil
}
