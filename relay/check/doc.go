// Package check says what TLS the mail servers of a domain offer, and whether mail would be delivered to them.
//
// A [Checker] finds the hosts of a [Target] in the way of delivery, asks each of their addresses by a probe and by one
// handshake as mail would make it, and judges what it found: a [Verdict] for each address, a [Summary] for the target.
// [Table] and [JSON] write a [Report]; they and the judgement are pure.
package check
