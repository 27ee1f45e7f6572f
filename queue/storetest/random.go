package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tlsrelay/queue"
)

// RunRandom takes random steps on a store and in a simple model of it, with clean stops and power cuts between and within
// them, and compares the two. Each seed is a course of its own; a failure names it.
func RunRandom(t *testing.T, machine func(t *testing.T) Machine, seeds, steps int) {
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			w := newWalk(t, machine(t), seed, 0)
			w.alone = true
			w.open()
			for w.step = range steps {
				w.next()
			}
			w.cut()
			if err := w.store.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// newWalk begins a course; number tells those on one store apart.
func newWalk(t *testing.T, m Machine, seed, number int) *walk {
	return &walk{T: t, machine: m, dice: rand.New(rand.NewPCG(uint64(seed), uint64(42+number))), numbers: number << 20,
		model: make(map[queue.ID]*modelled)}
}

// walk is one course of random steps.
type walk struct {
	*testing.T
	machine Machine
	store   queue.Store
	dice    *rand.Rand
	model   map[queue.ID]*modelled
	numbers int // of messages so far
	step    int
	doomed  bool // the power will go within a commit to come
	faulty  bool // a few operations of the disk to come will fail

	alone   bool   // no other walks on the same store
	stopped bool   // a commit was refused: not alone, the walk waits for the power to come back
	doubt   func() // what the model is to become if that commit happened all the same
}

// modelled is what the model has of a message.
type modelled struct {
	item queue.Item
	text []byte
}

func (w *walk) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatalf("step %d: %v", w.step, err)
	}
}

func (w *walk) open() {
	w.Helper()
	var err error
	w.store, err = w.machine.Open()
	w.must(err)
}

func (w *walk) reopen() {
	w.Helper()
	w.must(w.store.Close())
	w.open()
}

// next takes one step.
func (w *walk) next() {
	switch n := w.dice.IntN(100); {
	case n < 35:
		w.put()
	case n < 75:
		w.attempt()
	case n < 78:
		w.remove()
	case n < 81:
		w.bulk()
	case n < 86:
		w.claimAndRelease()
	case !w.alone:
		w.look()
	case n < 92:
		w.compare()
	case n < 94 && !w.doomed:
		w.heal()
		w.reopen()
		w.compare()
	case n < 96:
		w.cut()
	case n < 98 && !w.doomed:
		w.doomed, w.faulty = true, false
		w.machine.Fail(w.machine.Ops()+w.dice.IntN(12), -1, errPower)
	case !w.doomed:
		w.faulty = true
		fault := []error{syscall.EIO, syscall.ENOSPC}[w.dice.IntN(2)]
		times := 1 + w.dice.IntN(4)
		if w.dice.IntN(2) == 0 {
			times = -1 // until somebody mends it
		}
		w.machine.Fail(w.machine.Ops()+w.dice.IntN(12), times, fault)
	}
}

// heal ends the disk's faults.
func (w *walk) heal() {
	if w.faulty {
		w.faulty = false
		w.machine.Fail(0, 0, nil)
	}
}

// look reads one message.
func (w *walk) look() {
	m := w.pick()
	if m == nil {
		return
	}
	got, err := w.store.Get(ctx, m.item.ID)
	w.must(err)
	if diff := cmp.Diff(m.item, got); diff != "" {
		w.Fatalf("step %d: item (-want +got):\n%s", w.step, diff)
	}
	if text, err := readMail(w.store, m.item.ID); err != nil || !bytes.Equal(text, m.text) {
		w.Fatalf("step %d: message %s: %d bytes of text, %v, want %d", w.step, m.item.ID, len(text), err, len(m.text))
	}
}

// cut has the power go between two steps: what was acknowledged is found again, whatever the disk kept of the rest.
func (w *walk) cut() {
	w.Helper()
	w.machine.PowerCut(Keep(w.dice.IntN(3)))
	w.store.Close()
	w.doomed, w.faulty = false, false
	w.open()
	w.compare()
}

// commit commits b and brings the model to what the store then has: after, or before if the commit was refused and is not
// found after a new start. A fault of the disk refuses a commit for good. Bodies of the batch that were not used are discarded.
func (w *walk) commit(b *queue.Batch, after func()) {
	w.Helper()
	err := w.store.Commit(ctx, b)
	for _, p := range b.Put {
		p.Body.Discard()
	}
	switch {
	case err == nil:
		after()
		return
	case !w.alone:
		w.powerless(err)
		w.stopped, w.doubt = true, after
		return
	case w.faulty && w.dice.IntN(2) == 0:
		w.recoverFault(b)
		return
	case w.faulty: // the process ends, as the disk is
		w.store.Close()
		w.heal()
	case w.doomed:
		w.machine.PowerCut(Keep(w.dice.IntN(3)))
		w.store.Close()
		w.doomed = false
	default:
		w.Fatalf("step %d: %v", w.step, err)
	}
	w.open()
	if before := w.difference(); before != "" {
		after() // it happened although nobody was told
	}
	w.compare()
}

