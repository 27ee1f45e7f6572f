//go:build linux

package peertest

import (
	"fmt"
	"log/slog"
	"net"
	"strings"
	"testing"

	"tlsrelay/relay"
	"tlsrelay/relay/dns/dnstest"
)

// turning is a host that refuses STARTTLS, and from some time on does not offer it any more, as when somebody on the way strips
// it. The policy for its domain accepts clear text, but not for a message that has met broken TLS.
type turning struct {
	domain string
	later  chan struct{} // closed from that time on
}

func plantTurning(f *farm, zone dnstest.Zone) *turning {
	h := &turning{"turning.test", make(chan struct{})}
	name, addr := "mx."+h.domain, f.address()
	zone[h.domain] = dnstest.Records{MX: []string{fmt.Sprintf("10 %s.", name)}}
	zone[name] = dnstest.Records{A: []string{addr}}
	if !f.serve(f.n.at(addr), func(c net.Conn) { h.handle(f, c) }) {
		f.t.Fatalf("%s is taken", addr)
	}
	return h
}

func (h *turning) handle(f *farm, c net.Conn) {
	select {
	case <-h.later:
		stack{ehlo: "250 mx.test"}.handle(f, c)
	default:
		stack{starttls: "454 4.7.0 TLS is not available"}.handle(f, c)
	}
}

// check has the message tried twice.
func (h *turning) check(t *testing.T, r *running, to string) {
	t.Helper()
	if got := summary(awaitAttempt(t, r, to, 1)); got != refused {
		t.Errorf("first %s, want %s", got, refused)
	}
	close(h.later)
	h.retry(t, r)
	if got := summary(awaitAttempt(t, r, to, 2)); got != notOffered {
		t.Errorf("then %s, want %s", got, notOffered)
	}
}

// retry makes the message due as soon as it is back in the queue: the log is ahead of that.
func (h *turning) retry(t *testing.T, r *running) {
	t.Helper()
	q, err := relay.OpenQueue(t.Context(), r.cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	eventually(t, "the message can be tried again", func() bool {
		n, err := q.Retry(t.Context(), relay.Selection{Domain: h.domain})
		if err != nil && !strings.Contains(err.Error(), "under way") {
			t.Fatal(err)
		}
		return n == 1
	})
}
