package relay

import (
	"slices"
	"testing"

	"tlsrelay/configs"
	"tlsrelay/queue"
	"tlsrelay/tlspolicy"
)

// Package configs, which imports nothing of ours, has the causes written down once more.
func TestConfigKnowsAllCauses(t *testing.T) {
	var all []string
	for _, c := range tlspolicy.Causes() {
		all = append(all, c.Key)
	}
	for _, c := range queue.Causes() {
		all = append(all, c.Key)
	}
	known := configs.Causes()
	slices.Sort(all)
	slices.Sort(known)
	if !slices.Equal(all, known) {
		t.Errorf("configs has %v\nthere are   %v", known, all)
	}
}
