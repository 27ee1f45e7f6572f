package notice

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"tlsrelay/queue"
	"tlsrelay/tlspolicy"
)

// Explanation is what a notice says about a cause, for other places that tell of it, such as help pages. It is plain
// text in UTF-8: paragraphs of one line each, an empty line between them; a line that starts with four blanks is a
// command, and stays as it is. Who shows it escapes it.
type Explanation struct {
	Title      string // "The server supports neither TLS 1.2 nor TLS 1.3"
	What       string // what happened, and whose fault it is
	Todo       string // what the sender can do
	Postmaster string // for the administrator of the other server; "" if there is nothing to tell them
	Patience   string // why a message comes back late; "" for causes with which it does not
}

// Facts is what is known of a cause at one destination. The zero Facts make a general explanation. Text in it may be a
// remote's: it is made harmless.
type Facts struct {
	Relay  string // name of this relay, as in EHLO; not a domain: "localhost"
	Domain string // of the recipient; "": the explanation speaks of "the recipient's domain"
	Host   string // the mail server; "": it speaks of the one responsible for the domain
	Needed string // the oldest TLS version that the policy allows, "1.2"; "" is that

	Lifetime time.Duration // how long delivery is tried; 0 for "some days"

	// As in [queue.Evidence]: what a probe found. Times are shown in the zone of Probed.
	Probed      time.Time
	Offers      string
	KeyExchange string
	Certificate queue.CertificateFacts
	Proven      bool
}

// Explain gives the text about a cause of the tables, in "en" or "de"; English for any other language. It reports false for a
// cause that is in no table. nil are the built-in texts.
func (t *Texts) Explain(lang, cause string, f Facts) (Explanation, bool) {
	if !isCause(cause) {
		return Explanation{}, false
	}
	e, err := t.in([]string{lang})[0].explain(f.group(cause))
	if err != nil { // not with the built-in texts: they are tested with every cause
		e, err = builtIn().in([]string{lang})[0].explain(f.group(cause))
	}
	return e, err == nil
}

func (t *texts) explain(g group) (e Explanation, err error) {
	for _, p := range []struct {
		part string
		text *string
	}{{"title", &e.Title}, {"what", &e.What}, {"do", &e.Todo}, {"forward", &e.Postmaster}} {
		if *p.text, err = t.cause(p.part, g); err != nil {
			return Explanation{}, err
		}
		*p.text = harmless(*p.text)
	}
	if isTemporary(g.Key) {
		patience, err := t.line("patience", g)
		if err != nil {
			return Explanation{}, err
		}
		e.Patience = harmless(patience)
	}
	return e, nil
}

// group is what the templates see in place of recipients with that cause.
func (f Facts) group(cause string) group {
	g := group{Key: cause, Page: true, Lifetime: f.Lifetime, Hostname: "localhost", Floor: ascii(cmp.Or(f.Needed, "1.2"), 10)}
	if isDomain(f.Relay) {
		g.Hostname = f.Relay
	}
	if f.Domain != "" {
		g.Domain = hostText(f.Domain)
	}
	g.addFindings(&queue.Recipient{Evidence: []queue.Evidence{{
		Host: f.Host, Cause: cause, Needed: f.Needed, Offers: f.Offers, KeyExchange: f.KeyExchange, Certificate: f.Certificate,
		Probed: f.Probed, Proven: f.Proven,
	}}}, f.Probed.Location())
	g.speak()
	return g
}

// isCause reports whether key is in one of the two tables.
func isCause(key string) bool {
	return tlspolicy.IsCause(key) || slices.ContainsFunc(queue.Causes(), func(c queue.Cause) bool { return c.Key == key })
}

// isTemporary reports whether delivery is tried again after a cause.
func isTemporary(key string) bool {
	return tlspolicy.IsCause(key) || key == queue.RemoteTemporary.Key || slices.ContainsFunc(queue.Causes(), func(c queue.Cause) bool {
		return c.Key == key && strings.HasPrefix(c.Status, "4")
	})
}
