package check

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"tlsrelay/queue"
	"tlsrelay/tlspolicy"
	"tlsrelay/tlspolicy/probe"
)

// summarize says what would become of mail for a target, and what must be done by whom.
func summarize(r *Report, lifetime time.Duration) Summary {
	who := "Mail for " + r.Target.Domain
	if r.Target.Domain == "" {
		who = "Mail to " + title(r)
	}
	if len(r.Hosts) == 0 {
		return Summary{Cause: r.None.Cause, Sentences: []string{fate(who, r.None.Result, lifetime) + ": " + words(r.None.Detail) + "."}}
	}
	noClearAfterBroken(r.Hosts)
	s := tally(r.Hosts)
	if s.Delivered {
		s.Sentences = append([]string{who + delivered(s, r)}, weakPoints(r)...)
		return s
	}
	s.Sentences = []string{fate(who, queue.ResultDeferred, lifetime) + "."}
	if len(r.Late()) > 0 {
		s.Sentences[0] = "Whether m" + strings.TrimPrefix(who, "M") + " would be delivered is not known."
	}
	for _, g := range failures(r) {
		s.Sentences = append(s.Sentences, g.sentence(r, true))
	}
	return s
}

// tally looks at all addresses.
func tally(hosts []Host) Summary {
	s := Summary{TLS13: true}
	weight := 0
	for _, h := range hosts {
		if h.None.Cause != "" && weight == 0 {
			s.Cause, weight = h.None.Cause, 1
		}
		for _, a := range h.Addresses {
			switch v := a.Verdict; {
			case v.Passes:
				s.Delivered = true
				s.Clear = s.Clear || v.Clear
				s.TLS13 = s.TLS13 && a.Result.Reaches(tlspolicy.TLS13) == probe.Yes
			case tlspolicy.IsCause(v.Cause) && weight < 3:
				s.Cause, weight = v.Cause, 3
			case weight < 2:
				s.Cause, weight = v.Cause, 2
			}
		}
	}
	s.TLS13 = s.TLS13 && s.Delivered
	if s.Delivered {
		s.Cause = ""
	}
	return s
}

// fate says what becomes of mail that is not delivered now.
func fate(who string, result queue.Result, lifetime time.Duration) string {
	if result == queue.ResultFailed {
		return who + " would come back at once"
	}
	return who + " would wait, and come back after " + duration(lifetime) + " if nothing changes"
}

// duration writes whole days, hours or minutes.
func duration(d time.Duration) string {
	for _, unit := range []struct {
		d    time.Duration
		name string
	}{{24 * time.Hour, "day"}, {time.Hour, "hour"}, {time.Minute, "minute"}} {
		if n := int(d / unit.d); n > 0 && d%unit.d == 0 {
			return count(n, unit.name)
		}
	}
	return d.String()
}

func count(n int, word string) string {
	if n != 1 {
		word += "s"
	}
	return fmt.Sprintf("%d %s", n, word)
}

// delivered is the end of the sentence about mail that is delivered.
func delivered(s Summary, r *Report) string {
	valid := ""
	if r.Level == tlspolicy.Verified {
		valid = ", with a valid certificate"
	}
	switch best := best(r.Hosts); {
	case s.Clear && best == 0:
		return " would be delivered, but in clear text: STARTTLS is not offered, and your policy lets mail go without."
	case s.Clear:
		return " would be delivered, but to some addresses in clear text: STARTTLS is not offered there, and your policy lets mail go without."
	case s.TLS13:
		return " would be delivered over TLS 1.3" + valid + "."
	case best == tlspolicy.TLS13 && !someTLS13(r.Hosts, probe.No):
		return " would be delivered" + valid + ", over TLS 1.3 as far as that is certain."
	case best == tlspolicy.TLS13:
		return " would be delivered" + valid + ", though not everywhere over TLS 1.3."
	case someTLS13(r.Hosts, probe.Unknown):
		return " would be delivered" + valid + ", over TLS " + max(best, r.Floor).String() + " at least."
	default:
		return " would be delivered" + valid + ", over TLS " + max(best, r.Floor).String() + " at best."
	}
}

// someTLS13 reports whether that is the answer about TLS 1.3 of some address where mail is delivered over TLS.
func someTLS13(hosts []Host, answer probe.Answer) bool {
	return slices.ContainsFunc(hosts, func(h Host) bool {
		return slices.ContainsFunc(h.Addresses, func(a Address) bool {
			return a.Verdict.Passes && !a.Verdict.Clear && a.Result.Reaches(tlspolicy.TLS13) == answer
		})
	})
}

// best is the newest version that is offered where mail is delivered; 0 for none.
func best(hosts []Host) tlspolicy.Version {
	var newest tlspolicy.Version
	for _, h := range hosts {
		for _, a := range h.Addresses {
			if offered := a.Result.Offered(); a.Verdict.Passes && len(offered) > 0 {
				newest = max(newest, slices.Max(offered))
			}
		}
	}
	return newest
}
