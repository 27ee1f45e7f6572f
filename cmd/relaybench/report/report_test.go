package report

import (
	"strings"
	"testing"
)

func TestSpread(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   Spread
	}{
		{nil, Spread{}},
		{[]float64{5}, Spread{5, 5, 5}},
		{[]float64{3, 1, 2}, Spread{2, 1, 3}},
		{[]float64{4, 1, 2, 3}, Spread{2.5, 1, 4}},
	} {
		if got := SpreadOf(c.values...); got != c.want {
			t.Errorf("%v: %+v, want %+v", c.values, got, c.want)
		}
	}
}

// TestRatioIsTakenRoundByRound: the middle of the ratios, not the ratio of the middles.
func TestRatioIsTakenRoundByRound(t *testing.T) {
	if got, want := Ratio([]float64{10, 40, 9}, []float64{1, 10, 3}), (Spread{4, 3, 10}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if got, want := Ratio([]float64{10, 40}, []float64{0, 10}), (Spread{4, 4, 4}); got != want {
		t.Errorf("with a zero: %+v, want %+v", got, want)
	}
	if got := Ratio([]float64{1, 2}, nil); got != (Spread{}) {
		t.Errorf("with nothing: %+v", got)
	}
}

func TestNumber(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0", 1: "1.00", 0.0123: "0.0123", 12.345: "12.3", 99.96: "100.0", 123.4: "123", 1234567: "1234567", -2.5: "-2.50", 0.00001234: "0.0000",
	} {
		if got := Number(v); got != want {
			t.Errorf("Number(%v) = %s, want %s", v, got, want)
		}
	}
	if got := (Spread{4, 3, 10}).String(); got != "4.00 (3.00-10.0)" {
		t.Error(got)
	}
	if got := (Spread{4, 4, 4}).String(); got != "4.00" {
		t.Error(got)
	}
}

func TestTable(t *testing.T) {
	var table Table
	table.Row("clients", "system", "µs")
	table.Row(1, "tlsrelay", Spread{1, 1, 1})
	table.Row(100, "bare", "-")
	var b strings.Builder
	if err := table.Write(&b); err != nil {
		t.Fatal(err)
	}
	want := `
clients  system      µs
-----------------------
      1  tlsrelay  1.00
    100  bare         -
`
	if got := "\n" + b.String(); got != want {
		t.Errorf("got%swant%s", got, want)
	}
}

// TestRuns: what belongs together keeps its order, so that ratios are taken round by round.
func TestRuns(t *testing.T) {
	type run struct {
		system string
		rate   float64
	}
	runs := Runs[run]{{"a", 10}, {"b", 1}, {"a", 40}, {"b", 10}, {"a", 9}, {"b", 3}}
	of := func(name string) Runs[run] { return runs.Where(func(r *run) bool { return r.system == name }) }
	rate := func(r *run) float64 { return r.rate }
	if got, want := of("a").Spread(rate), (Spread{10, 9, 40}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if got, want := of("a").Ratio(of("b"), rate), (Spread{4, 3, 10}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if got := of("c").Spread(rate); got != (Spread{}) {
		t.Errorf("of nothing: %+v", got)
	}
}

// TestPage: a table without rows is not shown.
func TestPage(t *testing.T) {
	var full, empty Table
	full.Row("system", "µs")
	full.Row("tlsrelay", 1)
	empty.Row("ratio")
	var b strings.Builder
	p := Page{Head: "what", Place: "here", Tables: []*Table{&full, &empty}, Notes: "That was it.\n"}
	if err := p.Write(&b); err != nil {
		t.Fatal(err)
	}
	if got, want := b.String(), "what\nhere\n\nsystem    µs\n------------\ntlsrelay   1\n\nThat was it.\n"; got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestMachine(t *testing.T) {
	if m := ThisMachine(); m.CPUs < 1 || !strings.Contains(m.String(), "CPUs") {
		t.Errorf("%+v: %s", m, m)
	}
}
