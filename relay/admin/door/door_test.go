package door

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const perClient = 3

func greet(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") }

// open serves on loopback until the returned function has stopped it.
func open(t *testing.T, o Options) (address string, stop func()) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if o.Handler == nil {
		o.Handler = http.HandlerFunc(greet)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- Serve(ctx, l, o) }()
	return l.Addr().String(), func() {
		t.Helper()
		began := time.Now()
		cancel()
		if err := <-ended; err != nil || time.Since(began) > 2*stopTime {
			t.Errorf("stopped after %v: %v", time.Since(began), err)
		}
	}
}

func dial(t *testing.T, address string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// turnedAway reports whether the server hung up on a client that has said nothing. It looks before any time limit is over.
func turnedAway(t *testing.T, c net.Conn) bool {
	t.Helper()
	c.SetReadDeadline(time.Now().Add(headerTimeout / 2))
	_, err := c.Read(make([]byte, 1))
	return err == io.EOF
}

// Clients that open connections and say nothing take the places of their own kind alone, and the stop does not wait for them.
func TestConnections(t *testing.T) {
	loopback := func(a netip.Addr) bool { return a.IsLoopback() }
	for name, tc := range map[string]struct {
		bounds Options
		most   int
	}{
		"one client":        {Options{Connections: 2 * perClient, PerClient: perClient}, perClient},
		"a proxy":           {Options{Connections: 2 * perClient, PerClient: perClient, Proxy: loopback}, 2 * perClient},
		"fewer than that":   {Options{Connections: perClient, PerClient: 2 * perClient}, perClient},
		"proxies elsewhere": {Options{Connections: 2 * perClient, PerClient: perClient, Proxy: netip.Addr.IsPrivate}, perClient},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address, stop := open(t, tc.bounds)
			var idle []net.Conn
			for range tc.most {
				idle = append(idle, dial(t, address))
			}
			if !turnedAway(t, dial(t, address)) {
				t.Error("one connection too many is served")
			}
			idle[0].Close()
			for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
				client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
				if res, err := client.Get("http://" + address); err == nil {
					res.Body.Close()
					break
				} else if time.Now().After(deadline) {
					t.Fatal(err)
				}
			}
			stop()
		})
	}
}

// A header that comes a byte at a time is waited for as long as any other.
func TestSlowHeader(t *testing.T) {
	t.Parallel()
	address, stop := open(t, Options{Connections: 1, PerClient: 1})
	defer stop()
	c := dial(t, address)
	began := time.Now()
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\nX: ")
	ended := make(chan error, 1)
	go func() { _, err := http.ReadResponse(bufio.NewReader(c), nil); ended <- err }()
	for {
		select {
		case <-ended:
			if took := time.Since(began); took > headerTimeout+3*time.Second {
				t.Errorf("it took %v", took)
			}
			return
		case <-time.After(200 * time.Millisecond):
			c.Write([]byte("a"))
		}
	}
}

func TestLongHeader(t *testing.T) {
	address, stop := open(t, Options{Connections: 1, PerClient: 1})
	defer stop()
	c := dial(t, address)
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\nX: "+strings.Repeat("a", 3*MaxHeader)+"\r\n\r\n")
	if res, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || res.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("%v, %v", res, err)
	}
}

func TestListenerThatBreaks(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if err := Serve(t.Context(), l, Options{Connections: 1, PerClient: 1}); err == nil {
		t.Error("no error")
	}
}
