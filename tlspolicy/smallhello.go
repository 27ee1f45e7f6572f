package tlspolicy

import (
	"crypto/tls"
	"errors"
	"io"
	"os"
	"slices"
	"syscall"
)

// smallCurves need no post-quantum key shares, which make a ClientHello of 1500 bytes out of one of 300.
var smallCurves = []tls.CurveID{tls.X25519, tls.CurveP256, tls.CurveP384}

// SmallHello is the same decision for a host, or something on the way to it, that chokes on a ClientHello of more than one
// packet: key exchange without post-quantum shares, and no session to resume. The key stays, since nothing is asked for less.
func (d Decision) SmallHello() Decision {
	d.small = true
	return d
}

// IsSmallHello reports whether the decision is one of SmallHello.
func (d Decision) IsSmallHello() bool { return d.small }

// chokes lists the alerts (RFC 8446 section 6.2) with which old stacks answer a ClientHello that they cannot read: close_notify,
// unexpected_message, record_overflow, handshake_failure, illegal_parameter, decode_error, internal_error. All others say what
// is wrong, and a smaller hello would not mend it.
var chokes = []int{0, 10, 22, 40, 47, 50, 80}

// TrySmallHello reports whether a handshake failed as it does where the ClientHello is too big. It is true where the server
// showed nothing of what it can do: silence, the end of the connection, or an alert that may mean anything.
func (d Decision) TrySmallHello(err error, seen Observed) bool {
	switch {
	case err == nil || d.small || seen.Hello || seen.NotTLS:
		return false
	case seen.Alert >= 0:
		return slices.Contains(chokes, seen.Alert)
	}
	return slices.ContainsFunc([]error{
		io.EOF, io.ErrUnexpectedEOF, syscall.ECONNRESET, syscall.EPIPE, os.ErrDeadlineExceeded,
	}, func(target error) bool { return errors.Is(err, target) })
}
