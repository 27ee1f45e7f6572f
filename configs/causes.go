package configs

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Cause is a key of the table of reasons for which mail is not delivered, as it stands in log lines and in the list of the queue.
type Cause string

// The table stands in packages tlspolicy and queue; a test of package relay compares.
var (
	causes = slices.Concat(waiting, final)

	// waiting are those for which delivery is tried again.
	waiting = []string{
		"starttls-not-offered", "starttls-refused", "tls-version", "tls-cipher", "tls-handshake",
		"certificate-expired", "certificate-name", "certificate-untrusted", "certificate-unreadable",
		"dns-trouble", "address-refused", "connection-refused", "connection-timeout", "connection-lost",
		"remote-temporary", "remote-protocol", "auth-refused", "local-trouble",
	}
	final = []string{
		"null-mx", "no-such-domain", "no-mail-host", "remote-permanent", "loop", "message-too-large",
		"needs-8bitmime", "needs-smtputf8", "needs-requiretls",
	}
)

// Causes lists the keys of all causes.
func Causes() []string { return slices.Clone(causes) }

// IsFinal reports whether mail goes back at once for a cause.
func IsFinal(cause string) bool { return slices.Contains(final, cause) }

// lifetimes judges [queue.lifetime_by_cause].
func (k check) lifetimes() {
	q := &k.c.Queue
	for _, cause := range slices.Sorted(maps.Keys(q.LifetimeByCause)) {
		path := child("queue.lifetime_by_cause", string(cause))
		lifetime := q.LifetimeByCause[cause]
		switch {
		case !slices.Contains(causes, string(cause)):
			k.problem(path, "%s", unknownCause(string(cause)))
		case IsFinal(string(cause)):
			k.problem(path, "has no effect: mail does not wait for that, but goes back at once; it waits for %s", strings.Join(waiting, ", "))
		case k.ok(path, "queue.lifetime") && lifetime > q.Lifetime:
			k.problem(path, "%s is more than the lifetime of all mail (%s); it must not be longer", lifetime, q.Lifetime)
		default:
			within(k, path, lifetime, minWait, maxLifetime)
		}
	}
}

func unknownCause(key string) string {
	if name := nearest(key, waiting); name != "" {
		return fmt.Sprintf("there is no such cause; did you mean %q?", name)
	}
	return "there is no such cause; mail waits for " + strings.Join(waiting, ", ")
}

// delayNotices judges when senders are told of delays.
func (k check) delayNotices() {
	const proven, all = "queue.delay_notice_proven", "queue.delay_notice"
	q := &k.c.Queue
	if k.ok("queue.lifetime", all) && Duration(q.DelayNotice) >= q.Lifetime {
		k.problem(k.either(all, "queue.lifetime"),
			"the delay notice (after %s) would not come before the lifetime (%s) ends; set delay_notice to less, or \"off\"",
			Duration(q.DelayNotice), q.Lifetime)
	}
	if !k.has(proven) && q.DelayNoticeProven >= q.DelayNotice {
		q.DelayNoticeProven = 0 // the default, which would change nothing
	}
	if !k.ok(proven, all) || q.DelayNoticeProven == 0 {
		return
	}
	switch early := Duration(q.DelayNoticeProven); {
	case q.DelayNotice == 0:
		k.problem(proven, "with delay_notice = \"off\" no notice of a delay is sent at all; leave delay_notice_proven out, or set "+
			"delay_notice to when other mail is told of")
	case early >= Duration(q.DelayNotice):
		k.problem(proven, "%s is no earlier than delay_notice (%s), so it changes nothing; set it to less, or to \"off\"",
			early, Duration(q.DelayNotice))
	}
}
