package main

import (
	"fmt"
	"slices"
	"strings"
)

// setNotify reads -N: "never", or some of success, failure and delay (RFC 3461, 4.1).
func (c *call) setNotify(v string) error {
	v = strings.ToUpper(v)
	list := strings.Split(v, ",")
	for i, word := range list {
		known := slices.Contains([]string{"SUCCESS", "FAILURE", "DELAY"}, word)
		if !known && v != "NEVER" || slices.Contains(list[:i], word) {
			return fail(exitUsage, "-N wants \"never\", or some of success, failure and delay with commas between them")
		}
	}
	c.notify = v
	return nil
}

// setReturn reads -R: what of the message a notice returns (RFC 3461, 4.3).
func (c *call) setReturn(v string) error {
	c.ret = strings.ToUpper(v)
	if c.ret != "FULL" && c.ret != "HDRS" {
		return fail(exitUsage, "-R wants \"full\" or \"hdrs\"")
	}
	return nil
}

// maxEnvelopeID is the longest ENVID before it is encoded (RFC 3461, 4.4).
const maxEnvelopeID = 100

// setEnvelopeID reads -V: a name of the caller's for this envelope.
func (c *call) setEnvelopeID(v string) error {
	if v == "" || len(v) > maxEnvelopeID {
		return fail(exitUsage, "-V wants an envelope ID of 1 to %d characters", maxEnvelopeID)
	}
	for _, b := range []byte(v) {
		if b <= ' ' || b > 126 {
			return fail(exitUsage, "-V wants an envelope ID of printable ASCII without spaces")
		}
	}
	c.envid = xtext(v)
	return nil
}

// xtext encodes printable ASCII (RFC 3461, 4).
func xtext(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		if c <= ' ' || c > 126 || c == '+' || c == '=' {
			fmt.Fprintf(&b, "+%02X", c)
			continue
		}
		b.WriteByte(c)
	}
	return b.String()
}
