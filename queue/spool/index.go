package spool

import (
	"slices"
	"sort"
	"time"

	"tlsrelay/queue"
)

// place is where a record begins. The zero place is none.
type place struct {
	seg uint32 // number of the segment
	off uint32 // in its file
}

// entry is what the index knows of one message: 48 bytes without a pointer, so that a million of them cost neither much
// memory nor any work of the garbage collector.
type entry struct {
	id     queue.ID
	accept place  // of its ACCEPT record
	size   uint32 // bytes of that record, and of the text behind it
	group  uint32 // of the slots of its recipients; 0: there is one recipient, and only is its slot
	only   [1]slot
}

// slot is what the index knows of one recipient.
type slot struct {
	due         int64 // nanoseconds since 1970
	state       place // of its latest STATE record; none: as in the ACCEPT
	destination uint32
	weight      uint32 // its share of the bytes of that STATE record, and doneBit
}

const doneBit = 1 << 31

func (s *slot) done() bool    { return s.weight&doneBit != 0 }
func (s *slot) bytes() uint32 { return s.weight &^ doneBit }

func (s *slot) set(due int64, done bool, state place, bytes uint32) {
	s.due, s.state, s.weight = due, state, bytes&^doneBit
	if done {
		s.weight |= doneBit
	}
}

// amend brings r to what the slot says. They differ when a STATE record was damaged.
func (s *slot) amend(r *queue.Recipient) {
	if s.done() && !r.State.Done() {
		r.State = queue.Delivered
	}
	if s.due != dueTime(r.NextAttempt) {
		r.NextAttempt = time.Unix(0, s.due).UTC()
	}
}

// blockMax is the most entries a block of the index holds.
const blockMax = 512

// index holds entries in order of ID, in blocks of up to blockMax. IDs mostly rise, so that most insertions append.
type index struct {
	blocks [][]entry
	count  int
	groups groups
	names  names
}

// find gives the block for id and the position in it: where id stands, or where it would go.
func (x *index) find(id queue.ID) (bi, pos int, found bool) {
	bi = sort.Search(len(x.blocks), func(i int) bool { return x.blocks[i][len(x.blocks[i])-1].id >= id })
	if bi == len(x.blocks) {
		if bi == 0 {
			return 0, 0, false
		}
		return bi - 1, len(x.blocks[bi-1]), false // above all: the end of the last block
	}
	b := x.blocks[bi]
	pos = sort.Search(len(b), func(i int) bool { return b[i].id >= id })
	return bi, pos, b[pos].id == id
}

// get gives the entry of id, nil if there is none. It stays valid until the next insertion or removal.
func (x *index) get(id queue.ID) *entry {
	if bi, pos, found := x.find(id); found {
		return &x.blocks[bi][pos]
	}
	return nil
}

// insert adds e, whose ID is not there.
func (x *index) insert(e entry) {
	bi, pos, _ := x.find(e.id)
	x.count++
	if bi == len(x.blocks) {
		x.blocks = append(x.blocks, make([]entry, 0, blockMax))
	}
	if len(x.blocks[bi]) == blockMax {
		bi, pos = x.split(bi, pos)
	}
	x.blocks[bi] = slices.Insert(x.blocks[bi], pos, e)
}

// split makes room in the full block bi for an insertion at pos. A block that grows at its end stays full; any other
// is halved.
func (x *index) split(bi, pos int) (int, int) {
	b := x.blocks[bi]
	at := blockMax / 2
	if pos == blockMax {
		at = blockMax
	}
	upper := append(make([]entry, 0, blockMax), b[at:]...)
	x.blocks[bi] = b[:at]
	x.blocks = slices.Insert(x.blocks, bi+1, upper)
	if pos < at {
		return bi, pos
	}
	return bi + 1, pos - at
}

// remove takes the entry of id out. Group and names are the caller's to give back.
func (x *index) remove(id queue.ID) {
	bi, pos, found := x.find(id)
	if !found {
		return
	}
	x.count--
	x.blocks[bi] = slices.Delete(x.blocks[bi], pos, pos+1)
	if len(x.blocks[bi]) == 0 {
		x.blocks = slices.Delete(x.blocks, bi, bi+1)
		return
	}
	x.join(bi)
	x.join(bi - 1)
}

// join makes one block of block bi and the next if they are small, so that few entries do not hold many blocks.
func (x *index) join(bi int) {
	if bi < 0 || bi+1 >= len(x.blocks) || len(x.blocks[bi])+len(x.blocks[bi+1]) > blockMax*3/4 {
		return
	}
	x.blocks[bi] = append(x.blocks[bi], x.blocks[bi+1]...)
	x.blocks = slices.Delete(x.blocks, bi+1, bi+2)
}

// after calls visit for up to n entries with IDs above id, in order.
func (x *index) after(id queue.ID, n int, visit func(*entry)) {
	bi, pos, found := x.find(id)
	if found {
		pos++
	}
	for ; bi < len(x.blocks); bi, pos = bi+1, 0 {
		for ; pos < len(x.blocks[bi]); pos++ {
			if n--; n < 0 {
				return
			}
			visit(&x.blocks[bi][pos])
		}
	}
}

// slots gives the slots of a message's recipients, in their order, for reading and changing in place.
func (x *index) slots(e *entry) []slot {
	if e.group != 0 {
		return x.groups.get(e.group)
	}
	return e.only[:]
}
