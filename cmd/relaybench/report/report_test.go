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

func TestMachine(t *testing.T) {
	if m := ThisMachine(); m.CPUs < 1 || !strings.Contains(m.String(), "CPUs") {
		t.Errorf("%+v: %s", m, m)
	}
}
