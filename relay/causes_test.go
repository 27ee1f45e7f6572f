package relay

import (
	"slices"
	"strings"
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
	for _, c := range tlspolicy.Causes() {
		if configs.IsFinal(c.Key) {
			t.Errorf("configs says that mail does not wait for %s", c.Key)
		}
	}
	for _, c := range queue.Causes() {
		final := strings.HasPrefix(c.Status, "5") || c == queue.RemotePermanent
		if configs.IsFinal(c.Key) != final {
			t.Errorf("%s (%s): configs says %v", c.Key, c.Status, !final)
		}
	}
}
