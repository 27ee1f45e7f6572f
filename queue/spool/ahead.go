package spool

// aheadSize is how many bytes are written ahead at a time, and smallGroup is what counts as a small group: large ones share
// the price of a sync among so many messages that zeros would cost more than they save.
const (
	aheadSize  = 256 << 10
	smallGroup = aheadSize / 8
)

// zeros is never written to, and takes no memory: all of it is the system's zero page.
var zeros [aheadSize]byte

// writeAhead puts zeros behind a small group that ends at end, unless there are some. A sync of bytes that were written before
// has only these to write; one that makes a file longer, or is the first in space taken in advance, must change what the file
// system knows of the file as well, and takes about twice as long.
func (s *Store) writeAhead(end, size int64) error {
	if size > smallGroup || end <= s.ahead {
		return nil
	}
	s.ahead = min(end+aheadSize, s.capacity)
	if s.ahead <= end {
		return nil
	}
	_, err := s.file.WriteAt(zeros[:s.ahead-end], end)
	return err
}
