package spool

// aheadSize is how many bytes are written ahead at a time, and smallGroup is what counts as a small group: a message or two.
// Larger ones share the price of a sync, and need not have their bytes written twice.
const (
	aheadSize  = 256 << 10
	smallGroup = 8 << 10
)

// zeros is one page. What is written at once the kernel may keep as one unit, all of which counts as changed, and is written
// again on some file systems, when a byte of it changes.
var zeros [4 << 10]byte

// writeAhead puts zeros behind a small group that ends at end, unless there are some. A sync of bytes that were written before
// has only these to write; one that makes a file longer, or is the first in space taken in advance, must change what the file
// system knows of the file as well, and takes about twice as long.
func (s *Store) writeAhead(end, size int64) error {
	if size > smallGroup || end <= s.ahead {
		return nil
	}
	const page = int64(len(zeros))
	for s.ahead = min(end+aheadSize, s.capacity); end < s.ahead; {
		next := min((end/page+1)*page, s.ahead)
		if _, err := s.file.WriteAt(zeros[:next-end], end); err != nil {
			return err
		}
		end = next
	}
	return nil
}
