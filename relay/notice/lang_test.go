package notice

import (
	"testing"
	"time"
)

func TestDates(t *testing.T) {
	at := time.Date(2026, 3, 5, 9, 4, 0, 0, time.UTC)
	for _, tt := range []struct {
		offset int
		en, de string
	}{
		{0, "5 March 2026, 09:04 (UTC)", "5. März 2026, 09:04 Uhr (UTC)"},
		{3600, "5 March 2026, 10:04 (UTC+1)", "5. März 2026, 10:04 Uhr (UTC+1)"},
		{-12600, "5 March 2026, 05:34 (UTC-3:30)", "5. März 2026, 05:34 Uhr (UTC-3:30)"},
		{-1800, "5 March 2026, 08:34 (UTC-0:30)", "5. März 2026, 08:34 Uhr (UTC-0:30)"},
	} {
		local := at.In(time.FixedZone("X", tt.offset))
		if en, de := languages[0].day(local), languages[1].day(local); en != tt.en || de != tt.de {
			t.Errorf("offset %d: %q, %q", tt.offset, en, de)
		}
	}
	if languages[0].day(time.Time{}) != "" || stamp(time.Time{}) != "" {
		t.Error("the zero time is shown")
	}
}

func TestDurations(t *testing.T) {
	for d, want := range map[time.Duration][2]string{
		72 * time.Hour:                         {"3 days", "3 Tage"},
		72*time.Hour + 5*time.Minute:           {"3 days", "3 Tage"},
		36 * time.Hour:                         {"36 hours", "36 Stunden"},
		90 * time.Minute:                       {"90 minutes", "90 Minuten"},
		45 * time.Second:                       {"45 seconds", "45 Sekunden"},
		time.Second:                            {"1 second", "1 Sekunde"},
		time.Millisecond:                       {"1 second", "1 Sekunde"},
		119*time.Second + 600*time.Millisecond: {"120 seconds", "120 Sekunden"},
	} {
		if en, de := languages[0].duration(d), languages[1].duration(d); en != want[0] || de != want[1] {
			t.Errorf("%v: %q, %q, want %q", d, en, de, want)
		}
	}
}

func TestSizes(t *testing.T) {
	for n, want := range map[int64]string{0: "0 KB", 1: "1 KB", 20_480: "21 KB", 9_999_999: "10000 KB",
		10_000_000: "10 MB", 62_700_000: "63 MB"} {
		if got := size(n); got != want {
			t.Errorf("size(%d) = %q, want %q", n, got, want)
		}
	}
}
