package notice

import (
	"cmp"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"tlsrelay/queue"
)

// Bounds of the part that people read; the delivery report has all.
const (
	maxListed   = 20   // recipients in a list
	maxGroups   = 10   // causes explained
	maxEvidence = 5    // different answers in a group
	maxWords    = 1000 // characters of a remote's words
)

// view is what the templates see. All text in it is harmless and bounded.
type view struct {
	Hostname, QueueID, Subject string

	Delay    bool
	Relayed  bool   // nothing is wrong: the next hop has the message
	First    string // recipient, for the subject
	Others   int    // recipients beside it
	Total    int    // recipients
	Partial  bool   // the message had other recipients, too
	Arrived  time.Time
	Until    time.Time     // end of the lifetime
	Lifetime time.Duration // 0 if unknown
	Groups   []group
	Left     int    // recipients that no group shows
	Returned string // "message", "header" or ""
}

// group is recipients of one domain with the same cause, or one address where it was met. Its embedded evidence is the first one.
type group struct {
	evidence
	Key        string // of the cause
	Domain     string
	Hostname   string
	Floor      string // lowest TLS version that the policy takes
	Recipients []string
	Count      int
	Delay      bool
	Expired    bool          // given up because the lifetime ended
	Page       bool          // not a notice: a page about the cause, read while the message is tried or afterwards
	Lifetime   time.Duration // of a message; only on a page
	Size       int64
	Evidence   []evidence
	Several    bool // more than one evidence

	// Of TLS causes.
	facts                // of the server that the sentences speak of
	Findings     []group // what was seen at each address
	MoreFindings int

	help, queueID string
	remotes       []string  // of Findings and those left out
	weight        int       // of the one that the sentences speak of
	speaksOf      *evidence // the same one
}

// evidence is what the last attempt saw, the same for its recipients.
type evidence struct {
	Recipients          []string
	Host, Address, Port string
	Seen, Status        string
	Reply, Detail       said
	Stage               string
	Attempts            int
	Last                time.Time
}

func (c Composer) view(n queue.Notice, zone *time.Location, ret returned) view {
	item := n.Item
	v := view{
		Hostname: c.Hostname, QueueID: item.ID.String(), Subject: ret.subject,
		Delay: n.Kind == queue.NoticeDelay, Relayed: n.Kind == queue.NoticeRelayed,
		First:  notEncoded(plain(item.Recipients[n.Recipients[0]].Address, maxPath)),
		Others: len(n.Recipients) - 1, Total: len(n.Recipients), Partial: len(n.Item.Recipients) > len(n.Recipients),
		Arrived: in(item.Arrived, zone), Until: in(n.Until, zone),
		Returned: ret.kind(),
	}
	if n.Until.After(item.Arrived) {
		v.Lifetime = n.Until.Sub(item.Arrived)
	}
	for _, i := range n.Recipients {
		r := &item.Recipients[i]
		if !v.add(c.group(n, r), evidenceOf(r, n.Kind, zone), r, zone) {
			v.Left++
		}
	}
	for i := range v.Groups {
		g := &v.Groups[i]
		g.evidence, g.Several = g.Evidence[0], len(g.Evidence) > 1
		g.Recipients = shorten(g.Recipients, g.Count)
		g.speak()
	}
	return v
}

// group is the group that a recipient belongs to, still empty.
func (c Composer) group(n queue.Notice, r *queue.Recipient) group {
	key := cmp.Or(ascii(r.Last.Cause, 60), generic)
	if n.Kind == queue.NoticeRelayed {
		key = relayed
	}
	return group{
		Key: key, Domain: hostText(r.Destination), Hostname: c.Hostname,
		Floor: ascii(r.Last.TLS.Floor, 10), Delay: n.Kind == queue.NoticeDelay, Expired: n.Expired, Size: n.Item.Size,
		help: ascii(c.HelpURL, maxField), queueID: n.Item.ID.String(),
	}
}

