package help

import (
	"html/template"
	"slices"
	"strings"
	"time"

	"tlsrelay/relay/notice"
)

// view is what the templates see. Text in it that came from elsewhere is bounded, and escaped by the template.
type view struct {
	Lang, Other string // languages of this page, and of the link to the other one
	OtherLink   string
	Home        string // way to the index
	Relay       string
	Floor       string
	Style       template.CSS

	cause       // of the page about one
	Topic       topic
	Title       string
	What        []block
	Todo        []block
	Postmaster  []block
	Patience    string    // why the message comes back late; "" if it does not
	Lifetime    string    // how long it is tried, "3 days", "3 Tage"; "" if unknown
	After       string    // the same behind "after" or "nach": "3 days", "3 Tagen"
	Evidence    *evidence // nil: no domain was asked for
	CheckDomain string    // for the commands of the part on checking
	CheckHost   string
	Example     bool // those two stand for others

	Groups []group // of the index

	query    query
	settings *Settings
}

// block is a paragraph, or a command.
type block struct {
	Text    string
	Command bool
}

// group is a part of the index.
type group struct {
	Name   string
	Causes []entry
}

type entry struct{ Key, Title, Link string }

func (p *Pages) view(s *Settings, q query, lang, home string) *view {
	other := "de"
	if lang == "de" {
		other = "en"
	}
	return &view{
		Lang: lang, Other: other, OtherLink: q.link(other), Home: home + query{}.link(q.lang),
		Relay: s.Relay, Floor: s.Floor, Style: style, query: q, settings: s, CheckDomain: "example.org", CheckHost: "mx.example.org", Example: true,
	}
}

// list fills in the index.
func (v *view) list() {
	for _, name := range groupOrder {
		g := group{Name: name}
		for _, c := range causes() {
			if topics[c.Key].Group == name {
				e, _ := v.settings.Texts.Explain(v.Lang, c.Key, notice.Facts{Relay: v.Relay, Needed: v.Floor})
				g.Causes = append(g.Causes, entry{c.Key, together.Replace(e.Title), v.link(c.Key)})
			}
		}
		v.Groups = append(v.Groups, g)
	}
}

// link leads from the index or a cause to the page of a cause.
func (v *view) link(key string) string {
	return "./" + key + v.query.link(v.query.lang)
}

// about fills in the page of a cause, and reports whether there is such a cause. The domain that was asked for is put into the
// texts only if something that fits them was seen there: the page must not say a thing of a domain because a link does.
func (v *view) about(p *Pages, key string) bool {
	all := causes()
	i := slices.IndexFunc(all, func(c cause) bool { return c.Key == key })
	if i < 0 {
		return false
	}
	v.cause, v.Topic = all[i], topics[key]
	facts := notice.Facts{Relay: v.Relay, Needed: v.Floor}
	if v.settings.Lifetime != nil {
		facts.Lifetime = v.settings.Lifetime(key)
	}
	if v.query.domain != "" {
		v.Evidence = v.see(p, &facts)
	}
	e, _ := v.settings.Texts.Explain(v.Lang, key, facts)
	v.Title, v.What, v.Todo, v.Postmaster = together.Replace(e.Title), blocks(together.Replace(e.What)), blocks(together.Replace(e.Todo)), blocks(e.Postmaster)
	if v.Patience = together.Replace(e.Patience); v.Patience != "" {
		v.Lifetime, v.After = span(v.Lang, facts.Lifetime), span(v.Lang+" after", facts.Lifetime)
	}
	return true
}

// together keeps in one line what belongs there; not in what people copy.
var together = strings.NewReplacer("TLS 1.", "TLS\u00a01.", "SSL 3.", "SSL\u00a03.", "E-Mail", "E\u2011Mail")

// blocks takes an explanation's text apart.
func blocks(text string) []block {
	var list []block
	for part := range strings.SplitSeq(text, "\n\n") {
		command, is := strings.CutPrefix(part, "    ")
		if part = strings.TrimSpace(command); part != "" {
			list = append(list, block{strings.ReplaceAll(part, "\n    ", "\n"), is})
		}
	}
	return list
}

// units of time, by language and what stands before them.
var units = map[string][3]string{
	"en": {"days", "hours", "minutes"}, "en after": {"days", "hours", "minutes"},
	"de": {"Tage", "Stunden", "Minuten"}, "de after": {"Tagen", "Stunden", "Minuten"},
}

// span writes how long something takes, in the largest unit of which there are at least two; "" for no time.
func span(in string, d time.Duration) string {
	for i, unit := range []time.Duration{24 * time.Hour, time.Hour, time.Minute} {
		if d >= 2*unit {
			return number(int64(d.Round(unit)/unit)) + "\u00a0" + units[in][i]
		}
	}
	return ""
}
