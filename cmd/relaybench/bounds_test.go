//go:build linux

package main

import (
	"fmt"
	"testing"
)

func TestRatioAtMost(t *testing.T) {
	for _, c := range []struct {
		ratio, bound float64
		want         string
	}{
		{1.4, 1.5, "<nil>"},
		{1.6, 1.5, "the ratio: 1.60, more than 1.50"},
		{1.6, 0, "<nil>"},
		{0, 0, "<nil>"},
		{0, 1.5, "the ratio: too short to be measured; send more messages"},
	} {
		if got := fmt.Sprint(ratioAtMost("the ratio", c.ratio, c.bound)); got != c.want {
			t.Errorf("%v, at most %v: %s, want %s", c.ratio, c.bound, got, c.want)
		}
	}
}
