package dnstest

import (
	"cmp"
	"fmt"

	miekg "github.com/miekg/dns"
)

// Zone says what exists: records by name ("example.org", with or without the final dot, in any case). A name that is
// not in it does not exist, and one that is has no records but those listed.
type Zone map[string]Records

// Records are those of one name, as in a zone file.
type Records struct {
	MX    []string // "10 mx.example.org."; "0 ." is the null MX
	A     []string // "192.0.2.1"
	AAAA  []string // "2001:db8::1"
	CNAME string   // "other.example.org."; if that is in the zone too, the answer has its records as well

	TTL       uint32 // of the records, in seconds; 0 means 60
	Authentic bool   // answers carry the authentic-data bit
	Fault     Fault  // what goes wrong instead
	FaultFor  string // "A": only when asked for that type; "" always
}

// Fault is a way to go wrong.
type Fault uint8

const (
	None     Fault = iota
	ServFail       // answers SERVFAIL
	Refused        // answers REFUSED
	Drop           // does not answer
	Truncate       // over UDP answers "truncated" without records; over TCP all is well
	Lame           // answers like a server that neither knows the name nor asks others
	Bare           // a CNAME comes without the records of its target
)

// set is what the server makes of Records.
type set struct {
	Records
	rrs []miekg.RR
}

const defaultTTL = 60 // seconds

// noSuch goes with every answer that has no records: it says for how long that "no" may be kept.
var noSuch = &miekg.SOA{
	Hdr: miekg.RR_Header{Name: ".", Rrtype: miekg.TypeSOA, Class: miekg.ClassINET, Ttl: defaultTTL},
	Ns:  "ns.invalid.", Mbox: "hostmaster.invalid.", Minttl: defaultTTL,
}

// parse reads the records of one name.
func parse(name string, r Records) (set, error) {
	s := set{Records: r}
	ttl := cmp.Or(r.TTL, defaultTTL)
	for _, list := range []struct {
		kind   string
		values []string
	}{{"MX", r.MX}, {"A", r.A}, {"AAAA", r.AAAA}, {"CNAME", one(r.CNAME)}} {
		for _, v := range list.values {
			rr, err := miekg.NewRR(fmt.Sprintf("%s %d IN %s %s", name, ttl, list.kind, v))
			if err != nil || rr == nil {
				return set{}, fmt.Errorf("dnstest: %s has the bad %s record %q: %v", name, list.kind, v, err)
			}
			s.rrs = append(s.rrs, rr)
		}
	}
	return s, nil
}

func one(s string) []string {
	if s == "" {
		return nil
	}
	return []string{s}
}
