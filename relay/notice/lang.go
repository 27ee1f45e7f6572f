package notice

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// language is what a template cannot say by itself: names and forms of dates, durations and sizes.
type language struct {
	key    string
	months [12]string
	date   string // for fmt: day, month, year, hour and minute, zone
	units  [4][2]string
	port   string // before the number of one
	and    string // before the last of a list
	seen   sights
}

var languages = []language{
	{
		key: "en",
		months: [12]string{"January", "February", "March", "April", "May", "June", "July", "August", "September",
			"October",
			"November", "December"},
		date:  "%d %s %d, %s (%s)",
		units: [4][2]string{{"day", "days"}, {"hour", "hours"}, {"minute", "minutes"}, {"second", "seconds"}},
		port:  "port",
		and:   "and",
		seen:  englishSights,
	},
	{
		key: "de",
		months: [12]string{"Januar", "Februar", "März", "April", "Mai", "Juni", "Juli", "August", "September",
			"Oktober",
			"November", "Dezember"},
		date:  "%d. %s %d, %s Uhr (%s)",
		units: [4][2]string{{"Tag", "Tage"}, {"Stunde", "Stunden"}, {"Minute", "Minuten"}, {"Sekunde", "Sekunden"}},
		port:  "Port",
		and:   "und",
		seen:  germanSights,
	},
}

// day writes a time for people, in the time's own zone; "" for the zero time.
func (l language) day(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return fmt.Sprintf(l.date, t.Day(), l.months[t.Month()-1], t.Year(), t.Format("15:04"), zone(t))
}

// zone is "UTC", "UTC+1" or "UTC+5:30": names of zones are ambiguous.
func zone(t time.Time) string {
	_, offset := t.Zone()
	sign := "+"
	switch {
	case offset == 0:
		return "UTC"
	case offset < 0:
		sign, offset = "-", -offset
	}
	s := "UTC" + sign + strconv.Itoa(offset/3600)
	if minutes := offset % 3600 / 60; minutes != 0 {
		s += fmt.Sprintf(":%02d", minutes)
	}
	return s
}

// stamp writes a time for postmasters, as it stands in headers.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.RFC1123Z)
}

// duration writes how long something took, in the largest unit of which there are at least two.
func (l language) duration(d time.Duration) string {
	for i, unit := range []time.Duration{24 * time.Hour, time.Hour, time.Minute} {
		if d >= 2*unit {
			return l.count(i, d.Round(unit)/unit)
		}
	}
	return l.count(3, max(d.Round(time.Second)/time.Second, 1))
}

func (l language) count(unit int, n time.Duration) string {
	name := l.units[unit][1]
	if n == 1 {
		name = l.units[unit][0]
	}
	return strconv.Itoa(int(n)) + " " + name
}

// size writes a size in bytes for people.
func size(n int64) string {
	if n >= 10e6 {
		return fmt.Sprintf("%d MB", (n+5e5)/1e6)
	}
	return fmt.Sprintf("%d KB", (n+999)/1000)
}

// address writes an address and its port, if there is one.
func (l language) address(host, port string) string {
	if host == "" || port == "" {
		return host
	}
	return host + ", " + l.port + " " + port
}

// list names several things in a sentence: "a, b and c".
func (l language) list(names []string) string {
	last := len(names) - 1
	if last < 1 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:last], ", ") + " " + l.and + " " + names[last]
}
