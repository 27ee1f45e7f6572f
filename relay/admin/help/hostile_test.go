package help

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// raw sends bytes as they are and gives all answers until the server hangs up, or has been silent for a while.
func raw(t *testing.T, address, request string) string {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	io.WriteString(c, request)
	c.(*net.TCPConn).CloseWrite()
	b, _ := io.ReadAll(c)
	return string(b)
}

// Nothing that a stranger writes into a request comes back on a page or in a header, where a cache would keep it for others.
func TestNothingIsReflected(t *testing.T) {
	address := strings.TrimPrefix(serve(t, testPages(testSettings())), "http://")
	const mark = "ev1l"
	for _, request := range []string{
		"GET /help/ HTTP/1.1\r\nHost: ev1l.example\r\nX-Forwarded-Host: ev1l\r\nX-Forwarded-Proto: ev1l\r\nForwarded: host=ev1l\r\n",
		"GET / HTTP/1.1\r\nHost: ev1l.example\r\nX-Forwarded-Prefix: /ev1l\r\nX-Original-URL: /ev1l\r\n",
		"GET http://ev1l.example/help/ HTTP/1.1\r\nHost: x\r\n",
		"GET http://ev1l.example HTTP/1.1\r\nHost: ev1l\r\n",
		"GET //ev1l.example/help/ HTTP/1.1\r\nHost: x\r\n",
		"GET /help/ev1l HTTP/1.1\r\nHost: x\r\n",
		"GET /help/..%2f..%2fev1l HTTP/1.1\r\nHost: x\r\n",
		"GET /help/../../../../etc/passwd?ev1l HTTP/1.1\r\nHost: x\r\n",
		"GET /help/tls-version?lang=ev1l HTTP/1.1\r\nHost: x\r\nAccept-Language: ev1l\r\n",
		"GET /help/tls-version?lang=de%0d%0aX-Ev1l:%20ev1l HTTP/1.1\r\nHost: x\r\n",
		"GET /help/tls-version?lang=de;domain=ev1l.example&id=ev1l&utm=ev1l HTTP/1.1\r\nHost: x\r\n",
		"GET /help/tls-version?domain=ev1l%22%3e HTTP/1.1\r\nHost: x\r\nCookie: ev1l\r\nReferer: http://ev1l/\r\n",
		"POST /help/ HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nX: ev1l\r\n\r\nev1l",
		"OPTIONS * HTTP/1.1\r\nHost: ev1l\r\n",
		"TRACE /help/ HTTP/1.1\r\nHost: x\r\nX: ev1l\r\n",
		"CONNECT ev1l.example:25 HTTP/1.1\r\nHost: ev1l.example:25\r\n",
		"EV1L /help/ev1l HTTP/1.1\r\nHost: x\r\n",
		"GET /help/ HTTP/1.1\r\nHost: x\r\nev1l\r\n",
		"ev1l\r\n",
	} {
		answer := raw(t, address, request+"\r\n")
		if !strings.HasPrefix(answer, "HTTP/1.1 ") || strings.Contains(strings.ToLower(answer), mark) {
			t.Errorf("%q: %q", request, answer)
		}
	}
}

// What follows a request of unclear length is not taken for a request of its own: behind a proxy, it may be another one's.
func TestNoSmuggling(t *testing.T) {
	address := strings.TrimPrefix(serve(t, testPages(testSettings())), "http://")
	const inner = "GET /help/tls-cipher HTTP/1.1\r\nHost: x\r\n\r\n"
	for name, request := range map[string]string{
		"two lengths":         "GET /help/ HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nContent-Length: " + fmt.Sprint(len(inner)) + "\r\n\r\n" + inner,
		"chunks behind space": "GET /help/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + inner,
		"unknown encoding":    "GET /help/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + inner,
		"a body":              "POST /help/ HTTP/1.1\r\nHost: x\r\nContent-Length: " + fmt.Sprint(len(inner)) + "\r\n\r\n" + inner,
		"broken chunk":        "POST /help/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0x1\r\n" + inner,
		"sign":                "GET /help/ HTTP/1.1\r\nHost: x\r\nContent-Length: +0\r\n\r\n" + inner,
	} {
		if answer := raw(t, address, request); strings.Count(answer, "HTTP/1.1 ") != 1 || strings.Contains(answer, "<code>tls-cipher</code>") {
			t.Errorf("%s: %q", name, answer)
		}
	}
}

// Requests that are sent all at once are answered, and limited, as others are.
func TestPipelining(t *testing.T) {
	address := strings.TrimPrefix(serve(t, testPages(testSettings())), "http://")
	answer := raw(t, address, strings.Repeat("HEAD /help/ HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 203.0.113.9\r\n\r\n", 3*clientBurst))
	served, refused := strings.Count(answer, "HTTP/1.1 200 "), strings.Count(answer, "HTTP/1.1 429 ")
	if served < clientBurst || served > clientBurst+10 || served+refused != 3*clientBurst {
		t.Errorf("%d served, %d refused", served, refused)
	}
}
