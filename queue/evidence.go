package queue

import (
	"slices"
	"strings"
	"time"
)

// Evidence is what attempts saw of the TLS of one address of a host at which they failed, and what a probe without mail found
// out there. It is text for notices and listings: this package knows no TLS.
type Evidence struct {
	Host   string // as named in DNS or in the route
	Remote string // address and port
	Cause  string // key of a row in the table of causes
	Seen   string // what the latest failed handshake showed, "alert 70 (protocol version not supported)"
	Needed string // the oldest version that the policy allows, "1.2"

	Probed      time.Time // when the probe was; zero: there was none, and the next three say nothing
	Offers      string    // protocol versions, the oldest first, "TLS 1.0, TLS 1.1"; "" for none at all
	KeyExchange string    // of TLS 1.2 and older, "ECDHE, DHE, RSA"
	Proven      bool      // the probe alone would name the same cause: chance, load and things on the way are out of the question

	Certificate CertificateFacts // that the probe saw, or with which the latest handshake failed

	First, Last time.Time // of the attempts that failed there
	Attempts    int       // 0: another message was tried there, and this one put off for it
}

// CertificateFacts is what a host's certificate says.
type CertificateFacts struct {
	Names     string // that it is made for, "mx1.example.org, mx2.example.org"; "CN=mx1.example.org" if it has a common name alone
	Issuer    string
	NotBefore time.Time
	NotAfter  time.Time // zero: no certificate was seen
}

// Bounds of what a recipient keeps.
const (
	maxEvidence     = 8    // addresses
	maxItemEvidence = 4000 // of all recipients: a store keeps a message in one record
	maxEvidenceText = 300
	maxEvidenceAge  = 24 * time.Hour // of an address at which newer attempts did not fail; mail may not go there any more
)

// evidence adds what an attempt saw to what the job has. nil: nothing changes. The evidence that there is stays as it is, for
// others have it, too.
func (j Job) evidence(seen []Evidence) []Evidence {
	if len(seen) == 0 {
		return nil
	}
	most := &j.Item.Recipients[j.Recipients[0]] // of recipients that were not always tried together, the one tried most often
	for _, i := range j.Recipients {
		if r := &j.Item.Recipients[i]; r.Attempts > most.Attempts {
			most = r
		}
	}
	all := stillOf(most.Evidence, seen)
	for _, e := range seen {
		e.clip()
		if i := at(e.Remote, all); i >= 0 {
			all[i] = all[i].and(e)
		} else {
			all = append(all, e)
		}
	}
	for len(all) > max(1, min(maxEvidence, maxItemEvidence/len(j.Item.Recipients))) {
		oldest := 0
		for i := range all {
			if all[i].Last.Before(all[oldest].Last) {
				oldest = i
			}
		}
		all = slices.Delete(all, oldest, oldest+1)
	}
	return all
}

// stillOf copies what is not outdated by what an attempt saw.
func stillOf(known, seen []Evidence) []Evidence {
	newest := slices.MaxFunc(seen, func(a, b Evidence) int { return a.Last.Compare(b.Last) }).Last
	return slices.DeleteFunc(slices.Clone(known), func(e Evidence) bool {
		return at(e.Remote, seen) < 0 && newest.Sub(e.Last) > maxEvidenceAge
	})
}

// at gives the place of the evidence of an address, -1 if there is none.
func at(remote string, list []Evidence) int {
	return slices.IndexFunc(list, func(e Evidence) bool { return e.Remote == remote })
}

// and is the evidence of an address with what a later attempt saw there.
func (e Evidence) and(later Evidence) Evidence {
	sum := later
	sum.Attempts += e.Attempts
	if e.Attempts > 0 {
		sum.First = e.First
	}
	if e.Attempts > 0 && later.Attempts == 0 {
		sum.Last = e.Last
	}
	if later.Certificate.NotAfter.IsZero() {
		sum.Certificate = e.Certificate
	}
	if later.Probed.Before(e.Probed) { // it knew of no probe, or of an older one
		sum.Probed, sum.Offers, sum.KeyExchange = e.Probed, e.Offers, e.KeyExchange
		sum.Proven = e.Cause == later.Cause && (later.Proven || e.Proven && later.Attempts == 0)
	}
	return sum
}

// ofNoAttempt is the evidence for messages that are put off because of what another one met.
func ofNoAttempt(seen []Evidence) []Evidence {
	told := slices.Clone(seen)
	for i := range told {
		told[i].Attempts = 0
	}
	return told
}

// clip bounds the texts.
func (e *Evidence) clip() {
	for _, s := range []*string{&e.Host, &e.Remote, &e.Cause, &e.Seen, &e.Needed, &e.Offers, &e.KeyExchange,
		&e.Certificate.Names, &e.Certificate.Issuer} {
		if len(*s) > maxEvidenceText {
			*s = strings.ToValidUTF8((*s)[:maxEvidenceText], "?")
		}
	}
}