// powerless checks that an error comes from the power cut, the only fault that walks at once meet.
func (w *walk) powerless(err error) {
	if !errors.Is(err, errPower) {
		w.Errorf("step %d: %v", w.step, err)
	}
}

// recoverFault checks that the store goes on after it refused b.
func (w *walk) recoverFault(b *queue.Batch) {
	w.heal()
	for _, u := range b.Update {
		w.must(w.store.Release(ctx, u.Job, u.Token))
	}
	w.compare()
	w.put() // from now on the refused batch cannot come back
}

func (w *walk) newMessage() (queue.Item, []byte) {
	w.numbers++
	size := w.dice.IntN(600)
	if w.dice.IntN(8) == 0 {
		size = w.dice.IntN(5000)
	}
	var destinations []string
	for range 1 + w.dice.IntN(3)*w.dice.IntN(2) {
		destinations = append(destinations, fmt.Sprintf("d%d.example", w.dice.IntN(5)))
	}
	return mail(w.numbers, size, destinations...)
}

func (w *walk) put() {
	it, text := w.newMessage()
	body, err := writeBody(w.store, text)
	if err != nil {
		if body != nil {
			body.Discard()
		}
		w.noText(err)
		return
	}
	w.commit(&queue.Batch{Put: []queue.Put{{Item: it, Body: body}}}, func() { w.model[it.ID] = &modelled{it, text} })
}

// noText deals with a text that could not be written.
func (w *walk) noText(err error) {
	switch {
	case !w.alone:
		w.powerless(err)
		w.stopped, w.doubt = true, func() {}
	case w.faulty:
		w.recoverFault(&queue.Batch{})
	case w.doomed:
		w.cut()
	default:
		w.Fatalf("step %d: %v", w.step, err)
	}
}

// pick gives a message by chance, nil if there is none.
func (w *walk) pick() *modelled {
	ids := w.ids()
	if len(ids) == 0 {
		return nil
	}
	if w.dice.IntN(2) == 0 { // often a recent one, so that some grow old
		ids = ids[len(ids)-min(len(ids), 5):]
	}
	return w.model[ids[w.dice.IntN(len(ids))]]
}

