package smtpclient

import (
	"errors"
	"os"
	"time"
)

// Alive reports whether a kept session can take another message: it is not over, and the server has neither closed it nor
// said anything since the last reply (a 421, an alert of TLS). It does not wait. With an envelope ahead (see Ahead) the
// server may speak, of course.
func (c *Conn) Alive() bool {
	if c.over {
		return false
	}
	if c.ahead != nil {
		return true
	}
	if c.r.Buffered() > 0 {
		return false
	}
	quiet, known := silent(c.wire.Conn)
	if known && (!quiet || c.tls == nil) {
		return quiet
	}
	// What package tls has read but not yet looked at is seen only by reading on. A deadline in the past keeps that from
	// waiting for the network; a system that cannot be asked about the connection needs a moment for it.
	deadline := time.Unix(1, 0)
	if !known {
		deadline = time.Now().Add(time.Millisecond)
	}
	c.wire.SetReadDeadline(deadline)
	_, err := c.r.Peek(1)
	return errors.Is(err, os.ErrDeadlineExceeded)
}

// Worn reports whether the server has used up half of the bytes or of the time that it has until it takes a message. Refusals
// add up: another session is better then than one that ends in the middle of a message.
func (c *Conn) Worn() bool { return c.wire.left < maxRead/2 || c.patience < c.timeouts.MaxSession/2 }
