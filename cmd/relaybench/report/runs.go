package report

// Runs is what was measured, in order; S tells of one run.
type Runs[S any] []S

// Where gives the runs that belong together, such as the rounds of one system.
func (r Runs[S]) Where(is func(*S) bool) Runs[S] {
	var some Runs[S]
	for i := range r {
		if is(&r[i]) {
			some = append(some, r[i])
		}
	}
	return some
}

// Values takes one measure of all.
func (r Runs[S]) Values(of func(*S) float64) []float64 {
	var v []float64
	for i := range r {
		v = append(v, of(&r[i]))
	}
	return v
}

// Spread sums up one measure of all.
func (r Runs[S]) Spread(of func(*S) float64) Spread { return SpreadOf(r.Values(of)...) }

// Ratio divides one measure by that of other runs, round by round, as [Ratio] does.
func (r Runs[S]) Ratio(by Runs[S], of func(*S) float64) Spread {
	return Ratio(r.Values(of), by.Values(of))
}
