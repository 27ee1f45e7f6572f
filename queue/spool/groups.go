package spool

// groups holds the slots of messages with more or fewer recipients than one, by number. Number 0 is never given.
type groups struct {
	slots [][]slot
	free  []uint32
}

func (g *groups) add(s []slot) uint32 {
	if n := len(g.free); n > 0 {
		number := g.free[n-1]
		g.free = g.free[:n-1]
		g.slots[number-1] = s
		return number
	}
	g.slots = append(g.slots, s)
	return uint32(len(g.slots))
}

func (g *groups) get(number uint32) []slot { return g.slots[number-1] }

func (g *groups) remove(number uint32) {
	g.slots[number-1] = nil
	g.free = append(g.free, number)
}

// names keeps each destination once, however many recipients have it.
type names struct {
	numbers map[string]uint32
	names   []name
	free    []uint32
}

type name struct {
	text string
	uses int
}

// use gives the number of a destination, and counts one more use.
func (n *names) use(text string) uint32 {
	number, known := n.numbers[text]
	if !known {
		if n.numbers == nil {
			n.numbers = make(map[string]uint32)
		}
		text = string([]byte(text)) // of its own: not a piece of something larger
		if last := len(n.free) - 1; last >= 0 {
			number = n.free[last]
			n.free = n.free[:last]
			n.names[number] = name{text: text}
		} else {
			number = uint32(len(n.names))
			n.names = append(n.names, name{text: text})
		}
		n.numbers[text] = number
	}
	n.names[number].uses++
	return number
}

func (n *names) text(number uint32) string { return n.names[number].text }

// drop counts one use less.
func (n *names) drop(number uint32) {
	if n.names[number].uses--; n.names[number].uses == 0 {
		delete(n.numbers, n.names[number].text)
		n.names[number] = name{}
		n.free = append(n.free, number)
	}
}
