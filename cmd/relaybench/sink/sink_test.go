package sink

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/smtp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func start(t *testing.T, o Options) *Sink {
	t.Helper()
	s, err := Listen("127.0.0.1:0", o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// talk says lines one by one and gives the codes of the answers; "." lines belong to content and have none of their own.
func talk(t *testing.T, s *Sink, lines ...string) []string {
	t.Helper()
	c, err := net.Dial("tcp", s.Address())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	in := bufio.NewReader(c)
	codes := []string{answer(t, in)}
	for _, line := range lines {
		if _, err := io.WriteString(c, line+"\r\n"); err != nil {
			return append(codes, "closed")
		}
		codes = append(codes, answer(t, in))
	}
	return codes
}

func answer(t *testing.T, in *bufio.Reader) string {
	t.Helper()
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return "closed"
		}
		if len(line) < 5 || line[3] != '-' {
			return line[:3]
		}
	}
}

func TestDialogue(t *testing.T) {
	mail := []string{"MAIL FROM:<a@x.test>", "RCPT TO:<b@y.test>", "DATA", "Subject: x\r\n\r\n..text\r\n."}
	for _, c := range []struct {
		name  string
		opts  Options
		lines []string
		want  string
		taken int64
	}{
		{"all is taken", Options{}, append([]string{"EHLO c"}, mail...), "220 250 250 250 354 250", 1},
		{"two messages", Options{}, append(mail, mail...), "220 250 250 354 250 250 250 354 250", 2},
		{"lower case", Options{}, []string{"helo c", "mail from:<>", "rcpt to:<b@y.test>", "data", "x\r\n.", "quit"}, "220 250 250 250 354 250 221", 1},
		{"only CRLF ends a line", Options{}, []string{"MAIL FROM:<>", "RCPT TO:<b@y.test>", "DATA", "x\n.\r\ny\r\n."}, "220 250 250 354 250", 1},
		{"no recipient", Options{}, []string{"MAIL FROM:<>", "DATA", "NOOP"}, "220 250 503 250", 0},
		{"nonsense", Options{}, []string{"FROB", strings.Repeat("x", 30_000), "STARTTLS", "RSET"}, "220 500 500 502 250", 0},
		{"refused recipient", Options{Replies: map[string]string{"rcpt": "550 5.1.1 no"}}, mail[:3], "220 250 550 503", 0},
		{"refused content", Options{Replies: map[string]string{"dot": "451 4.7.1 later"}}, mail, "220 250 250 354 451", 0},
		{"refused client", Options{Replies: map[string]string{"connect": "554 no"}}, []string{"EHLO c"}, "554 closed", 0},
		{"hangs up", Options{Replies: map[string]string{"mail": "421 4.3.2 bye"}}, mail[:2], "220 421 closed", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := start(t, c.opts)
			if got := strings.Join(talk(t, s, c.lines...), " "); got != c.want {
				t.Errorf("answers %s, want %s", got, c.want)
			}
			if messages, _, _ := s.Counts(); messages != c.taken {
				t.Errorf("%d messages taken, want %d", messages, c.taken)
			}
		})
	}
}

func TestPipelinedGroupGetsOneWrite(t *testing.T) {
	s := start(t, Options{})
	c, err := net.Dial("tcp", s.Address())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	buf := make([]byte, 4096)
	c.Read(buf)
	io.WriteString(c, "MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\nDATA\r\n")
	n, err := c.Read(buf)
	if err != nil || strings.Count(string(buf[:n]), "\r\n") != 3 {
		t.Errorf("the first read gave %q, %v", buf[:n], err)
	}
}

func TestSTARTTLS(t *testing.T) {
	var mu sync.Mutex
	var got []string
	s := start(t, Options{TLS: true, Received: func(recipients []string) {
		mu.Lock()
		defer mu.Unlock()
		got = append(got, recipients...)
	}})
	c, err := smtp.Dial(s.Address())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.StartTLS(&tls.Config{InsecureSkipVerify: true}); err != nil { // self-signed
		t.Fatal(err)
	}
	state, _ := c.TLSConnectionState()
	if key := state.PeerCertificates[0].PublicKeyAlgorithm; key != x509.ECDSA {
		t.Errorf("the certificate's key is %v", key)
	}
	if c.Mail("a@x.test") != nil || c.Rcpt("b@y.test") != nil || c.Rcpt("c@y.test") != nil {
		t.Fatal("envelope refused")
	}
	w, err := c.Data()
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(w, "hello\r\n")
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	if !slices.Equal(got, []string{"b@y.test", "c@y.test"}) {
		t.Errorf("received for %v", got)
	}
	if _, bytes, _ := s.Counts(); bytes != int64(len("hello\r\n")) {
		t.Errorf("%d bytes taken", bytes)
	}
}

func TestSlowness(t *testing.T) {
	const pause = 50 * time.Millisecond
	mail := []string{"MAIL FROM:<>", "RCPT TO:<b@y.test>", "DATA", "x\r\n."}
	began := time.Now()
	talk(t, start(t, Options{Delay: pause}), mail...)
	if took := time.Since(began); took < pause {
		t.Errorf("with a delay of %v a message took %v", pause, took)
	}
	began = time.Now()
	talk(t, start(t, Options{Tarpit: 2 * time.Millisecond}))
	if took := time.Since(began); took < 2*time.Millisecond*time.Duration(len("220 sink")) {
		t.Errorf("in the tarpit the greeting took %v", took)
	}
}

func TestCloseDoesNotWaitForSlowAnswers(t *testing.T) {
	s := start(t, Options{Tarpit: time.Hour})
	c, err := net.Dial("tcp", s.Address())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	time.Sleep(20 * time.Millisecond)
	began := time.Now()
	s.Close()
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("Close took %v", took)
	}
}

func TestParseReply(t *testing.T) {
	for text, want := range map[string]string{
		"451": "451 as it was told to answer", "550 5.1.1 no": "550 5.1.1 no",
		"": "", "45": "", "4x1": "", "600": "", "451later": "", "451 a\r\nb": "",
	} {
		got, err := ParseReply(text)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("ParseReply(%q) = %q, %v", text, got, err)
		}
	}
}
