//go:build linux

package load

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	netmail "net/mail"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tlsrelay/cmd/relaybench/sink"
)

// send hands n messages to a sink that behaves as told.
func send(t *testing.T, s sink.Options, o Options, n int) (*Result, error) {
	t.Helper()
	server, err := sink.Listen("127.0.0.1:0", s)
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close() // so that all it has to tell is told
	o.Address = server.Address()
	p, err := Dial(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	return p.Send(t.Context(), n)
}

func TestSend(t *testing.T) {
	for _, c := range []struct {
		name    string
		reply   map[string]string
		refused string // "": all are acknowledged
	}{
		{"taken", nil, ""},
		{"recipient refused", map[string]string{"rcpt": "451 4.7.1 later"}, "RCPT 451"},
		{"sender refused", map[string]string{"mail": "550 no"}, "MAIL 550"},
		{"no data", map[string]string{"data": "452 4.3.1 full"}, "DATA 452"},
		{"content refused", map[string]string{"dot": "554 5.6.0 no"}, "end of data 554"},
		{"two lines", map[string]string{"dot": "554-one\r\n554 two"}, "end of data 554"},
	} {
		for _, pipelining := range []bool{false, true} {
			t.Run(c.name, func(t *testing.T) {
				const n = 100
				r, err := send(t, sink.Options{Replies: c.reply}, Options{Clients: 7, Size: 1000, Pipelining: pipelining}, n)
				if err != nil || r.Sent != n || r.Unknown != 0 {
					t.Fatalf("sent %d, unknown %d, %v", r.Sent, r.Unknown, err)
				}
				if c.refused == "" && (r.Acknowledged != n || len(r.Refused) != 0) || c.refused != "" && r.Refused[c.refused] != n {
					t.Errorf("acknowledged %d, refused %v", r.Acknowledged, r.Refused)
				}
			})
		}
	}
}

func TestEachMessageHasItsRecipient(t *testing.T) {
	const n, first, domains = 500, 1000, 7
	var mu sync.Mutex
	seen := map[string]int{}
	r, err := send(t, sink.Options{Received: func(m sink.Message) {
		mu.Lock()
		defer mu.Unlock()
		if seen[m.Recipients[0]]++; m.ID != MessageID(RecipientNumber(m.Recipients[0])) {
			t.Errorf("message %q came for %s", m.ID, m.Recipients)
		}
	}}, Options{Clients: 20, Size: 500, First: first, Domains: domains}, n)
	if err != nil {
		t.Fatal(err)
	}
	for i := first; i < first+n; i++ {
		address := Recipient(i, domains)
		if seen[address] != 1 || RecipientNumber(address) != i {
			t.Fatalf("%s came %d times, and is number %d", address, seen[address], RecipientNumber(address))
		}
	}
	numbers := slices.Sorted(slices.Values(r.Numbers()))
	if len(seen) != n || len(numbers) != n || numbers[0] != first || numbers[n-1] != first+n-1 {
		t.Errorf("%d recipients, numbers from %d to %d", len(seen), numbers[0], numbers[len(numbers)-1])
	}
	for _, address := range []string{"", "r12@d.dest.test", "x0000000001@d0000000001.dest.test", "r00000000x1@d0000000001.dest.test"} {
		if got := RecipientNumber(address); got != -1 {
			t.Errorf("RecipientNumber(%q) = %d", address, got)
		}
	}
}

// TestLargeMessages do not fit into a socket's buffers: they go out in pieces.
func TestLargeMessages(t *testing.T) {
	const n, size = 6, 20_000_000
	server, err := sink.Listen("127.0.0.1:0", sink.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	p, err := Dial(t.Context(), Options{Address: server.Address(), Clients: 3, Size: size})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	r, err := p.Send(t.Context(), n)
	if err != nil || r.Acknowledged != n {
		t.Fatalf("%d acknowledged, %v", r.Acknowledged, err)
	}
	if messages, bytes, _ := server.Counts(); messages != n || bytes != n*size {
		t.Errorf("%d messages of %d bytes came", messages, bytes)
	}
}

func TestContent(t *testing.T) {
	for _, size := range []int{0, 1, 200, 201, 202, 203, 300, 4096, maxOwn, maxOwn + 1, 100_000} {
		m := newMail(Options{Size: size, Domains: 1}).clone()
		m.number(42)
		own, shared := m.content()
		text := append(bytes.Clone(own), shared...)
		content, ok := bytes.CutSuffix(text, []byte("\r\n.\r\n"))
		if !ok {
			t.Fatalf("size %d: it ends with %q", size, text[max(0, len(text)-10):])
		}
		if got := len(text) - len(".\r\n"); size > 200 && got != size {
			t.Errorf("size %d: %d bytes", size, got)
		}
		if bare := bytes.ReplaceAll(content, []byte("\r\n"), nil); bytes.ContainsAny(bare, "\r\n") || bytes.Contains(content, []byte("\n.")) {
			t.Errorf("size %d: broken lines", size)
		}
		parsed, err := netmail.ReadMessage(bytes.NewReader(content))
		if err != nil || parsed.Header.Get("Message-Id") != "<0000000042@bench.test>" {
			t.Errorf("size %d: %v, %v", size, parsed, err)
		}
	}
}

// scripted greets, then gives each connection to fn.
func scripted(t *testing.T, fn func(in *bufio.Reader, out io.Writer)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var done sync.WaitGroup
	done.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			done.Go(func() {
				defer c.Close()
				in := bufio.NewReader(c)
				io.WriteString(c, "220 hello\r\n")
				in.ReadString('\n')
				io.WriteString(c, "250 hello\r\n")
				fn(in, c)
			})
		}
	})
	t.Cleanup(func() { l.Close(); done.Wait() })
	return l.Addr().String()
}

