package configs

import (
	"encoding"
	"math"
	"strings"
	"testing"
	"time"
)

const day = 24 * time.Hour

func TestDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"0s": 0, "1s": time.Second, "90s": 90 * time.Second, "10m": 10 * time.Minute, "4h": 4 * time.Hour, "3d": 3 * day,
		"106751d": 106751 * day,
	} {
		var d Duration
		if err := d.UnmarshalText([]byte(text)); err != nil || time.Duration(d) != want {
			t.Errorf("%q: %v, %v; want %v", text, d, err, want)
		}
		if d.String() != text {
			t.Errorf("%v is printed as %q", want, d)
		}
	}
	for _, text := range []string{
		"", "5", "s", "-5s", "+5s", "1.5h", "5 m", "5M", "1h30m", "5ms", "3 days", "106752d", "9223372036854775807d",
		"99999999999999999999s", "５s",
	} {
		refuse(t, new(Duration), text)
		refuse(t, new(OptionalDuration), text)
	}
	for _, d := range []time.Duration{time.Millisecond, -time.Second, 1500 * time.Millisecond} {
		if b, err := Duration(d).MarshalText(); err == nil {
			t.Errorf("%v is written as %q", d, b)
		}
		if got := Duration(d).String(); got != d.String() {
			t.Errorf("%v is printed as %q", d, got)
		}
	}
	if got := Duration(72 * time.Hour).String(); got != "3d" {
		t.Errorf("72 hours are printed as %q", got)
	}
}

func TestOptionalDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{"off": 0, "4h": 4 * time.Hour} {
		d := OptionalDuration(-1)
		if err := d.UnmarshalText([]byte(text)); err != nil || time.Duration(d) != want {
			t.Errorf("%q: %v, %v; want %v", text, time.Duration(d), err, want)
		}
		if b, err := d.MarshalText(); string(b) != text {
			t.Errorf("%v is written as %q, %v", want, b, err)
		}
	}
	refuse(t, new(OptionalDuration), "0s")
	refuse(t, new(OptionalDuration), "Off")
}

func TestSize(t *testing.T) {
	for text, want := range map[string]Size{
		"0B": 0, "1B": 1, "999B": 999, "10KB": 10_000, "50MB": 50_000_000, "1GB": 1_000_000_000, "9223372036GB": 9223372036e9,
		"9223372036854775807B": math.MaxInt64,
	} {
		var s Size
		if err := s.UnmarshalText([]byte(text)); err != nil || s != want {
			t.Errorf("%q: %d, %v; want %d", text, int64(s), err, int64(want))
		}
		if s.String() != text {
			t.Errorf("%d is printed as %q", int64(want), s)
		}
	}
	for _, text := range []string{
		"", "50", "MB", "50 MB", "50mb", "-1MB", "1.5GB", "50MiB", "1TB", "9223372037GB", "20000000000GB",
	} {
		refuse(t, new(Size), text)
	}
	if b, err := Size(-1).MarshalText(); err == nil {
		t.Errorf("-1 is written as %q", b)
	}
}

func TestDate(t *testing.T) {
	var d Date
	if err := d.UnmarshalText([]byte("2027-12-31")); err != nil || d != (Date{2027, time.December, 31}) {
		t.Errorf("%v, %v", d, err)
	}
	if want := time.Date(2028, time.January, 1, 0, 0, 0, 0, time.UTC); !d.End().Equal(want) {
		t.Errorf("End is %v, want %v", d.End(), want)
	}
	if b, err := d.MarshalText(); err != nil || string(b) != "2027-12-31" {
		t.Errorf("written as %q, %v", b, err)
	}
	if (Date{}).End() != (time.Time{}) || !(Date{}).IsZero() || d.IsZero() {
		t.Error("the zero Date must be no day, with the zero time as its end")
	}
	for _, text := range []string{"", "2027-02-29", "31.12.2027", "2027-1-1", "tomorrow", "2027-12-31T00:00:00Z"} {
		refuse(t, new(Date), text)
	}
}

func TestEnums(t *testing.T) {
	for _, v := range []encoding.TextUnmarshaler{
		new(TLSMode), new(AuthMode), new(Level), new(Floor), new(Language), new(LogFormat),
	} {
		for _, text := range []string{"", "OFF", "none", " off", strings.Repeat("x", 1000)} {
			refuse(t, v, text)
		}
	}
	for _, tc := range []struct {
		v    encoding.TextUnmarshaler
		text string
	}{
		{new(TLSMode), "implicit"}, {new(AuthMode), "optional"}, {new(Level), "verified"}, {new(Floor), "1.3"},
		{new(Language), "de"}, {new(LogFormat), "json"},
	} {
		if err := tc.v.UnmarshalText([]byte(tc.text)); err != nil {
			t.Error(err)
		}
	}
	if !(Opportunistic.rank() < Required.rank() && Required.rank() < Verified.rank()) {
		t.Error("levels are out of order")
	}
}

// refuse checks that v does not take text, and says in few words what it takes.
func refuse(t *testing.T, v encoding.TextUnmarshaler, text string) {
	t.Helper()
	err := v.UnmarshalText([]byte(text))
	if err == nil {
		t.Errorf("%T takes %q", v, text)
	} else if s := err.Error(); !strings.Contains(s, "; write ") || len(s) > 300 {
		t.Errorf("%T refuses %q without advice: %s", v, text, s)
	}
}
