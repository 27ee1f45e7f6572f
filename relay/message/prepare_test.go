package message

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/mail"
	"net/netip"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

var testOptions = Options{
	Hostname: "relay.example.net",
	ID:       "0e9xq2v7c4k1g",
	Now:      time.Date(2026, 3, 2, 10, 0, 0, 0, time.FixedZone("", 3600)),
	Helo:     "client.example.com",
	Client:   netip.MustParseAddr("192.0.2.1"),
}

// complete is a header that lacks nothing, so that only Received is added.
const complete = "Date: Mon, 2 Mar 2026 09:59:58 +0100\r\nMessage-ID: <m1@client.example.com>\r\n"

func prepare(t *testing.T, in string) (string, Info) {
	t.Helper()
	var out bytes.Buffer
	info, err := Prepare(&out, strings.NewReader(in), testOptions)
	if err != nil {
		t.Fatalf("Prepare(%q): %v", in, err)
	}
	if info.Size != int64(out.Len()) {
		t.Errorf("Size is %d, written were %d bytes", info.Size, out.Len())
	}
	if err := wireError(out.Bytes()); err != nil {
		t.Errorf("Prepare(%q): %v in %q", in, err, out.String())
	}
	return out.String(), info
}

// wireError says how b breaks the rule that every message keeps on the wire.
func wireError(b []byte) error {
	if !bytes.HasSuffix(b, []byte("\r\n")) {
		return errors.New("last line is not complete")
	}
	for i, line := range bytes.Split(bytes.TrimSuffix(b, []byte("\r\n")), []byte("\r\n")) {
		if bytes.ContainsAny(line, "\r\n\x00") {
			return fmt.Errorf("line %d has CR, LF or NUL", i+1)
		}
		if len(line) > 998 {
			return fmt.Errorf("line %d has %d octets", i+1, len(line))
		}
	}
	return nil
}

func TestPrepareCompletes(t *testing.T) {
	const (
		date = "Date: Mon, 2 Mar 2026 10:00:00 +0100\r\n"
		id   = "Message-ID: <0e9xq2v7c4k1g@relay.example.net>\r\n"
	)
	for _, tt := range []struct{ name, in, want string }{
		{"nothing missing", complete + "\r\nhi\r\n", complete + "\r\nhi\r\n"},
		{"odd spelling counts", "DATE : x\r\nmessage-id:\r\n <a@b>\r\n\r\n",
			"DATE : x\r\nmessage-id:\r\n <a@b>\r\n\r\n"},
		{"both missing", "Subject: x\r\n\r\nhi\r\n", date + id + "Subject: x\r\n\r\nhi\r\n"},
		{"Date in the body does not count", "Subject: x\r\n\r\nDate: y\r\n", date + id +
			"Subject: x\r\n\r\nDate: y\r\n"},
		{"Date in a continuation does not count", "Subject: x\r\n Date: y\r\n\r\n", date + id +
			"Subject: x\r\n Date: y\r\n\r\n"},
		{"empty", "", date + id + "\r\n"},
		{"empty header", "\r\nhi\r\n", date + id + "\r\nhi\r\n"},
		{"body only", "just a line\r\nand: more\r\n", date + id + "\r\njust a line\r\nand: more\r\n"},
		{"mbox line first", "From x Mon\r\nSubject: x\r\n\r\n", date + id + "\r\nFrom x Mon\r\nSubject: x\r\n\r\n"},
		{"blank first", " x\r\nSubject: y\r\n", date + id + "\r\n x\r\nSubject: y\r\n"},
		{"header ends without empty line", complete + "no field\r\nx\r\n", complete + "\r\nno field\r\nx\r\n"},
		{"header alone", complete, complete + "\r\n"},
		{"no name", complete + ": x\r\n\r\ny\r\n", complete + "\r\n: x\r\n\r\ny\r\n"},
		{"8-bit name", complete + "Gr\xfc\xdfe: x\r\n\r\n", complete + "\r\nGr\xfc\xdfe: x\r\n\r\n"},
		{"no final line end", complete + "\r\nhi", complete + "\r\nhi\r\n"},
		{"no final line end in the header", strings.TrimSuffix(complete, "\r\n"), complete + "\r\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out, _ := prepare(t, tt.in)
			if want := received(testOptions) + tt.want; out != want {
				t.Errorf("got\n%q\nwant\n%q", out, want)
			}
		})
	}
}

