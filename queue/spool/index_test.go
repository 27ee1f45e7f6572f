package spool

import (
	"math/rand/v2"
	"slices"
	"testing"

	"tlsrelay/queue"
)

// The index must do what a map and a sort do, whatever the order of insertions and removals.
func TestIndexAgainstMap(t *testing.T) {
	orders := map[string]func(i int, r *rand.Rand) queue.ID{
		"rising":  func(i int, _ *rand.Rand) queue.ID { return queue.ID(i + 1) },
		"falling": func(i int, _ *rand.Rand) queue.ID { return queue.ID(1e6 - i) },
		"random":  func(_ int, r *rand.Rand) queue.ID { return 1 + queue.ID(r.IntN(1e6)) },
		"few":     func(_ int, r *rand.Rand) queue.ID { return 1 + queue.ID(r.IntN(2000)) },
	}
	for name, next := range orders {
		t.Run(name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(1, 2))
			var x index
			model := make(map[queue.ID]entry)
			for i := range 6000 {
				e := entry{id: next(i, r), size: uint32(i)}
				if old := x.get(e.id); old != nil {
					*old = e
				} else {
					x.insert(e)
				}
				model[e.id] = e
				if i%3 == 0 {
					victim := next(r.IntN(i+1), r)
					x.remove(victim)
					delete(model, victim)
				}
				if i%1500 == 0 {
					compareIndex(t, &x, model)
				}
			}
			compareIndex(t, &x, model)
			for id := range model {
				x.remove(id)
			}
			compareIndex(t, &x, nil)
			if len(x.blocks) != 0 {
				t.Errorf("%d blocks are left of an empty index", len(x.blocks))
			}
		})
	}
}

func compareIndex(t *testing.T, x *index, model map[queue.ID]entry) {
	t.Helper()
	var ids []queue.ID
	for id := range model {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	if x.count != len(ids) {
		t.Fatalf("count %d, want %d", x.count, len(ids))
	}
	all := after(x, 0, len(ids)+1)
	if len(all) != len(ids) {
		t.Fatalf("%d entries listed, want %d", len(all), len(ids))
	}
	for i, id := range ids {
		if all[i] != model[id] || *x.get(id) != model[id] {
			t.Fatalf("entry %d is not that of ID %d", i, id)
		}
		if i%97 == 0 {
			if rest := after(x, id, 2); len(rest) != min(2, len(ids)-i-1) || len(rest) > 0 && rest[0] != all[i+1] {
				t.Fatalf("after %d: wrong entries", id)
			}
			if before := after(x, id-1, 1); before[0] != all[i] {
				t.Fatalf("after %d: not the next one", id-1)
			}
		}
	}
}

func after(x *index, id queue.ID, n int) (all []entry) {
	x.after(id, n, func(e *entry) { all = append(all, *e) })
	return all
}

func TestIndexBlocksStayFew(t *testing.T) {
	var x index
	for i := range 100 * blockMax {
		x.insert(entry{id: queue.ID(i + 1)})
	}
	if n := len(x.blocks); n != 100 {
		t.Errorf("%d blocks for rising IDs, want 100 full ones", n)
	}
	for i := range 100 * blockMax {
		if i%100 != 0 {
			x.remove(queue.ID(i + 1))
		}
	}
	if n := len(x.blocks); n > 10 {
		t.Errorf("%d blocks for %d entries", n, x.count)
	}
}
