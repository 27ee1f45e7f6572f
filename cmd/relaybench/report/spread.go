// Package report sums up what was measured: medians with their spread, ratios, and tables for people.
package report

import (
	"fmt"
	"math"
	"slices"
	"strconv"
)

// Spread is what several rounds gave: the middle one and the extremes.
type Spread struct {
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
}

// SpreadOf sums up values; without any all is zero.
func SpreadOf(values ...float64) Spread {
	if len(values) == 0 {
		return Spread{}
	}
	v := slices.Sorted(slices.Values(values))
	middle := v[len(v)/2]
	if len(v)%2 == 0 {
		middle = (v[len(v)/2-1] + middle) / 2
	}
	return Spread{middle, v[0], v[len(v)-1]}
}

// Ratio divides round by round, since what disturbs a machine disturbs the two runs of a round alike. Rounds whose b is zero
// are left out.
func Ratio(a, b []float64) Spread {
	var ratios []float64
	for i := range min(len(a), len(b)) {
		if b[i] != 0 {
			ratios = append(ratios, a[i]/b[i])
		}
	}
	return SpreadOf(ratios...)
}

// String gives "1234 (1200-1300)", with about three digits that count.
func (s Spread) String() string {
	if s.Min == s.Max {
		return Number(s.Median)
	}
	return fmt.Sprintf("%s (%s-%s)", Number(s.Median), Number(s.Min), Number(s.Max))
}

// Number writes a number with about three digits that count, and never with an exponent.
func Number(v float64) string {
	decimals := 0
	if a := math.Abs(v); a != 0 && a < 100 {
		decimals = min(2-int(math.Floor(math.Log10(a))), 4)
	}
	return strconv.FormatFloat(v, 'f', max(decimals, 0), 64)
}
