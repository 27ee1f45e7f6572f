// Package delivery makes one attempt to deliver a job: it finds the next hops, connects, reaches the TLS that the policy
// asks for, and hands the message over. What comes back is one [queue.Outcome] for each recipient.
//
// The way of an attempt: nextHops (a route, or MX records) gives hosts in order of preference; each host has addresses; on
// each address one session is tried, until no recipient is left or the hosts run out. What a failure means, whether it
// ends the recipient or only this session, is decided in trouble.go and nowhere else.
//
// An address that was dead a moment ago is passed over while there is another one (visit.go); two addresses of different
// families are tried side by side when the first is slow (race.go); a handshake that failed without a word is tried again with a
// smaller ClientHello (smallhello.go).
package delivery
