package smtpclient

import (
	"bufio"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func parse(s string) (Reply, error) { return readReply(bufio.NewReader(strings.NewReader(s))) }

func TestReadReply(t *testing.T) {
	long := strings.Repeat("x", 5000)
	tests := []struct {
		name, in string
		want     Reply
	}{
		{"one line", "250 ok\r\n", Reply{250, "", []string{"250 ok"}}},
		{"bare code", "250\r\n", Reply{250, "", []string{"250"}}},
		{"code and space", "250 \r\n", Reply{250, "", []string{"250 "}}},
		{"bare LF", "250-a\n250 b\n", Reply{250, "", []string{"250-a", "250 b"}}},
		{"CR CR LF", "250 a\r\r\n", Reply{250, "", []string{"250 a"}}},
		{"enhanced", "550 5.1.1 no such user\r\n", Reply{550, "5.1.1", []string{"550 5.1.1 no such user"}}},
		{"enhanced alone", "550 5.1.1\r\n", Reply{550, "5.1.1", []string{"550 5.1.1"}}},
		{"enhanced on the last line only", "550-no\r\n550 5.7.1 go\r\n",
			Reply{550, "5.7.1", []string{"550-no", "550 5.7.1 go"}}},
		{"enhanced of another class", "450 5.1.1 x\r\n", Reply{450, "", []string{"450 5.1.1 x"}}},
		{"enhanced with zeros", "550 5.01.1 x\r\n", Reply{550, "", []string{"550 5.01.1 x"}}},
		{"enhanced too long", "550 5.1.1234 x\r\n", Reply{550, "", []string{"550 5.1.1234 x"}}},
		{"enhanced with four parts", "550 5.1.1.1 x\r\n", Reply{550, "", []string{"550 5.1.1.1 x"}}},
		{"no enhanced code in class 3", "354 3.0.0 go\r\n", Reply{354, "", []string{"354 3.0.0 go"}}},
		{"Latin-1 and escapes", "550 gr\xfc\xdfe\x1b[0m\r\n", Reply{550, "", []string{"550 gr\xfc\xdfe\x1b[0m"}}},
		{"long line is cut", "250 " + long + "\r\n", Reply{250, "", []string{"250 " + long[:maxReplyLine-4]}}},
		{"more follows", "250 a\r\n550 b\r\n", Reply{250, "", []string{"250 a"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parse(tt.in)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
			if got.Text() != strings.Join(tt.want.Lines, "\n") {
				t.Errorf("Text %q", got.Text())
			}
		})
	}
}

func TestReadReplyRefuses(t *testing.T) {
	tests := []struct {
		name, in string
		want     error
	}{
		{"mixed codes", "250-a\r\n550 b\r\n", ErrProtocol},
		{"empty line", "\r\n", ErrProtocol},
		{"no code", "hello\r\n", ErrProtocol},
		{"short code", "25\r\n", ErrProtocol},
		{"code 199", "199 x\r\n", ErrProtocol},
		{"code 600", "600 x\r\n", ErrProtocol},
		{"four digits", "2500 x\r\n", ErrProtocol},
		{"tab behind the code", "250\tx\r\n", ErrProtocol},
		{"NUL", "250 a\x00b\r\n", ErrProtocol},
		{"TLS record", "\x15\x03\x01\x00\x02\x02\x46\n", ErrProtocol},
		{"HTTP", "HTTP/1.1 400 Bad Request\r\n", ErrProtocol},
		{"endless lines", strings.Repeat("250-x\r\n", 200), ErrProtocol},
		{"endless line", "250 " + strings.Repeat("x", 1<<20) + "\r\n", ErrProtocol},
		{"long lines without end", strings.Repeat("250-"+strings.Repeat("x", 4000)+"\r\n", 60), ErrProtocol},
		{"end before a reply", "", io.EOF},
		{"end within a line", "250 ok", io.ErrUnexpectedEOF},
		{"end within a reply", "250-ok\r\n", io.ErrUnexpectedEOF},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got, err := parse(tt.in); !errors.Is(err, tt.want) || len(got.Lines) != 0 {
				t.Errorf("%v, %v, want %v", got, err, tt.want)
			}
		})
	}
}

func TestReplyClasses(t *testing.T) {
	no, yes, neither := [2]bool{false, true}, [2]bool{true, false}, [2]bool{}
	for code, want := range map[int][2]bool{0: neither, 250: yes, 354: neither, 421: no, 550: no} {
		r := Reply{Code: code}
		if got := [2]bool{r.Positive(), r.Refusal()}; got != want {
			t.Errorf("%d: %v, want %v", code, got, want)
		}
	}
}

func FuzzReply(f *testing.F) {
	for _, s := range []string{
		"250 ok\r\n", "250\n", "250-mx.test\r\n250-SIZE 100\r\n250-AUTH=LOGIN\r\n250 StartTLS\r\n", "550 5.1.1 x\r\n",
		"250-\r\n250-AUTH PLAIN\r\n250 SIZE x\r\n", "250-a\r\n550 b\r\n", "\x00",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		reply, err := parse(in)
		if err != nil {
			return
		}
		if reply.Code < 200 || reply.Code > 599 || len(reply.Lines) == 0 || len(reply.Lines) > maxReplyLines {
			t.Fatalf("code %d, %d lines", reply.Code, len(reply.Lines))
		}
		for _, line := range reply.Lines {
			if len(line) > maxReplyLine || strings.ContainsAny(line, "\n\x00") {
				t.Fatalf("line %q", line)
			}
		}
		if e := reply.Enhanced; e != "" && (e[0] != reply.Lines[0][0] || len(e) > 9) {
			t.Fatalf("enhanced code %q of %q", e, reply.Text())
		}
		again, err := parse(reply.Text() + "\r\n")
		if err != nil || again.Text() != strings.TrimRight(reply.Text(), "\r") {
			t.Fatalf("%q read again is %q, %v", reply.Text(), again.Text(), err)
		}
		if e := parseExtensions(reply); e.MaxSize < 0 {
			t.Fatalf("size %d", e.MaxSize)
		}
	})
}

// endlessly reads as a text that is repeated for ever.
type endlessly struct {
	text string
	at   int
}

func (e *endlessly) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = e.text[e.at]
		e.at = (e.at + 1) % len(e.text)
	}
	return len(b), nil
}

// TestReplyMemory: what a reply may make us allocate is bounded by what we read of it.
func TestReplyMemory(t *testing.T) {
	for _, text := range []string{"250-x\r\n", "250-" + strings.Repeat("x", 1e6) + "\r\n", "250-" + strings.Repeat("x", 2000) + "\r\n", "x", "\n"} {
		r := bufio.NewReader(&endlessly{text: text})
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := readReply(r)
		runtime.ReadMemStats(&after)
		if allocated := after.TotalAlloc - before.TotalAlloc; !errors.Is(err, ErrProtocol) || allocated > 3*maxReplyBytes {
			t.Errorf("%.10q: %d bytes allocated, %v", text, allocated, err)
		}
	}
}
