package sink

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/smtp"
	"slices"
	"strings"
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
		{"no chunks", Options{}, []string{"MAIL FROM:<>", "RCPT TO:<b@y.test>", "BDAT 3 LAST\r\nx"}, "220 250 250 501", 0},
		{"chunks", Options{Chunking: true}, []string{"MAIL FROM:<>", "RCPT TO:<b@y.test>", "BDAT 4\r\nab", "BDAT 2 LAST\r\n", "BDAT 0", "NOOP"},
			"220 250 250 250 250 503 250", 1},
		{"a chunk of nonsense", Options{Chunking: true}, []string{"MAIL FROM:<>", "BDAT x"}, "220 250 501", 0},
		{"only over TLS", Options{TLS: true, OnlyTLS: true}, mail[:3], "220 530 503 503", 0},
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

// TestOffers: what EHLO offers can be chosen.
func TestOffers(t *testing.T) {
	for _, c := range []struct {
		opts       Options
		has, lacks string
	}{
		{Options{}, "PIPELINING", "CHUNKING"},
		{Options{Chunking: true, NoPipelining: true}, "CHUNKING", "PIPELINING"},
		{Options{Chunking: true, TLS: true}, "STARTTLS", "AUTH"},
	} {
		client, err := smtp.Dial(start(t, c.opts).Address())
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		has, _ := client.Extension(c.has)
		lacks, _ := client.Extension(c.lacks)
		if !has || lacks {
			t.Errorf("%+v: %s %v, %s %v", c.opts, c.has, has, c.lacks, lacks)
		}
	}
}

// TestOneFlight: a whole message comes in one write, larger than any buffer, and all answers with the last one.
func TestOneFlight(t *testing.T) {
	got := make(chan Message, 2)
	s := start(t, Options{Chunking: true, Received: func(m Message) { got <- m }})
	c, err := net.Dial("tcp", s.Address())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	in := bufio.NewReader(c)
	answer(t, in)
	body := "Message-ID: <77@x.test>\r\n\r\n" + strings.Repeat(".\r\nMAIL FROM:<x@y.test>\r\n", 5000)
	for range 2 {
		fmt.Fprintf(c, "MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\nBDAT %d LAST\r\n%s", len(body), body)
		for range 3 {
			if code := answer(t, in); code != "250" {
				t.Fatalf("an answer is %s", code)
			}
		}
		if m := <-got; m.ID != "77" || !slices.Equal(m.Recipients, []string{"b@y.test"}) {
			t.Errorf("received %+v", m)
		}
	}
	if messages, bytes, _ := s.Counts(); messages != 2 || bytes != int64(2*len(body)) {
		t.Errorf("%d messages, %d bytes", messages, bytes)
	}
}

func TestOneConnectionAtATime(t *testing.T) {
	s := start(t, Options{Connections: 1})
	first, err := smtp.Dial(s.Address())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := smtp.Dial(s.Address()); err == nil || !strings.Contains(err.Error(), "421") {
		t.Errorf("a second client gets %v", err)
	}
	first.Close()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) { // the sink sees it a little later
		next, err := smtp.Dial(s.Address())
		if err == nil {
			next.Close()
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the next client gets %v", err)
		}
	}
}

func TestSeveralAddresses(t *testing.T) {
	s := start(t, Options{})
	if err := s.Also(netip.MustParseAddr("127.8.0.1")); err != nil {
		t.Fatal(err)
	}
	c, err := smtp.Dial(fmt.Sprintf("127.8.0.1:%d", s.AddrPort().Port()))
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	if n := s.Opened(); n != 1 {
		t.Errorf("%d connections counted", n)
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
	got := make(chan Message, 1)
	s := start(t, Options{TLS: true, Received: func(m Message) { got <- m }})
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
	const text = "Subject: hello\r\nMESSAGE-ID: <4711@x.test>\r\n\r\nhello\r\n"
	fmt.Fprint(w, text)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if m := <-got; !slices.Equal(m.Recipients, []string{"b@y.test", "c@y.test"}) || m.ID != "4711" || time.Since(m.At) > time.Minute {
		t.Errorf("received %+v", m)
	}
	if _, bytes, _ := s.Counts(); bytes != int64(len(text)) {
		t.Errorf("%d bytes taken", bytes)
	}
}

// TestVisits: each connection is told of once, with what its ClientHello offered; a sink with old TLS goes no further.
func TestVisits(t *testing.T) {
	told := make(chan Visit, 3)
	s := start(t, Options{TLS: true, OldTLS: true, Visited: func(v Visit) { told <- v }})
	talk(t, s, "EHLO c", "QUIT")
	visits := []Visit{<-told}
	c, err := smtp.Dial(s.Address())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.StartTLS(&tls.Config{InsecureSkipVerify: true}); err == nil || !strings.Contains(err.Error(), "protocol version") {
		t.Errorf("the handshake ends with %v", err)
	}
	c.Close()
	s.Close()
	close(told)
	for v := range told {
		visits = append(visits, v)
	}
	if len(visits) != 2 || visits[0].Versions != nil || !slices.Equal(visits[1].Versions, []uint16{tls.VersionTLS13, tls.VersionTLS12}) {
		t.Fatalf("%+v", visits)
	}
	for _, v := range visits {
		if v.From.IsZero() || !v.To.After(v.From) {
			t.Errorf("%+v", v)
		}
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
