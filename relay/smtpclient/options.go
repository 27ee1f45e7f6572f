package smtpclient

import "time"

// Options of a session. The zero value is good.
type Options struct {
	Timeouts   Timeouts
	NoChunking bool // not even where it is offered, see ErrChunking
}

// Timeouts of the steps of a session; a zero means the default. Those of RFC 5321 section 4.5.3.2 are the defaults
// where there are any.
type Timeouts struct {
	Greeting  time.Duration // 5m
	Hello     time.Duration // 5m
	Command   time.Duration // 5m, STARTTLS, AUTH, MAIL, RCPT, RSET: each
	Handshake time.Duration // 30s
	Data      time.Duration // 2m, the answer to DATA
	Block     time.Duration // 3m, to send 16 KB of a message
	Dot       time.Duration // 10m, the answer to the final dot
	Quit      time.Duration // 5s

	// MaxSession bounds all of it together until the server has taken a message, 15m, and then anew: a tarpit keeps each
	// single step just under its limit. A fifth of it is kept for the answer to the final dot. A message so large that this is
	// less than it takes at 128 KB a second has that time in addition.
	MaxSession time.Duration
}

// fairRate is how fast a server takes a message that is none too slow, bytes a second.
const fairRate = 128 << 10

// additional is the time that a message of so many bytes gets beyond that of every session.
func (t Timeouts) additional(size int64) time.Duration {
	return max(0, time.Duration(size)*time.Second/fairRate-t.MaxSession)
}

// forDot is what is kept of a session's time for the answer to the final dot: who leaves then may leave a duplicate.
func (t Timeouts) forDot() time.Duration { return t.MaxSession / 5 }

func (t Timeouts) withDefaults() Timeouts {
	set := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	set(&t.Greeting, 5*time.Minute)
	set(&t.Hello, 5*time.Minute)
	set(&t.Command, 5*time.Minute)
	set(&t.Handshake, 30*time.Second)
	set(&t.Data, 2*time.Minute)
	set(&t.Block, 3*time.Minute)
	set(&t.Dot, 10*time.Minute)
	set(&t.Quit, 5*time.Second)
	set(&t.MaxSession, 15*time.Minute)
	return t
}
