package notice

import (
	"cmp"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"tlsrelay/queue"
	"tlsrelay/relay/dsn"
	"tlsrelay/tlspolicy"
)

// maxDiagnostic is how many octets of a reply go into Diagnostic-Code, its type included.
const maxDiagnostic = 990

// deliveryStatus makes the part for programs: fields about the message, then a block for each recipient (RFC 3464, 2). With
// an address beyond ASCII it is a message/global-delivery-status (RFC 6533, 4), in quoted-printable: like all of a notice it
// then goes over any way (RFC 6533, 4.1), also to a sender in ASCII whose host does not know SMTPUTF8. Who wrote to or from
// such an address is taken to know the type; all others get the one that everyone knows.
func (c Composer) deliveryStatus(n queue.Notice, zone *time.Location) part {
	global := false
	for _, i := range n.Recipients {
		r := &n.Item.Recipients[i]
		global = global || !isASCII(r.Address) || !isASCII(r.OriginalRecipient)
	}
	content := c.statusFields(n, zone, global)
	if global {
		return part{"message/global-delivery-status" + quotedField, "Delivery report", quotedPrintable(content)}
	}
	return part{"message/delivery-status", "Delivery report", content}
}

// statusFields writes the fields. Only global ones may have addresses in UTF-8, all else is ASCII.
func (c Composer) statusFields(n queue.Notice, zone *time.Location, global bool) []byte {
	var b builder
	if n.Item.EnvelopeID != "" {
		b.verbatim("Original-Envelope-Id", n.Item.EnvelopeID)
	}
	b.field("Reporting-MTA", "dns; "+c.Hostname, maxField)
	b.field("X-Tlsrelay-Queue-ID", n.Item.ID.String(), maxField)
	b.date("Arrival-Date", n.Item.Arrived, zone)
	for _, i := range n.Recipients {
		r := &n.Item.Recipients[i]
		b.line("")
		if r.OriginalRecipient != "" {
			b.address("Original-Recipient", r.OriginalRecipient, global)
		}
		b.address("Final-Recipient", dsn.Typed(r.Address[:min(len(r.Address), maxPath)]), global)
		b.field("Action", actions[n.Kind], maxField)
		b.field("Status", status(r.Last, n.Kind), maxField)
		if host := hostText(r.Last.Host); host != "?" {
			b.field("Remote-MTA", "dns; "+host, maxField)
		}
		if d := diagnostic(r.Last); d != "" {
			if strings.HasPrefix(d, ownDiagnostic) {
				d += offered(r)
			}
			b.field("Diagnostic-Code", notEncoded(ascii(d, maxDiagnostic)), maxDiagnostic)
		}
		b.date("Last-Attempt-Date", r.Last.End, zone)
		if n.Kind == queue.NoticeDelay {
			b.date("Will-Retry-Until", n.Until, zone)
		}
		if r.Last.Cause != "" {
			b.field("X-Tlsrelay-Cause", r.Last.Cause, maxField)
		}
	}
	return b.Bytes()
}

// address writes a field with an address and its type. One beyond ASCII is written as it is if global allows it, as
// utf-8-address (RFC 6533, 3), or else as utf-8-addr-xtext.
func (b *builder) address(name, typed string, global bool) {
	kind, address, _ := strings.Cut(typed, ";")
	if global && !isASCII(address) && len(address) <= maxAddress && utf8.ValidString(address) &&
		!strings.ContainsFunc(address, func(r rune) bool { return !unicode.IsPrint(r) }) {
		b.line(name + ": " + kind + "; " + address)
		return
	}
	b.verbatim(name, dsn.Field(typed))
}

// date writes a field with a time, none for the zero time.
func (b *builder) date(name string, t time.Time, zone *time.Location) {
	if !t.IsZero() {
		b.field(name, stamp(t.In(zone)), maxField)
	}
}

// actions are the values of Action (RFC 3464, 2.3.3).
var actions = map[queue.NoticeKind]string{
	queue.NoticeFailure: "failed", queue.NoticeDelay: "delayed", queue.NoticeRelayed: "relayed",
}

var statusForm = regexp.MustCompile(`^[245]\.[0-9]{1,3}\.[0-9]{1,3}$`)

// status is the enhanced status code of an outcome. When the lifetime ended it keeps class 4: the reader learns the
// reason. An outcome without a usable code takes that of its cause.
func status(o queue.Outcome, kind queue.NoticeKind) string {
	s := o.Status
	if !statusForm.MatchString(s) {
		s = causeStatus(o)
	}
	switch {
	case kind == queue.NoticeRelayed:
		return "2" + s[1:]
	case kind == queue.NoticeDelay:
		return "4" + s[1:] // RFC 3464, 2.3.3: not permanent, or the relay would not go on
	case s[0] == '2':
		return "5" + s[1:]
	}
	return s
}

func causeStatus(o queue.Outcome) string {
	for _, c := range queue.Causes() {
		if c.Key == o.Cause && c.Status != "" {
			return c.Status
		}
	}
	if o.Result == queue.ResultFailed {
		return "5.0.0"
	}
	return "4.0.0"
}

// ownDiagnostic is the type of a Diagnostic-Code that is no reply of a remote.
const ownDiagnostic = "X-Tlsrelay; "

// diagnostic is the remote's reply if it said no, else what was seen on this side.
func diagnostic(o queue.Outcome) string {
	if o.Reply != "" && (o.Reply[0] == '4' || o.Reply[0] == '5' || o.Detail == "") {
		return "smtp; " + o.Reply
	}
	if o.Detail != "" {
		return ownDiagnostic + o.Detail
	}
	return ""
}

// offered adds to a diagnostic what a probe found to be the cause, since many programs show nothing of a notice but that.
func offered(r *queue.Recipient) string {
	for _, e := range r.Evidence {
		if e.Proven && e.Cause == r.Last.Cause && e.Cause == tlspolicy.VersionBelowFloor.Key {
			return "; checked " + e.Probed.UTC().Format(time.RFC3339) + ": offers " +
				cmp.Or(ascii(e.Offers, 100), "no TLS version") + "; needed: TLS " + ascii(e.Needed, 10) + " or newer"
		}
	}
	return ""
}