// The sequences that ended a message early elsewhere (CVE-2023-51764 and its kin) are plain content here.
func TestSmugglingSequences(t *testing.T) {
	const before, after = "a", "MAIL FROM:<x@y>\r\n"
	for seq, want := range map[string]string{
		"\n.\n": "\r\n.\r\n", "\n.\r": "\r\n. ", "\r.\n": " .\r\n", "\r.\r": " . ",
		"\n.\r\n": "\r\n.\r\n", "\r.\r\n": " .\r\n", "\r\n.\n": "\r\n.\r\n", "\r\n.\r": "\r\n. ",
		"\r\n.\r\r\n": "\r\n. \r\n", "\r\r\n.\r\n": " \r\n.\r\n", "\r\n\r.\r\n": "\r\n .\r\n", "\r\n.\r\n": "\r\n.\r\n",
	} {
		out, _ := prepare(t, complete+"\r\n"+before+seq+after)
		if got := out[len(received(testOptions)+complete)+2:]; got != before+want+after {
			t.Errorf("%q became %q, want %q", seq, got, before+want+after)
		}
		dotted := strings.ReplaceAll(out, "\r\n.", "\r\n..")
		if strings.Contains(dotted, "\r\n.\r\n") {
			t.Errorf("%q: with dots doubled there is still an end of data in %q", seq, dotted)
		}
	}
	for _, seq := range []string{"\r\n\x00.\r\n", "\r\n.\x00\r\n"} {
		_, err := Prepare(io.Discard, strings.NewReader(complete+"\r\na"+seq+after), testOptions)
		if !errors.Is(err, ErrNUL) {
			t.Errorf("%q: error %v, want ErrNUL", seq, err)
		}
	}
}

// Where the source cuts its chunks must not matter.
func TestEveryChunkBoundary(t *testing.T) {
	in := "Subject: x\r\n y\nX:\rz\r\r\n\r\n.\r\n\n.\n\r.\rBody\r\n" + strings.Repeat("long ", 190) + "\r\nend\r"
	want, _ := prepare(t, in)
	for cut := range len(in) + 1 {
		var out bytes.Buffer
		src := io.MultiReader(strings.NewReader(in[:cut]), iotest.DataErrReader(strings.NewReader(in[cut:])))
		if _, err := Prepare(&out, src, testOptions); err != nil || out.String() != want {
			t.Fatalf("cut at %d: %v\n%q\nwant\n%q", cut, err, out.String(), want)
		}
	}
	var out bytes.Buffer
	if _, err := Prepare(&out, iotest.OneByteReader(strings.NewReader(in)), testOptions); err != nil ||
		out.String() != want {
		t.Fatalf("byte by byte: %v\n%q", err, out.String())
	}
}

func TestRefusals(t *testing.T) {
	long := strings.Repeat("x", 998)
	hops := func(n int) string { return strings.Repeat("Received: from x\r\n", n) }
	field := "X: " + strings.Repeat("y", 995) + "\r\n"
	fields := strings.Repeat(field, maxHeader/len(field))
	full := fields + "Y:" + strings.Repeat("z", maxHeader-len(fields)-4) + "\r\n"
	for _, tt := range []struct {
		name, in string
		want     error
		text     string
	}{
		{"998 octets in a line", complete + "\r\n" + long + "\r\n", nil, ""},
		{"998 at the end", complete + "\r\n" + long, nil, ""},
		{"999 in a line", complete + "\r\nok\r\n" + long + "x\r\n", ErrLineTooLong,
			"554 5.6.0 The message has a line over 998 bytes" +
				": send long text as quoted-printable or base64 (line 5)"},
		{"999 at the end", complete + "\r\n" + long + "x", ErrLineTooLong, ""},
		{"999 in the header", "X: " + long + "\r\n\r\n", ErrLineTooLong, ""},
		{"a stray CR counts", complete + "\r\n" + long + "\r\r\n", ErrLineTooLong, ""},
		{"endless line", complete + "\r\n" + strings.Repeat("x", 1<<20), ErrLineTooLong, ""},
		{"NUL", complete + "\r\na\x00b\r\n", ErrNUL,
			"554 5.6.0 The message contains a NUL byte: send binary content as base64 (line 4)"},
		{"NUL in the header", "Subject: a\x00b\r\n\r\n", ErrNUL, ""},
		{"50 hops", hops(50) + complete + "\r\n", nil, ""},
		{"51 hops", hops(51) + complete + "\r\n", ErrLoop,
			"554 5.4.6 The message has passed through more than 50 servers: it goes in a circle"},
		{"51 hops in the body", complete + "\r\n" + hops(51), nil, ""},
		{"full header", full + "\r\n", nil, ""},
		{"header over by one", strings.Replace(full, "Y:", "YY:", 1) + "\r\n", ErrHeaderTooLarge,
			"552 5.3.4 The header of the message is larger than 102400 bytes"},
		{"endless header", strings.Repeat("A: b\r\n", 1<<16), ErrHeaderTooLarge, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Prepare(io.Discard, strings.NewReader(tt.in), testOptions)
			if !errors.Is(err, tt.want) {
				t.Fatalf("error %v, want %v", err, tt.want)
			}
			if tt.want == nil {
				return
			}
			var reply *Error
			if !errors.As(err, &reply) || reply.Code < 500 || !strings.HasPrefix(reply.Status, "5.") {
				t.Errorf("no SMTP reply in %#v", err)
			}
			if tt.text != "" && err.Error() != tt.text {
				t.Errorf("text %q, want %q", err, tt.text)
			}
		})
	}
}