func (w *walk) ids() []queue.ID {
	var ids []queue.ID
	for id := range w.model {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// attempt brings a job of some message forward: deferred, delivered, or given up with a notice in the same batch.
func (w *walk) attempt() {
	m := w.pick()
	if m == nil {
		return
	}
	waiting := slices.DeleteFunc(slices.Clone(m.item.Recipients), func(r queue.Recipient) bool { return r.State.Done() })
	key := queue.JobKey{ID: m.item.ID, Destination: waiting[w.dice.IntN(len(waiting))].Destination}
	got, token, err := w.store.Claim(ctx, "test", key)
	w.must(err)
	if diff := cmp.Diff(m.item, got); diff != "" {
		w.Fatalf("step %d: claimed item (-want +got):\n%s", w.step, diff)
	}
	next := m.item.Clone()
	u := queue.Update{Job: key, Token: token}
	change := []func(queue.Recipient) queue.Recipient{deferred, deferred, delivered}[w.dice.IntN(3)]
	seen := w.evidence()
	for _, i := range m.item.Pending(key.Destination) {
		if w.dice.IntN(4) > 0 || len(u.Recipients) == 0 {
			next.Recipients[i] = change(next.Recipients[i])
			if w.dice.IntN(8) > 0 { // those tried together have it in common
				next.Recipients[i].Evidence = seen
			}
			u.Recipients = append(u.Recipients, queue.RecipientUpdate{Index: i, Recipient: next.Recipients[i]})
		}
	}
	batch := &queue.Batch{Update: []queue.Update{u}}
	after := func() {
		m.item = next
		if next.Done() {
			delete(w.model, next.ID)
		}
	}
	if w.dice.IntN(6) == 0 && !w.doomed && !w.faulty && w.alone {
		notice, text := w.newMessage()
		body, err := writeBody(w.store, text)
		w.must(err)
		batch.Put = []queue.Put{{Item: notice, Body: body}}
		w.commit(batch, func() { after(); w.model[notice.ID] = &modelled{notice, text} })
		return
	}
	w.commit(batch, after)
}

// evidence is what some attempts saw, often nothing.
func (w *walk) evidence() []queue.Evidence {
	var all []queue.Evidence
	since := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	for n := range w.dice.IntN(4) * w.dice.IntN(2) {
		e := evidence(fmt.Sprintf("mx%d.example", n), since.Add(time.Duration(w.dice.IntN(1e6))*time.Second))
		if w.dice.IntN(2) == 0 { // not probed
			e.Probed, e.Certificate, e.Proven = time.Time{}, queue.CertificateFacts{}, false
		}
		all = append(all, e)
	}
	return all
}

func (w *walk) remove() {
	if m := w.pick(); m != nil {
		w.commit(&queue.Batch{Delete: []queue.ID{m.item.ID}}, func() { delete(w.model, m.item.ID) })
	}
}

// bulk puts some messages and deletes others in one batch, one of them twice, and some that are not there.
func (w *walk) bulk() {
	if w.doomed || w.faulty || !w.alone {
		return
	}
	batch := &queue.Batch{Delete: []queue.ID{queue.ID(1 + w.dice.IntN(1000))}}
	fresh := make(map[queue.ID]*modelled)
	for range w.dice.IntN(5) {
		it, text := w.newMessage()
		body, err := writeBody(w.store, text)
		w.must(err)
		batch.Put = append(batch.Put, queue.Put{Item: it, Body: body})
		fresh[it.ID] = &modelled{it, text}
		if w.dice.IntN(4) == 0 { // put and deleted at once
			batch.Delete = append(batch.Delete, it.ID)
		}
	}
	for range w.dice.IntN(4) {
		if m := w.pick(); m != nil {
			batch.Delete = append(batch.Delete, m.item.ID, m.item.ID)
		}
	}
	w.commit(batch, func() {
		maps.Copy(w.model, fresh)
		for _, id := range batch.Delete {
			delete(w.model, id)
		}
	})
}

func (w *walk) claimAndRelease() {
	m := w.pick()
	if m == nil {
		return
	}
	i := slices.IndexFunc(m.item.Recipients, func(r queue.Recipient) bool { return !r.State.Done() })
	_, token, err := w.store.Claim(ctx, "test", job(m.item, i))
	w.must(err)
	_, _, err = w.store.Claim(ctx, "test", job(m.item, i))
	if !errors.Is(err, queue.ErrClaimed) {
		w.Fatalf("step %d: a second claim: %v", w.step, err)
	}
	w.must(w.store.Release(ctx, job(m.item, i), token))
}

// compare fails if the store does not show what the model has.
func (w *walk) compare() {
	w.Helper()
	if diff := w.difference(); diff != "" {
		w.Fatalf("step %d: %s", w.step, diff)
	}
}

// difference says in what the store differs from the model, "" if in nothing.
func (w *walk) difference() string {
	w.Helper()
	items, err := scanAll(w.store, 1+w.dice.IntN(30))
	w.must(err)
	if diff := w.itemsDifference(items); diff != "" {
		return diff
	}
	return w.jobsDifference()
}

func (w *walk) itemsDifference(items []queue.Item) string {
	ids := w.ids()
	for i, it := range items {
		if i >= len(ids) || it.ID != ids[i] {
			return fmt.Sprintf("message %s is there and should not, or one before it is missing", it.ID)
		}
		m := w.model[it.ID]
		if !reflect.DeepEqual(m.item, it) {
			return fmt.Sprintf("message %s (-want +got):\n%s", it.ID, cmp.Diff(m.item, it))
		}
		if text, err := readMail(w.store, it.ID); err != nil || !bytes.Equal(text, m.text) {
			return fmt.Sprintf("message %s: %d bytes of text, %v, want %d", it.ID, len(text), err, len(m.text))
		}
	}
	if len(items) < len(ids) {
		return fmt.Sprintf("%d messages, want %d", len(items), len(ids))
	}
	return ""
}

func (w *walk) jobsDifference() string {
	got, err := allJobs(w.store, 1+w.dice.IntN(30))
	w.must(err)
	var want []queue.DueJob
	for _, id := range w.ids() {
		want = append(want, w.model[id].item.Jobs()...)
	}
	if reflect.DeepEqual(want, got) {
		return ""
	}
	return "jobs (-want +got):\n" + cmp.Diff(want, got)
}

// allJobs lists all jobs in pages.
func allJobs(s queue.Store, page int) ([]queue.DueJob, error) {
	var all []queue.DueJob
	for after := queue.ID(0); ; {
		jobs, last, err := s.Jobs(ctx, after, page)
		all = append(all, jobs...)
		if err != nil || last == 0 {
			return all, err
		}
		after = last
	}
}
