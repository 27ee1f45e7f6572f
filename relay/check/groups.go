package check

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"tlsrelay/tlspolicy"
	"tlsrelay/tlspolicy/probe"
)

// weakPoints is what should be better though mail is delivered.
func weakPoints(r *Report) []string {
	var sentences []string
	for _, g := range failures(r) {
		if tlspolicy.IsCause(g.cause) || len(g.who) > 0 && g.wholeHosts {
			sentences = append(sentences, g.sentence(r, false))
		}
	}
	old := group{wholeHosts: true, what: "offers no TLS 1.3", all: len(r.Hosts)}
	for _, h := range r.Hosts {
		if someTLS13([]Host{h}, probe.No) {
			old.who = append(old.who, h.Name)
		}
	}
	if len(old.who) > 0 {
		sentences = append(sentences, upper(old.subject())+" "+old.verb()+"; "+old.provider()+" should turn it on.")
	}
	return sentences
}

// group is hosts, or addresses of hosts, with the same failure.
type group struct {
	cause      string
	what       string // "offers no STARTTLS"
	who        []string
	wholeHosts bool
	all        int // hosts there are
}

// failures groups what fails, in the order of the hosts. A host that fails at some addresses only is named with those.
func failures(r *Report) []group {
	var groups []group
	add := func(who, cause, what string, whole bool) {
		i := slices.IndexFunc(groups, func(g group) bool {
			return g.cause == cause && g.wholeHosts == whole && (g.what == tooSlow) == (what == tooSlow)
		})
		if i < 0 {
			i, groups = len(groups), append(groups, group{cause: cause, what: what, wholeHosts: whole, all: len(r.Hosts)})
		}
		g := &groups[i]
		if g.what != what { // the words that they have in common
			g.what = failure(Address{Result: &probe.Result{}, Verdict: Verdict{Cause: cause}}, r.Floor)
		}
		if !slices.Contains(g.who, who) {
			g.who = append(g.who, who)
		}
	}
	for _, h := range r.Hosts {
		if h.None.Cause != "" {
			add(h.Name, h.None.Cause, "cannot be found in the DNS", true)
		}
		whole := !slices.ContainsFunc(h.Addresses, func(a Address) bool {
			return a.Verdict.Passes || a.Verdict.Cause != h.Addresses[0].Verdict.Cause || a.Late != h.Addresses[0].Late
		})
		for _, a := range h.Addresses {
			switch who := h.Name; {
			case a.Verdict.Passes:
			case whole:
				add(who, a.Verdict.Cause, failure(a, r.Floor), true)
			default:
				add(who+" at "+a.Addr.Addr().String(), a.Verdict.Cause, failure(a, r.Floor), false)
			}
		}
	}
	return groups
}

// subject names who fails: one, a few, or all of them.
func (g group) subject() string {
	switch n := len(g.who); {
	case n == 1:
		return g.who[0]
	case g.wholeHosts && n == g.all && n == 2:
		return "both hosts"
	case g.wholeHosts && n == g.all:
		return fmt.Sprintf("all %d hosts", n)
	case n <= 3:
		return strings.Join(g.who[:n-1], ", ") + " and " + g.who[n-1]
	default:
		return fmt.Sprintf("%s, %s and %d more", g.who[0], g.who[1], n-2)
	}
}

// verb gives what they do, for one or for many.
func (g group) verb() string {
	if len(g.who) == 1 {
		return g.what
	}
	first, rest, _ := strings.Cut(g.what, " ")
	plural := map[string]string{"offers": "offer", "refuses": "refuse", "has": "have", "turns": "turn", "shows": "show"}
	return cmp.Or(plural[first], first) + " " + rest
}

func (g group) provider() string {
	if len(g.who) == 1 {
		return "its provider"
	}
	return "their provider"
}

// sentence says what fails, and who can change it. alone: nothing else takes the mail.
func (g group) sentence(r *Report, alone bool) string {
	s := upper(g.subject()) + " " + g.verb()
	switch {
	case !alone && g.what == tooSlow:
		s += ", so it is not known whether mail goes there"
	case !alone:
		s += ", so no mail goes there"
	}
	switch todo := remedy(g.cause, r.Floor); {
	case todo == "":
	case alone:
		s += "; only " + g.provider() + " can " + todo
	default:
		s += "; " + g.provider() + " should " + todo
	}
	return s + "."
}

// upper begins a sentence; a host's name stays as it is.
func upper(s string) string {
	if strings.HasPrefix(s, "both ") || strings.HasPrefix(s, "all ") {
		return strings.ToUpper(s[:1]) + s[1:]
	}
	return s
}
