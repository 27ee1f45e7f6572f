package watch

import "container/heap"

// dueServers is a heap of the servers that wait for their trial, the next one first.
type dueServers []*server

func (d *dueServers) add(s *server) { heap.Push(d, s) }

// remove takes a server out if it is there.
func (d *dueServers) remove(s *server) {
	if s.place != outside {
		heap.Remove(d, s.place)
	}
}

// Len implements [heap.Interface].
func (d dueServers) Len() int { return len(d) }

// Less implements [heap.Interface]. Of those that wait for the same moment, the first is who waits the longest.
func (d dueServers) Less(i, j int) bool {
	if d[i].at.Equal(d[j].at) {
		return d[i].since.Before(d[j].since)
	}
	return d[i].at.Before(d[j].at)
}

// Swap implements [heap.Interface].
func (d dueServers) Swap(i, j int) {
	d[i], d[j] = d[j], d[i]
	d[i].place, d[j].place = i, j
}

// Push implements [heap.Interface].
func (d *dueServers) Push(s any) {
	s.(*server).place = len(*d)
	*d = append(*d, s.(*server))
}

// Pop implements [heap.Interface].
func (d *dueServers) Pop() any {
	all := *d
	last := all[len(all)-1]
	all[len(all)-1] = nil
	*d = all[:len(all)-1]
	last.place = outside
	return last
}
