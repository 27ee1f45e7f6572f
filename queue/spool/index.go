package spool

import (
	"slices"

	"tlsrelay/queue"
)

// entry is what the index knows of one message. Once in the index it is never changed, only replaced, so that a reader
// may go on with it after unlocking.
type entry struct {
	id   queue.ID
	item []byte // as appendItem made it, with all changes since
	body place
}

// place says where a body lies on disk.
type place struct {
	seg  *segment
	off  int64 // in the segment's file
	size int64
	crc  uint32
}

// blockMax is the most entries a block of the index holds.
const blockMax = 512

// block is a run of entries in order of ID. The IDs stand apart so that a search touches few cache lines.
type block struct {
	ids     []queue.ID
	entries []*entry
}

// index holds entries in order of ID, in a list of blocks. IDs mostly rise, so that most insertions append.
type index struct {
	blocks []*block
	count  int
}

// find gives the block for id and the position in it: where id stands, or where it would go.
func (x *index) find(id queue.ID) (bi, pos int, found bool) {
	bi, found = slices.BinarySearchFunc(x.blocks, id, func(b *block, id queue.ID) int {
		switch {
		case b.ids[len(b.ids)-1] < id:
			return -1
		case b.ids[0] > id:
			return 1
		}
		return 0
	})
	if !found && bi == len(x.blocks) && bi > 0 {
		bi-- // above all: the end of the last block
	}
	if bi == len(x.blocks) {
		return bi, 0, false
	}
	pos, found = slices.BinarySearch(x.blocks[bi].ids, id)
	return bi, pos, found
}

// get gives the entry of id, nil if there is none.
func (x *index) get(id queue.ID) *entry {
	if bi, pos, found := x.find(id); found {
		return x.blocks[bi].entries[pos]
	}
	return nil
}

// set adds e or replaces the entry with its ID.
func (x *index) set(e *entry) {
	bi, pos, found := x.find(e.id)
	if found {
		x.blocks[bi].entries[pos] = e
		return
	}
	x.count++
	if bi == len(x.blocks) {
		x.blocks = append(x.blocks, &block{})
	}
	b := x.blocks[bi]
	if len(b.ids) == blockMax {
		b, pos = x.split(bi, pos)
	}
	b.ids = slices.Insert(b.ids, pos, e.id)
	b.entries = slices.Insert(b.entries, pos, e)
}

// split makes room in the full block bi for an insertion at pos. A block that grows at its end stays full; any other
// is halved.
func (x *index) split(bi, pos int) (*block, int) {
	b := x.blocks[bi]
	at := blockMax / 2
	if pos == blockMax {
		at = blockMax
	}
	upper := &block{
		ids:     append(make([]queue.ID, 0, blockMax), b.ids[at:]...),
		entries: append(make([]*entry, 0, blockMax), b.entries[at:]...),
	}
	clear(b.entries[at:])
	b.ids, b.entries = b.ids[:at], b.entries[:at]
	x.blocks = slices.Insert(x.blocks, bi+1, upper)
	if pos < at {
		return b, pos
	}
	return upper, pos - at
}

// remove takes the entry of id out.
func (x *index) remove(id queue.ID) {
	bi, pos, found := x.find(id)
	if !found {
		return
	}
	x.count--
	b := x.blocks[bi]
	b.ids = slices.Delete(b.ids, pos, pos+1)
	b.entries = slices.Delete(b.entries, pos, pos+1)
	if len(b.ids) == 0 {
		x.blocks = slices.Delete(x.blocks, bi, bi+1)
		return
	}
	x.join(bi)
	x.join(bi - 1)
}

// join makes one block of block bi and the next if they are small, so that few entries do not hold many blocks.
func (x *index) join(bi int) {
	if bi < 0 || bi+1 >= len(x.blocks) || len(x.blocks[bi].ids)+len(x.blocks[bi+1].ids) > blockMax/2 {
		return
	}
	b, next := x.blocks[bi], x.blocks[bi+1]
	b.ids = append(b.ids, next.ids...)
	b.entries = append(b.entries, next.entries...)
	x.blocks = slices.Delete(x.blocks, bi+1, bi+2)
}

// after gives up to n entries with IDs above id, in order.
func (x *index) after(id queue.ID, n int) []*entry {
	var out []*entry
	bi, pos, found := x.find(id)
	if found {
		pos++
	}
	for ; bi < len(x.blocks) && len(out) < n; bi, pos = bi+1, 0 {
		rest := x.blocks[bi].entries[pos:]
		out = append(out, rest[:min(len(rest), n-len(out))]...)
	}
	return out
}
