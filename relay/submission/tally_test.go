package submission

import (
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"

	"tlsrelay/queue"
)

// testTally writes down what it is told.
type testTally struct {
	mu     sync.Mutex
	counts map[string]int
}

func (c *testTally) Accepted(recipients int, bytes int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts["messages"]++
	c.counts["recipients"] += recipients
	c.counts["bytes"] += int(bytes)
}

func (c *testTally) Refused(command string, temporary bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts[fmt.Sprintf("%s temporary=%v", command, temporary)]++
}

// tallied has a client say something, and gives what was counted.
func tallied(t *testing.T, l Listener, change func(*Options), talk func(*client)) (map[string]int, *rig) {
	t.Helper()
	told := &testTally{counts: map[string]int{}}
	r := start(t, l, func(o *Options) {
		o.Tally = told
		if change != nil {
			change(o)
		}
	})
	c := r.dial()
	if n := r.server.Connections(); n != 1 {
		t.Errorf("%d connections", n)
	}
	c.say("EHLO client.test", "250")
	talk(c)
	r.stop()
	if n := r.server.Connections(); n != 0 {
		t.Errorf("%d connections in the end", n)
	}
	return told.counts, r
}

func TestTally(t *testing.T) {
	begin := func(c *client) {
		c.say("MAIL FROM:<a@app.test>", "250")
		c.say("RCPT TO:<b@dest.test>", "250")
		c.say("DATA", "354")
	}
	for name, tc := range map[string]struct {
		listener Listener
		change   func(*Options)
		talk     func(*client)
		want     map[string]int
	}{
		"a sender": {Listener{Auth: AuthOff}, nil, func(c *client) {
			c.say("MAIL FROM:<a@app.test>", "554 5.7.1")
		}, map[string]int{"MAIL temporary=false": 1}},
		"recipients": {open, nil, func(c *client) {
			c.say("MAIL FROM:<a@app.test>", "250")
			c.say("RCPT TO:<bad>", "501")
			for i := range 5 {
				c.say(fmt.Sprintf("RCPT TO:<%d@dest.test>", i), "250")
			}
			c.say("RCPT TO:<6@dest.test>", "452")
		}, map[string]int{"RCPT temporary=false": 1, "RCPT temporary=true": 1}},
		"a message": {open, nil, func(c *client) {
			begin(c)
			c.send("a\x00b\r\n.\r\n")
			c.expect("554 5.6.0")
		}, map[string]int{"DATA temporary=false": 1}},
		"no room": {open, func(o *Options) { o.Queue.(*fakeQueue).enqueueErr = queue.ErrFull }, func(c *client) {
			begin(c)
			c.send("\r\n.\r\n")
			c.expect("452 4.3.1")
		}, map[string]int{"DATA temporary=true": 1}},
		"too large": {open, func(o *Options) { o.MessageSize = 1000 }, func(c *client) {
			begin(c)
			c.send("\r\n" + strings.Repeat("a", 900) + "\r\n" + strings.Repeat("b", 900) + "\r\n.\r\n")
			c.expect("552 5.3.4")
		}, map[string]int{"DATA temporary=false": 1}},
		"other commands": {open, nil, func(c *client) {
			c.say("EXPN list", "502")
			c.say("NONSENSE", "500")
			c.say("QUIT", "221")
		}, map[string]int{}},
	} {
		t.Run(name, func(t *testing.T) {
			if got, _ := tallied(t, tc.listener, tc.change, tc.talk); !maps.Equal(got, tc.want) {
				t.Errorf("%v, want %v", got, tc.want)
			}
		})
	}
}

// A message that is so much too large that the client is cut off counts as one refusal.
func TestTallyOfCutOff(t *testing.T) {
	told := &testTally{counts: map[string]int{}}
	r := start(t, open, func(o *Options) { o.Tally, o.MessageSize = told, 1000 })
	c := r.dial()
	c.say("EHLO client.test", "250")
	c.say("MAIL FROM:<a@app.test>", "250")
	c.say("RCPT TO:<b@dest.test>", "250")
	c.say("DATA", "354")
	go c.conn.Write([]byte(strings.Repeat(strings.Repeat("a", 98)+"\r\n", 1000+2*lingerBytes/100)))
	c.expect("552 5.3.4")
	r.stop()
	if want := map[string]int{"DATA temporary=false": 1}; !maps.Equal(told.counts, want) {
		t.Errorf("%v, want %v", told.counts, want)
	}
}

func TestTallyOfAccepted(t *testing.T) {
	got, r := tallied(t, open, nil, func(c *client) {
		c.say("MAIL FROM:<a@app.test>", "250")
		c.say("RCPT TO:<b@dest.test>", "250")
		c.say("RCPT TO:<c@dest.test>", "250")
		c.say("RCPT TO:<b@dest.test>", "250") // again
		c.say("DATA", "354")
		c.send("Subject: x\r\n\r\nhello\r\n.\r\n")
		c.expect("250 2.0.0")
	})
	if want := map[string]int{"messages": 1, "recipients": 2, "bytes": int(r.queue.take()[0].Size)}; !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
