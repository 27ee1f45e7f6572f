// Package tlspolicy decides how strong TLS to a destination must be, and says what a failure to reach that means.
//
// A [Policy] gives the [Decision] for a recipient's domain. The Decision makes the client's [tls.Config] (nothing else in
// tlspolicy's program may), and judges the session that came of it: without a passing [Verdict] not one byte of envelope or
// message is sent. When a handshake fails, [Explain] names the [Cause] from the error and from the raw bytes of the remote.
//
// The package does no I/O and reads no clock.
package tlspolicy
