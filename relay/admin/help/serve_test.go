package help

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestServe(t *testing.T) {
	base := serve(t, testPages(testSettings()))
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Get(base + "/") // over the redirect
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != 200 || res.Request.URL.Path != "/help/" || !strings.Contains(string(text), "relay.example.net") {
		t.Errorf("got %s %s, %v", res.Status, res.Request.URL, err)
	}
	r, _ := http.NewRequest("GET", base+"/help/", nil)
	r.Header.Set("Cookie", strings.Repeat("a", 3*maxHeader))
	if res, err := client.Do(r); err != nil || res.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("a long header: %v, %v", res, err)
	} else {
		res.Body.Close()
	}
}

// A client that opens connections and says nothing takes its own places alone, and the stop does not wait for it.
func TestConnectionsOfOneClient(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- testPages(testSettings()).Serve(ctx, l) }()
	var open []net.Conn
	for range maxClientConnections + 1 {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		open = append(open, c)
	}
	last := open[maxClientConnections]
	last.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := last.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("one connection too many: %v", err)
	}
	open[0].Close()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		if res, err := client.Get("http://" + l.Addr().String() + "/help/"); err == nil {
			res.Body.Close()
			break
		} else if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	began := time.Now()
	stop()
	if err := <-ended; err != nil || time.Since(began) > 2*stopTime {
		t.Errorf("stopped after %v: %v", time.Since(began), err)
	}
}

func TestListenerThatBreaks(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if err := testPages(testSettings()).Serve(t.Context(), l); err == nil {
		t.Error("no error")
	}
}