// take answers commands up to the end of data with the given text.
func take(in *bufio.Reader, out io.Writer, end string) bool {
	for _, reply := range []string{"250 ok", "250 ok", "354 go"} {
		if _, err := in.ReadString('\n'); err != nil {
			return false
		}
		io.WriteString(out, reply+"\r\n")
	}
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return false
		}
		if line == ".\r\n" {
			io.WriteString(out, end)
			return true
		}
	}
}

func TestBooks(t *testing.T) {
	for _, c := range []struct {
		name    string
		serve   func(in *bufio.Reader, out io.Writer)
		want    Result
		refused string
		ids     string
	}{
		{"queue IDs", func(in *bufio.Reader, out io.Writer) {
			for take(in, out, "250 2.0.0 Ok: queued as 4XYZ\r\n") {
			}
		}, Result{Sent: 2, Acknowledged: 2}, "", "4XYZ 4XYZ"},
		{"lost before the answer", func(in *bufio.Reader, out io.Writer) { take(in, out, "") }, Result{Sent: 1, Unknown: 1}, "", ""},
		{"lost within the answer", func(in *bufio.Reader, out io.Writer) { take(in, out, "250 2.0") }, Result{Sent: 1, Unknown: 1}, "", ""},
		{"lost at once", func(*bufio.Reader, io.Writer) {}, Result{Sent: 1}, "connection lost", ""},
		{"nonsense", func(_ *bufio.Reader, out io.Writer) { io.WriteString(out, "hm?\r\n") }, Result{Sent: 1}, "connection lost", ""},
		{"endless line", func(_ *bufio.Reader, out io.Writer) { io.WriteString(out, strings.Repeat("2", 9000)) }, Result{Sent: 1}, "connection lost", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := Dial(t.Context(), Options{Address: scripted(t, c.serve), Clients: 1, Size: 300})
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			r, err := p.Send(t.Context(), 2)
			if (err != nil) != (c.want.Acknowledged < 2) || err != nil && !errors.Is(err, ErrAllLost) {
				t.Errorf("error %v", err)
			}
			if r.Sent != c.want.Sent || r.Acknowledged != c.want.Acknowledged || r.Unknown != c.want.Unknown ||
				c.refused != "" && r.Refused[c.refused] != 1 || strings.Join(r.IDs(), " ") != c.ids {
				t.Errorf("sent %d, acknowledged %d, unknown %d, refused %v, IDs %v", r.Sent, r.Acknowledged, r.Unknown, r.Refused, r.IDs())
			}
		})
	}
}

func TestSilenceAndInterrupt(t *testing.T) {
	silent := func(in *bufio.Reader, _ io.Writer) { io.Copy(io.Discard, in) }
	p, err := Dial(t.Context(), Options{Address: scripted(t, silent), Clients: 2, Size: 300, Patience: 300 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if _, err := p.Send(t.Context(), 5); err == nil || !strings.Contains(err.Error(), "has not answered for 300ms") {
		t.Errorf("silence gives %v", err)
	}
	p2, err := Dial(t.Context(), Options{Address: scripted(t, silent), Clients: 2, Size: 300})
	if err != nil {
		t.Fatal(err)
	}
	defer p2.Close()
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	if _, err := p2.Send(ctx, 5); !errors.Is(err, context.Canceled) {
		t.Errorf("an interrupt gives %v", err)
	}
}

func TestDialRefuses(t *testing.T) {
	address := scripted(t, func(in *bufio.Reader, _ io.Writer) { io.Copy(io.Discard, in) })
	if _, err := Dial(t.Context(), Options{Address: address, Clients: 1, Pipelining: true}); err == nil ||
		!strings.Contains(err.Error(), "does not offer PIPELINING") {
		t.Errorf("no PIPELINING gives %v", err)
	}
	s, err := sink.Listen("127.0.0.1:0", sink.Options{Replies: map[string]string{"connect": "554 no"}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := Dial(t.Context(), Options{Address: s.Address(), Clients: 1}); err == nil || !strings.Contains(err.Error(), `greeting: 554 "no"`) {
		t.Errorf("a refusal gives %v", err)
	}
}

func TestLatency(t *testing.T) {
	r := newResult(0)
	if r.Latency(0.5) != 0 || r.PerSecond() != 0 {
		t.Error("nothing gives something")
	}
	for i := range 101 {
		r.acknowledge(i, []byte("250 ok"), time.Duration(100-i)*time.Millisecond)
	}
	r.Elapsed = 2 * time.Second
	if got := r.Latency(0.99); got != 99*time.Millisecond {
		t.Errorf("p99 %v", got)
	}
	if got := r.Latency(0.5); got != 50*time.Millisecond {
		t.Errorf("p50 %v", got)
	}
	if got := r.PerSecond(); got != 50.5 {
		t.Errorf("%v a second", got)
	}
}
