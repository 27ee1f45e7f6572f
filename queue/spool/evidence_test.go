package spool

import (
	"bytes"
	"encoding/hex"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tlsrelay/queue"
)

func TestEvidenceIsStoredOnce(t *testing.T) {
	one := fullItem().Recipients[1].Evidence
	equal := slices.Clone(one)
	recipient := func(e []queue.Evidence) queue.RecipientUpdate {
		return queue.RecipientUpdate{Recipient: queue.Recipient{Evidence: e}}
	}
	without := appendState(nil, 1, []queue.RecipientUpdate{recipient(nil), recipient(nil), recipient(nil), recipient(nil)})
	single := appendState(nil, 1, []queue.RecipientUpdate{recipient(one), recipient(nil), recipient(nil), recipient(nil)})
	b := appendState(nil, 1, []queue.RecipientUpdate{recipient(one), recipient(nil), recipient(equal), recipient(one)})
	if len(b) != len(single) || len(without) >= len(single) {
		t.Errorf("%d bytes, %d with evidence once, %d without", len(b), len(single), len(without))
	}
	r, err := parseRecord(b)
	if err != nil {
		t.Fatal(err)
	}
	first := r.changes[0].recipient.Evidence
	for _, i := range []int{2, 3} {
		if e := r.changes[i].recipient.Evidence; len(e) != len(one) || &e[0] != &first[0] {
			t.Errorf("recipient %d has a copy of its own", i)
		}
	}
	if r.changes[1].recipient.Evidence != nil {
		t.Error("evidence from nowhere")
	}
}

func TestEvidenceDamaged(t *testing.T) {
	for name, payload := range map[string][]byte{
		"the same as nothing":    {flagSame},
		"anew and the same":      {flagEvidence | flagSame},
		"none, said with a bit":  {flagEvidence, 0},
		"more than there is":     {flagEvidence, 100},
		"neither proven nor not": append([]byte{flagEvidence, 1, 2}, make([]byte, 20)...),
	} {
		d := decoder{s: string(payload[1:])}
		if d.evidence(payload[0], &evidence{}); !d.bad {
			t.Errorf("%s: no error", name)
		}
	}
	d := decoder{s: string(append([]byte{1}, make([]byte, minEvidence)...))}
	if e := d.evidence(flagEvidence, &evidence{}); d.bad || len(e) != 1 || len(d.s) != 0 {
		t.Errorf("the smallest: %+v, %d bytes left", e, len(d.s))
	}
}

// What was stored when there was no evidence yet is read as it was.
func TestRecordWithoutEvidence(t *testing.T) {
	old, err := hex.DecodeString("03070000000000000000140b6140612e6578616d706c650080a9a19a0d0080fbc09a0d00000000020b6240622e6578616d70" +
		"6c6509622e6578616d706c6500001c04a0e1a19a0d00040b746c732d76657273696f6e05342e372e3500000000000000000003312e3280a9a19a0d0080a9a1" +
		"9a0d000b6340632e6578616d706c6509632e6578616d706c650000000080a9a19a0d00")
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	want := queue.Item{ID: 7, Sender: "a@a.example", Size: 10, Arrived: at, Expires: at.Add(72 * time.Hour), Recipients: []queue.Recipient{
		{Address: "b@b.example", Destination: "b.example", Attempts: 2, NextAttempt: at.Add(time.Hour), DelayTold: true, TLSFailed: true,
			Last: queue.Outcome{Cause: "tls-version", Status: "4.7.5", TLS: queue.TLSFacts{Floor: "1.2", Broken: true}, Start: at, End: at}},
		{Address: "c@c.example", Destination: "c.example", NextAttempt: at},
	}}
	got, err := decodeItem(old)
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if again := encodeItem(&want); !bytes.Equal(again, old) {
		t.Errorf("mail without evidence is stored in another way now: %x", again)
	}
}
