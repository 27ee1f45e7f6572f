// Package storetest is the suite that every [queue.Store] must pass. [Run] checks the contract on a sound machine;
// [RunFaults] checks it on a machine whose disk fails and whose power goes.
package storetest

import (
	"testing"

	"tlsrelay/queue"
)

// Opener opens the store of one place. Called again after the store it gave was closed, it opens what that one kept.
type Opener func() (queue.Store, error)

// Run checks the contract of [queue.Store]. Each subtest takes a fresh, empty place.
func Run(t *testing.T, place func(t *testing.T) Opener) {
	for _, c := range []struct {
		name string
		test func(b *bench)
	}{
		{"PutGetOpen", testPutGetOpen},
		{"Bodies", testBodies},
		{"BodyLife", testBodyLife},
		{"NoAliases", testNoAliases},
		{"Reopen", testReopen},
		{"BatchIsAtomic", testBatchIsAtomic},
		{"BatchOfMany", testBatchOfMany},
		{"EndedContext", testEndedContext},
		{"Delete", testDelete},
		{"Closed", testClosed},
		{"Claim", testClaim},
		{"ClaimOfNothing", testClaimOfNothing},
		{"StaleToken", testStaleToken},
		{"UpdatesMerge", testUpdatesMerge},
		{"UpdateWithNotice", testUpdateWithNotice},
		{"DeleteWhileClaimed", testDeleteWhileClaimed},
		{"ScanPages", testScanPages},
		{"ScanShowsActive", testScanShowsActive},
		{"ReadWhileDone", testReadWhileDone},
		{"ManyClients", testManyClients},
		{"JobsOfOneItemAtOnce", testJobsOfOneItemAtOnce},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := &bench{T: t, opener: place(t)}
			b.open()
			t.Cleanup(func() { b.store.Close() })
			c.test(b)
		})
	}
}
