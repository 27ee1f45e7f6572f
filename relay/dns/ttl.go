package dns

import (
	"math"
	"time"

	miekg "github.com/miekg/dns"
)

const longest = math.MaxInt32 * time.Second // the largest TTL there is, RFC 2181 section 8

// leastTTL is how long all of the records may be kept.
func leastTTL(records []miekg.RR) time.Duration {
	least := longest
	for _, rr := range records {
		least = min(least, seconds(rr.Header().Ttl))
	}
	return least
}

// denialTTL is how long it may be kept that a name or its records do not exist: as long as the SOA record in the
// authority section says, not at all without one (RFC 2308 section 5).
func denialTTL(authority []miekg.RR) time.Duration {
	for _, rr := range authority {
		if soa, ok := rr.(*miekg.SOA); ok {
			return min(seconds(soa.Hdr.Ttl), seconds(soa.Minttl))
		}
	}
	return 0
}

// seconds reads a TTL. With the highest bit set it counts as 0 (RFC 2181 section 8).
func seconds(ttl uint32) time.Duration {
	if ttl > math.MaxInt32 {
		return 0
	}
	return time.Duration(ttl) * time.Second
}
