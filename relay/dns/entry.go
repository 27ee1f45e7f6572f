package dns

import (
	"container/list"
	"errors"
	"net/netip"
	"time"
)

// How long answers are kept.
const (
	// leastKept also holds for a TTL of 0: it asks for one use only, and the jobs of one moment are one use. It is far
	// below the time after which anyone who changes a record may expect the change to be seen.
	leastKept = 5 * time.Second
	// mostKept: a question an hour costs nothing, and who mends a wrong record with a TTL of days, or flushes the
	// servers, need not restart the relay.
	mostKept = time.Hour
	// mostDenied bounds every "no": no such domain, no mail (null MX), no records. Mail comes back at once for it, and
	// must not for a domain that has just been made; RFC 2308 section 5 would allow hours.
	mostDenied = 2 * time.Minute
	// firstTrouble is for the first failure, which may be a restart of the servers. It doubles with each that follows up
	// to mostTrouble (RFC 9520 section 3.2): of a thousand jobs for a domain with dead servers few wait for them.
	firstTrouble = 5 * time.Second
	mostTrouble  = 30 * time.Second
)

// key is a question: MX, or A for the addresses of both families.
type key struct {
	name  string // clean
	qtype uint16
}

// entry is an answer in memory. But for what the shelf notes it does not change once it is there.
type entry struct {
	key       key
	hosts     []MX
	addresses []netip.Addr
	err       error
	kept      time.Duration // from when it came
	until     time.Time     // when its time is over
	null      bool
	authentic bool

	used  bool          // since the shelf last looked
	size  int           // in memory
	place *list.Element // in the shelf
}

func (e *entry) trouble() bool { return e.err != nil && !errors.Is(e.err, ErrNoSuchDomain) }

// keepFor says for how long an answer is kept, given its TTL and the answer before it (nil if none is in memory).
func keepFor(e *entry, ttl time.Duration, before *entry) time.Duration {
	switch {
	case e.trouble() && before != nil && before.trouble():
		return min(2*before.kept, mostTrouble)
	case e.trouble():
		return firstTrouble
	case len(e.hosts)+len(e.addresses) == 0:
		return min(max(ttl, leastKept), mostDenied)
	}
	return min(max(ttl, leastKept), mostKept)
}

// mx hands the answer out.
func (e *entry) mx(now time.Time) (MXAnswer, error) {
	return MXAnswer{
		Hosts: shuffledHosts(e.hosts), Null: e.null, Authentic: e.authentic, TTL: e.left(now),
	}, e.err
}

// addrs hands the answer out.
func (e *entry) addrs(now time.Time) (AddrAnswer, error) {
	return AddrAnswer{Addrs: shuffledAddrs(e.addresses), Authentic: e.authentic, TTL: e.left(now)}, e.err
}

// left is how long the answer may still be kept; trouble is none.
func (e *entry) left(now time.Time) time.Duration {
	if e.trouble() {
		return 0
	}
	return max(0, e.until.Sub(now))
}