// add puts a recipient into its group; false says that there was no room to show it, or what it met.
func (v *view) add(to group, e evidence, r *queue.Recipient, zone *time.Location) bool {
	address := plain(r.Address, maxPath)
	var g *group
	for i := range v.Groups {
		if v.Groups[i].Key == to.Key && v.Groups[i].Domain == to.Domain {
			g = &v.Groups[i]
		}
	}
	if g == nil {
		if len(v.Groups) == maxGroups {
			return false
		}
		v.Groups = append(v.Groups, to)
		g = &v.Groups[len(v.Groups)-1]
	}
	g.Count++
	g.addFindings(r, zone)
	if len(g.Recipients) < maxListed {
		g.Recipients = append(g.Recipients, address)
	}
	for i := range g.Evidence {
		if known := &g.Evidence[i]; known.same(e) {
			if len(known.Recipients) < maxListed {
				known.Recipients = append(known.Recipients, address)
			}
			return g.Count <= maxListed
		}
	}
	if len(g.Evidence) == maxEvidence {
		return false
	}
	e.Recipients = []string{address}
	g.Evidence = append(g.Evidence, e)
	return g.Count <= maxListed
}

// shorten adds to a list how many are not on it.
func shorten(list []string, count int) []string {
	if left := count - len(list); left > 0 {
		list = append(list, fmt.Sprintf("... (+%d)", left))
	}
	return list
}

func evidenceOf(r *queue.Recipient, kind queue.NoticeKind, zone *time.Location) evidence {
	o := r.Last
	e := evidence{
		Seen: noLinks(plain(o.TLS.Seen, 200)), Reply: words(o.Reply), Detail: own(o.Detail), Status: status(o, kind),
		Stage: ascii(string(o.Stage), 20), Attempts: r.Attempts, Last: in(o.End, zone),
	}
	if o.Host != "" {
		e.Host = hostText(o.Host)
	}
	e.Address, e.Port = splitRemote(o.Remote)
	return e
}

// splitRemote takes an address and its port apart; what is none gives nothing.
func splitRemote(remote string) (address, port string) {
	at, err := netip.ParseAddrPort(remote)
	if err != nil || at.Addr().Zone() != "" {
		return "", ""
	}
	return at.Addr().String(), strconv.Itoa(int(at.Port()))
}

// same reports whether two recipients met the same; the moments of a pipelined dialogue differ slightly.
func (e evidence) same(o evidence) bool {
	return e.Host == o.Host && e.Address == o.Address && e.Port == o.Port && e.Seen == o.Seen && e.Reply == o.Reply &&
		e.Detail == o.Detail && e.Status == o.Status && e.Stage == o.Stage && e.Attempts == o.Attempts
}

// said is somebody's words, lines joined by "\n", to be shown by quote. Anywhere else they come out as one line that is taken
// for no heading and no quote.
type said string

func (s said) String() string {
	line := strings.ReplaceAll(string(s), "\n", " ")
	if strings.HasPrefix(line, "#") || strings.HasPrefix(line, ">") {
		return "?" + line[1:]
	}
	return line
}

// words makes a remote's words fit to be quoted: harmless lines, maxWords characters in all.
func words(s string) said {
	var lines []string
	left := maxWords
	for line := range strings.SplitSeq(s, "\n") {
		if left < len("...") {
			break
		}
		if line = plain(line, left); line != "" {
			lines = append(lines, line)
			left -= width(line)
		}
	}
	return said(strings.Join(lines, "\n"))
}

// own is words about a remote that were found on this side.
func own(s string) said { return said(noLinks(string(words(s)))) }

// notEncoded keeps others' words from being read as an encoded word (RFC 2047) in a header field. What changes characters comes
// before it.
func notEncoded(s string) string { return strings.ReplaceAll(s, "=?", "=_") }

// in shows t in a zone and leaves the zero time as it is.
func in(t time.Time, zone *time.Location) time.Time {
	if t.IsZero() {
		return t
	}
	return t.In(zone)
}