func TestErrorsAreTheCallers(t *testing.T) {
	broken := errors.New("broken")
	for _, start := range []string{"", "Subj", complete + "\r\nhal"} {
		src := io.MultiReader(strings.NewReader(start), iotest.ErrReader(broken))
		if _, err := Prepare(io.Discard, src, testOptions); !errors.Is(err, broken) {
			t.Errorf("source breaks after %q: error %v", start, err)
		}
	}
	short := io.MultiReader(strings.NewReader(complete+"\r\nhal"), iotest.ErrReader(io.ErrUnexpectedEOF))
	if _, err := Prepare(io.Discard, short, testOptions); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a short message was taken: %v", err)
	}
	for _, size := range []int{10, 1 << 20} {
		src := strings.NewReader(complete + "\r\n" + strings.Repeat("line\r\n", size))
		if _, err := Prepare(failingWriter{broken}, src, testOptions); !errors.Is(err, broken) {
			t.Errorf("store breaks, %d lines: error %v", size, err)
		}
	}
}

type failingWriter struct{ err error }

func (w failingWriter) Write([]byte) (int, error) { return 0, w.err }

func TestInfo(t *testing.T) {
	for _, tt := range []struct {
		in       string
		eightBit bool
		id       string
	}{
		{complete + "\r\nplain\r\n", false, "<m1@client.example.com>"},
		{complete + "\r\ngr\xfc\xdfe\r\n", true, "<m1@client.example.com>"},
		{complete + "Subject: \xe2\x82\xac\r\n\r\n", true, "<m1@client.example.com>"},
		{"Message-ID:\r\n\t<folded@x>\r\nMessage-ID: <second@x>\r\n\r\n", false, "<folded@x>"},
		{"Message-ID: <a@x> <b@x>\r\n\r\n", false, ""},
		{"Message-ID: <a\x1b[31m@x>\r\n\r\n", false, ""},
		{"Message-ID:\r\nSubject: <x@y>\r\n\r\n", false, ""},
		{"Message-ID: \r\n", false, ""},
		{"", false, "<0e9xq2v7c4k1g@relay.example.net>"},
	} {
		if _, info := prepare(t, tt.in); info.EightBit != tt.eightBit || info.MessageID != tt.id {
			t.Errorf("%q: %+v, want EightBit %v, MessageID %q", tt.in, info, tt.eightBit, tt.id)
		}
	}
}

// A large message goes through without being held: what Prepare allocates does not depend on the size.
func TestConstantMemory(t *testing.T) {
	allocated := func(lines int) float64 {
		return testing.AllocsPerRun(1, func() {
			src := io.MultiReader(strings.NewReader(complete+"\r\n"), &repeat{"0123456789abcdef\r\n", lines})
			if _, err := Prepare(io.Discard, src, testOptions); err != nil {
				t.Fatal(err)
			}
		})
	}
	const noise = 20 // the garbage collector empties pools when it likes
	if few, many := allocated(10), allocated(1<<20); many > few+noise {
		t.Errorf("%v allocations for 10 lines, %v for a million", few, many)
	}
}

// repeat reads as line, n times.
type repeat struct {
	line string
	n    int
}

func (r *repeat) Read(p []byte) (int, error) {
	if r.n == 0 {
		return 0, io.EOF
	}
	r.n--
	return copy(p, r.line), nil
}

func FuzzPrepare(f *testing.F) {
	for _, s := range []string{
		"", complete + "\r\nhi\r\n", "a\n.\nb", "\r", "\r\r\n", "X:\r\n y\r\n\r\n.\r\n", "From x\n\n", " \nDate:",
		"Message-ID:\n <a@b>\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		var once bytes.Buffer
		info, err := Prepare(&once, bytes.NewReader(in), testOptions)
		if err != nil {
			if !errors.As(err, new(*Error)) {
				t.Fatalf("error without a reply: %v", err)
			}
			return
		}
		if err := wireError(once.Bytes()); err != nil {
			t.Fatalf("%v in %q", err, once.String())
		}
		if info.Size != int64(once.Len()) {
			t.Fatalf("Size %d of %d", info.Size, once.Len())
		}
		if _, err := mail.ReadMessage(bytes.NewReader(once.Bytes())); err != nil && strings.Contains(err.Error(),
			"Received") {
			t.Fatalf("the trace field does not parse: %v", err)
		}
		var twice bytes.Buffer
		again, err := Prepare(&twice, bytes.NewReader(once.Bytes()), testOptions)
		if errors.Is(err, ErrLoop) || errors.Is(err, ErrHeaderTooLarge) {
			return
		}
		if err != nil || twice.String() != received(testOptions)+once.String() {
			t.Fatalf("second pass: %v\n%q\nfirst\n%q", err, twice.String(), once.String())
		}
		if again.MessageID != info.MessageID || again.EightBit != info.EightBit {
			t.Fatalf("second pass found %+v, first %+v", again, info)
		}
	})
}

func TestHasEightBit(t *testing.T) {
	for n := range 20 {
		b := bytes.Repeat([]byte{0x7f}, n)
		if hasEightBit(b) {
			t.Errorf("%d bytes of ASCII have none", n)
		}
		for i := range b {
			b[i] = 0x80
			if !hasEightBit(b) {
				t.Errorf("not seen at %d of %d", i, n)
			}
			b[i] = 0x7f
		}
	}
}
