package notice

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"tlsrelay/queue"
)

// maxDiagnostic is how many octets of a reply go into Diagnostic-Code, its type included.
const maxDiagnostic = 990

// deliveryStatus writes the content of message/delivery-status (RFC 3464, 2): fields about the message, then a block
// for each recipient.
func (c Composer) deliveryStatus(n queue.Notice, zone *time.Location) []byte {
	var b builder
	b.field("Reporting-MTA", "dns; "+c.Hostname, maxField)
	b.field("X-Tlsrelay-Queue-ID", n.Item.ID.String(), maxField)
	b.date("Arrival-Date", n.Item.Arrived, zone)
	for _, i := range n.Recipients {
		r := &n.Item.Recipients[i]
		delay := n.Kind == queue.NoticeDelay
		b.line("")
		b.field("Final-Recipient", typedAddress(r.Address), maxField)
		b.field("Action", action(delay), maxField)
		b.field("Status", status(r.Last, delay), maxField)
		if host := hostText(r.Last.Host); host != "?" {
			b.field("Remote-MTA", "dns; "+host, maxField)
		}
		if d := diagnostic(r.Last); d != "" {
			b.field("Diagnostic-Code", d, maxDiagnostic)
		}
		b.date("Last-Attempt-Date", r.Last.End, zone)
		if delay {
			b.date("Will-Retry-Until", n.Item.Expires, zone)
		}
		if r.Last.Cause != "" {
			b.field("X-Tlsrelay-Cause", r.Last.Cause, maxField)
		}
	}
	return b.Bytes()
}

// date writes a field with a time, none for the zero time.
func (b *builder) date(name string, t time.Time, zone *time.Location) {
	if !t.IsZero() {
		b.field(name, stamp(t.In(zone)), maxField)
	}
}

func action(delay bool) string {
	if delay {
		return "delayed"
	}
	return "failed"
}

var statusForm = regexp.MustCompile(`^[245]\.[0-9]{1,3}\.[0-9]{1,3}$`)

// status is the enhanced status code of an outcome. When the lifetime ended it keeps class 4: the reader learns the
// reason. An outcome without a usable code takes that of its cause.
func status(o queue.Outcome, delay bool) string {
	s := o.Status
	if !statusForm.MatchString(s) {
		s = causeStatus(o)
	}
	switch {
	case delay:
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

// diagnostic is the remote's reply if it said no, else what was seen on this side.
func diagnostic(o queue.Outcome) string {
	if o.Reply != "" && (o.Reply[0] == '4' || o.Reply[0] == '5' || o.Detail == "") {
		return "smtp; " + o.Reply
	}
	if o.Detail != "" {
		return "X-Tlsrelay; " + o.Detail
	}
	return ""
}

// typedAddress writes an address with its type. One beyond ASCII is written as utf-8-addr-xtext (RFC 6533, 3).
func typedAddress(address string) string {
	if len(address) > maxPath {
		address = address[:maxPath]
	}
	if isASCII(address) {
		return "rfc822; " + address
	}
	var b strings.Builder
	for _, r := range strings.ToValidUTF8(address, "?") {
		if r <= ' ' || r > '~' || strings.ContainsRune(`+=\`, r) {
			fmt.Fprintf(&b, `\x{%X}`, r)
		} else {
			b.WriteRune(r)
		}
	}
	return "utf-8; " + b.String()
}
