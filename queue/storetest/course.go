package storetest

import (
	"bytes"
	"reflect"
	"testing"

	"tlsrelay/queue"
)

// courseLength is how many messages one course stores.
const courseLength = 8

// course commits a fixed series of batches and keeps book of what the store must hold after each.
type course struct {
	t       *testing.T
	name    string
	refused int
	fates   map[queue.ID]*fate
	pairs   [][2]queue.ID // a message and the notice that replaces it in one batch
}

// fate is what may be found of one message.
type fate struct {
	text    []byte
	here    bool                      // as acknowledged
	doubt   bool                      // a batch that would change here was refused: it may have happened all the same
	item    queue.Item                // as acknowledged
	doubted map[int][]queue.Recipient // states that were refused, by index of the recipient
}

func newCourse(t *testing.T, name string) *course {
	return &course{t: t, name: name, fates: make(map[queue.ID]*fate)}
}

func (c *course) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatalf("%s: %v", c.name, err)
	}
}

func (c *course) open(m Machine) queue.Store {
	c.t.Helper()
	s, err := m.Open()
	c.must(err)
	return s
}

// run takes messages number first and following through different lives.
func (c *course) run(s queue.Store, first int) {
	for n := first; n < first+courseLength; n++ {
		it, text := mail(n, n%courseLength*350, "a.example", "b.example")
		if !c.put(s, it, text) {
			continue
		}
		switch n % 4 {
		case 0: // stays, one recipient deferred twice
			c.update(s, it.ID, 0, deferred)
			c.update(s, it.ID, 0, deferred)
		case 1: // done, one recipient after the other
			c.update(s, it.ID, 1, delivered)
			c.update(s, it.ID, 0, delivered)
		case 2: // replaced by a notice
			if c.update(s, it.ID, 0, delivered) {
				c.bounce(s, it.ID, 1, n)
			}
		case 3: // deleted
			c.update(s, it.ID, 1, deferred)
			c.delete(s, it.ID)
		}
	}
}

func (c *course) put(s queue.Store, it queue.Item, text []byte) bool {
	f := &fate{text: text, item: it, doubted: make(map[int][]queue.Recipient)}
	c.fates[it.ID] = f
	err := putMail(s, it, text)
	f.here, f.doubt = err == nil, err != nil
	c.count(err)
	return err == nil
}

func (c *course) count(err error) {
	if err != nil {
		c.refused++
	}
}

func (c *course) update(s queue.Store, id queue.ID, i int, next func(queue.Recipient) queue.Recipient) bool {
	done, _ := c.commitUpdate(s, id, i, next, nil)
	return done
}

// bounce gives up the last recipient and puts a notice in the same batch.
func (c *course) bounce(s queue.Store, id queue.ID, i, n int) {
	notice, text := mail(n+1000, 700, "example.org")
	f := &fate{text: text, item: notice, doubted: make(map[int][]queue.Recipient)}
	c.fates[notice.ID] = f
	body, err := writeBody(s, text)
	if err != nil {
		return
	}
	defer body.Discard()
	c.pairs = append(c.pairs, [2]queue.ID{id, notice.ID})
	f.here, f.doubt = c.commitUpdate(s, id, i, delivered, []queue.Put{{Item: notice, Body: body}})
}

// commitUpdate claims the job of recipient i and commits its next state together with puts. It reports whether that was
// acknowledged, and whether it was tried and refused.
func (c *course) commitUpdate(s queue.Store, id queue.ID, i int, next func(queue.Recipient) queue.Recipient,
	puts []queue.Put) (done, doubt bool) {
	f := c.fates[id]
	key := job(f.item, i)
	it, tok, err := s.Claim(ctx, "test", key)
	if err != nil {
		c.t.Fatalf("%s: claim %v: %v", c.name, key, err)
	}
	r := next(it.Recipients[i])
	it.Recipients[i] = r
	err = s.Commit(ctx, &queue.Batch{Put: puts, Update: []queue.Update{update(it, i, tok, r)}})
	c.count(err)
	if err != nil {
		c.must(s.Release(ctx, key, tok)) // a refused update leaves the claim
		f.doubted[i] = append(f.doubted[i], r)
		f.doubt = f.doubt || r.State.Done() // with this and a later update it may be the last one
		return false, true
	}
	f.item = it
	delete(f.doubted, i)
	if it.Done() {
		f.here, f.doubt = false, false
	}
	return true, false
}

func (c *course) delete(s queue.Store, id queue.ID) {
	err := s.Commit(ctx, &queue.Batch{Delete: []queue.ID{id}})
	c.count(err)
	c.fates[id].here, c.fates[id].doubt = err != nil, err != nil
}

// want checks that the store shows what it acknowledged and nothing else.
func (c *course) want(s queue.Store) {
	c.t.Helper()
	for id, found := range c.list(s) {
		f := c.fates[id]
		if f == nil || !f.here {
			c.t.Fatalf("%s: message %s is there and should not", c.name, id)
		}
		for i := range found.Recipients {
			if !reflect.DeepEqual(found.Recipients[i], f.item.Recipients[i]) {
				c.t.Fatalf("%s: message %s shows %+v, want %+v", c.name, id, found.Recipients[i], f.item.Recipients[i])
			}
		}
	}
	c.check(s)
}

// check checks what a start after a fault may find.
func (c *course) check(s queue.Store) {
	c.t.Helper()
	found := c.list(s)
	for id, f := range c.fates {
		it, here := found[id]
		if here != f.here && !f.doubt {
			c.t.Fatalf("%s: message %s: there is %v, want %v", c.name, id, here, f.here)
		}
		if !here {
			continue
		}
		text, err := readMail(s, id)
		c.must(err)
		if !bytes.Equal(text, f.text) {
			c.t.Fatalf("%s: message %s has another text", c.name, id)
		}
		for i, r := range it.Recipients {
			if !f.allows(i, r) {
				c.t.Fatalf("%s: message %s: recipient %d is %+v, acknowledged was %+v", c.name, id, i, r, f.item.Recipients[i])
			}
		}
	}
	for _, p := range c.pairs {
		_, original := found[p[0]]
		_, notice := found[p[1]]
		if original == notice {
			c.t.Fatalf("%s: message %s there %v, its notice there %v", c.name, p[0], original, notice)
		}
	}
}

// allows reports whether r is the acknowledged state of recipient i or one that was refused.
func (f *fate) allows(i int, r queue.Recipient) bool {
	for _, d := range f.doubted[i] {
		if reflect.DeepEqual(r, d) {
			return true
		}
	}
	return reflect.DeepEqual(r, f.item.Recipients[i])
}

func (c *course) list(s queue.Store) map[queue.ID]queue.Item {
	c.t.Helper()
	items, err := scanAll(s, 5)
	c.must(err)
	found := make(map[queue.ID]queue.Item)
	for _, it := range items {
		found[it.ID] = it
	}
	return found
}
