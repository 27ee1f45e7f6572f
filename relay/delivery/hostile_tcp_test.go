package delivery

import (
	"crypto/tls"
	"net"
	"sync"
	"testing"
	"time"

	"tlsrelay/queue"
	"tlsrelay/relay/smtpclient"
	"tlsrelay/tlspolicy"
)

// socket is a real connection.
type socket struct {
	*net.TCPConn
	left chan struct{} // closed when the client has left
}

// Reset has the system send RST.
func (s socket) Reset() {
	s.SetLinger(0)
	s.Close()
}

func (s socket) Wait() { <-s.left }

// What the system's own connections do is what those in memory do.
func TestHostileRemoteOverTCP(t *testing.T) {
	config := newAuthority(t).server(t, "mx.dest.test", tls.VersionTLS12, tls.VersionTLS13)
	var all sync.WaitGroup
	for _, name := range []string{"silence", "closes", "resets", "half closes", "zero window", "endless reply", "endless line", "endless NUL"} {
		for _, stage := range []string{"greeting", "ehlo", "starttls", "handshake", "ehlo+tls", "mail", "rcpt", "data", "body", "dot"} {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			h := &tarpit{tls: config, stage: stage, act: behaviours[name]}
			left := make(chan struct{})
			all.Go(func() {
				defer l.Close()
				if c, err := l.Accept(); err == nil {
					defer c.Close()
					h.meet(socket{c.(*net.TCPConn), left})
				}
			})
			all.Go(func() {
				defer close(left)
				start := time.Now()
				o := overTCP(t, l.Addr().String(), stage == "body")
				if took := time.Since(start); o.Result != queue.ResultDeferred || o.Cause == queue.LocalTrouble.Key || took > 20*time.Second {
					t.Errorf("%s at %s: %v %s, %s after %v", name, stage, o.Result, o.Cause, o.Detail, took)
				}
				tidy(t, o)
			})
		}
	}
	all.Wait()
}

// overTCP sends a message to an address, with little patience. A large one is more than the system's buffers hold.
func overTCP(t *testing.T, address string, large bool) queue.Outcome {
	const soon = 500 * time.Millisecond
	lane := New(Options{
		Hostname: "relay.test", Policy: &tlspolicy.Policy{}, Now: time.Now, Routes: []Route{{Domain: "*", Hosts: []string{address}}},
		Timeouts: smtpclient.Timeouts{Greeting: soon, Hello: soon, Command: soon, Handshake: soon, Data: soon, Block: soon, Dot: soon},
	}).Open()
	defer lane.Close()
	job := jobTo("a@dest.test")
	if large {
		job = largeJob(16 << 20)
	}
	return lane.Deliver(t.Context(), job, nil).Outcomes[0]
}
