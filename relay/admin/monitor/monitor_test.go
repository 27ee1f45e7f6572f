package monitor

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestHandler(t *testing.T) {
	why := ""
	h := Handler(func(context.Context) string { return why }, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "numbers") }))
	for _, test := range []struct {
		method, path, why string
		status            int
		says              string
	}{
		{"GET", "/healthz", "", 200, "ok\n"},
		{"GET", "/healthz", "The relay is stopping.", 200, "ok\n"},
		{"GET", "/readyz", "", 200, "ok\n"},
		{"GET", "/readyz", "The relay is stopping.", 503, "The relay is stopping.\n"},
		{"HEAD", "/readyz", "The relay is stopping.", 503, ""},
		{"GET", "/metrics", "", 200, "numbers"},
		{"GET", "/", "", 404, "/healthz, /readyz and /metrics"},
		{"GET", "/metrics/x", "", 404, "/healthz, /readyz and /metrics"},
		{"POST", "/metrics", "", 405, ""},
		{"PUT", "/healthz", "", 405, ""},
		{"DELETE", "/readyz", "", 405, ""},
		{"OPTIONS", "/", "", 405, ""},
		{"TRACE", "/ev1l", "", 405, ""},
	} {
		why = test.why
		r := httptest.NewRequest(test.method, test.path, strings.NewReader("ev1l"))
		r.Host = "ev1l.example"
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != test.status || !strings.Contains(w.Body.String(), test.says) {
			t.Errorf("%s %s: %d %q", test.method, test.path, w.Code, w.Body)
		}
		if w.Code == 405 && w.Header().Get("Allow") != "GET, HEAD" {
			t.Errorf("%s %s: allows %q", test.method, test.path, w.Header().Get("Allow"))
		}
		if strings.Contains(w.Body.String(), "ev1l") || w.Header().Get("Cache-Control") != "no-store" || w.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s %s: %v %q", test.method, test.path, w.Header(), w.Body)
		}
	}
}

// Clients that send their header a byte at a time, or nothing, do not keep others from their answers, nor the relay from its end.
func TestHostileClients(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	ready := func(context.Context) string { return "" }
	go func() { ended <- Serve(ctx, l, Handler(ready, http.NotFoundHandler())) }()
	var slow []net.Conn
	for range maxClientConnections / 2 {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		slow = append(slow, c)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for i := range "GET /readyz HTTP/1.1" {
		for _, c := range slow {
			io.WriteString(c, "GET /readyz HTTP/1.1"[i:i+1])
		}
		res, err := client.Get("http://" + l.Addr().String() + "/readyz")
		if err != nil || res.StatusCode != http.StatusOK {
			t.Fatalf("%v, %v", res, err)
		}
		res.Body.Close()
	}
	for range maxClientConnections - len(slow) {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	if res, err := client.Get("http://" + l.Addr().String() + "/healthz"); err == nil {
		res.Body.Close()
		t.Error("one client has as many connections as it likes")
	}
	began := time.Now()
	stop()
	if err := <-ended; err != nil || time.Since(began) > 10*time.Second {
		t.Errorf("stopped after %v: %v", time.Since(began), err)
	}
}
