package configs

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// unit is a suffix of a quantity and what it multiplies by.
type unit struct {
	suffix string
	factor int64
}

// Units from large to small: a quantity is printed in the first one that divides it.
func durationUnits() []unit {
	return []unit{
		{"d", 24 * int64(time.Hour)}, {"h", int64(time.Hour)}, {"m", int64(time.Minute)}, {"s", int64(time.Second)},
	}
}

func sizeUnits() []unit { return []unit{{"GB", 1e9}, {"MB", 1e6}, {"KB", 1e3}, {"B", 1}} }

// Duration is a time span, written "90s", "10m", "4h" or "3d": a whole number and one unit.
type Duration time.Duration

func (Duration) allowed() string {
	return `write a whole number followed by s, m, h or d, such as "90s", "4h" or "3d"`
}

// String gives the form that UnmarshalText reads, or Go's own form for spans that are not whole seconds.
func (d Duration) String() string {
	if text, ok := formatQuantity(int64(d), durationUnits()); ok {
		return text
	}
	return time.Duration(d).String()
}

// MarshalText implements [encoding.TextMarshaler]. A span that is negative or not of whole seconds is an error.
func (d Duration) MarshalText() ([]byte, error) {
	text, ok := formatQuantity(int64(d), durationUnits())
	if !ok {
		return nil, fmt.Errorf("%v cannot be written in whole seconds", time.Duration(d))
	}
	return []byte(text), nil
}

// UnmarshalText implements [encoding.TextUnmarshaler].
func (d *Duration) UnmarshalText(b []byte) error {
	n, ok := parseQuantity(string(b), durationUnits())
	if !ok {
		return fmt.Errorf("%.60q is not a duration; %s", b, d.allowed())
	}
	*d = Duration(n)
	return nil
}

// OptionalDuration is a [Duration] that may also be "off", which is the zero value.
type OptionalDuration Duration

func (OptionalDuration) allowed() string { return `write "off" or a duration such as "4h"` }

// MarshalText implements [encoding.TextMarshaler].
func (d OptionalDuration) MarshalText() ([]byte, error) {
	if d == 0 {
		return []byte("off"), nil
	}
	return Duration(d).MarshalText()
}

// UnmarshalText implements [encoding.TextUnmarshaler].
func (d *OptionalDuration) UnmarshalText(b []byte) error {
	if string(b) == "off" {
		*d = 0
		return nil
	}
	n, ok := parseQuantity(string(b), durationUnits())
	if !ok || n == 0 {
		return fmt.Errorf("%.60q is not a duration; %s", b, d.allowed())
	}
	*d = OptionalDuration(n)
	return nil
}

// Size is a number of bytes, written "500B", "10KB", "50MB" or "1GB", in powers of 1000.
type Size int64

func (Size) allowed() string {
	return `write a whole number followed by B, KB, MB or GB, such as "10KB", "50MB" or "1GB"`
}

// String gives the form that UnmarshalText reads.
func (s Size) String() string {
	if text, ok := formatQuantity(int64(s), sizeUnits()); ok {
		return text
	}
	return strconv.FormatInt(int64(s), 10) + "B"
}

// MarshalText implements [encoding.TextMarshaler]. A negative size is an error.
func (s Size) MarshalText() ([]byte, error) {
	if s < 0 {
		return nil, fmt.Errorf("a size of %d bytes is negative", int64(s))
	}
	return []byte(s.String()), nil
}

// UnmarshalText implements [encoding.TextUnmarshaler].
func (s *Size) UnmarshalText(b []byte) error {
	n, ok := parseQuantity(string(b), sizeUnits())
	if !ok {
		return fmt.Errorf("%.60q is not a size; %s", b, s.allowed())
	}
	*s = Size(n)
	return nil
}

// Date is a day, written "2027-03-31". The zero value is no day.
type Date struct {
	Year  int
	Month time.Month
	Day   int
}

func (Date) allowed() string { return `write a day as "2027-03-31", in quotes` }

// IsZero reports whether d is no day.
func (d Date) IsZero() bool { return d == Date{} }

// End is the first moment after the day in UTC: what holds until d holds before End. The zero Date ends at the zero
// time.
func (d Date) End() time.Time {
	if d.IsZero() {
		return time.Time{}
	}
	return time.Date(d.Year, d.Month, d.Day+1, 0, 0, 0, 0, time.UTC)
}

func (d Date) String() string { return fmt.Sprintf("%04d-%02d-%02d", d.Year, d.Month, d.Day) }

// MarshalText implements [encoding.TextMarshaler].
func (d Date) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (d *Date) UnmarshalText(b []byte) error {
	t, err := time.Parse(time.DateOnly, string(b))
	if err != nil {
		return fmt.Errorf("%.60q is not a day of the calendar; %s", b, d.allowed())
	}
	d.Year, d.Month, d.Day = t.Date()
	return nil
}

// parseQuantity reads digits and one unit. It refuses anything else, and what does not fit an int64.
func parseQuantity(s string, units []unit) (int64, bool) {
	digits := strings.TrimLeft(s, "0123456789")
	n, err := strconv.ParseInt(s[:len(s)-len(digits)], 10, 64)
	if err != nil {
		return 0, false
	}
	for _, u := range units {
		if digits == u.suffix {
			v := n * u.factor
			return v, v/u.factor == n && v >= 0
		}
	}
	return 0, false
}

// formatQuantity writes v in the largest unit that divides it, and reports false if none does or v is negative.
func formatQuantity(v int64, units []unit) (string, bool) {
	smallest := units[len(units)-1]
	if v == 0 {
		return "0" + smallest.suffix, true
	}
	for _, u := range units {
		if v > 0 && v%u.factor == 0 {
			return strconv.FormatInt(v/u.factor, 10) + u.suffix, true
		}
	}
	return "", false
}
