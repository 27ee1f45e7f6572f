package notice

import (
	"bytes"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"net/textproto"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"tlsrelay/queue"
)

// parsed is a notice taken apart by the standard library.
type parsed struct {
	header mail.Header
	text   string
	fields textproto.MIMEHeader   // about the message
	rcpts  []textproto.MIMEHeader // about each recipient
	report string                 // content type of the second part
	kind   string                 // content type of the third part, "" without one
	third  []byte
}

func parse(b []byte) (p parsed, err error) {
	m, err := mail.ReadMessage(bytes.NewReader(b))
	if err != nil {
		return p, err
	}
	p.header = m.Header
	kind, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/report" || params["report-type"] != "delivery-status" {
		return p, fmt.Errorf("content type %q: %v", m.Header.Get("Content-Type"), err)
	}
	r := multipart.NewReader(m.Body, params["boundary"])
	for i := 0; ; i++ {
		part, err := r.NextRawPart()
		if err == io.EOF && i >= 2 {
			return p, nil
		}
		if err != nil {
			return p, fmt.Errorf("part %d: %w", i, err)
		}
		body := io.Reader(part)
		if part.Header.Get("Content-Transfer-Encoding") == "quoted-printable" {
			body = quotedprintable.NewReader(body)
		}
		content, err := io.ReadAll(body)
		if err != nil {
			return p, err
		}
		if err := p.take(i, part.Header.Get("Content-Type"), content); err != nil {
			return p, err
		}
	}
}

func (p *parsed) take(i int, kind string, content []byte) error {
	switch {
	case i == 0 && kind == "text/plain; charset=utf-8":
		p.text = strings.ReplaceAll(string(content), "\r\n", "\n")
		return nil
	case i == 1 && (kind == "message/delivery-status" || kind == "message/global-delivery-status"):
		p.report = kind
		blocks := bytes.Split(bytes.TrimSuffix(content, []byte("\r\n")), []byte("\r\n\r\n"))
		for n, block := range blocks {
			m, err := mail.ReadMessage(bytes.NewReader(append(block, "\r\n\r\n"...)))
			if err != nil {
				return err
			}
			if n == 0 {
				p.fields = textproto.MIMEHeader(m.Header)
			} else {
				p.rcpts = append(p.rcpts, textproto.MIMEHeader(m.Header))
			}
		}
		return nil
	case i == 2 && slices.Contains([]string{"message/rfc822", "text/rfc822-headers", "message/global", "message/global-headers"}, kind):
		p.kind, p.third = kind, content
		return nil
	}
	return fmt.Errorf("part %d is %q", i, kind)
}

// check says how a notice breaks what every notice keeps, whatever went into it.
func check(b []byte, n queue.Notice, original string) error {
	for i, line := range bytes.Split(bytes.TrimSuffix(b, []byte("\r\n")), []byte("\r\n")) {
		if len(line) > 998 {
			return fmt.Errorf("line %d has %d octets", i+1, len(line))
		}
		for _, c := range line {
			own := c < 128 && strings.IndexByte(original, c) >= 0 // a message is returned as it is
			if (c < ' ' || c > '~') && c != '\t' && !own {
				return fmt.Errorf("line %d has byte %#x", i+1, c)
			}
		}
	}
	p, err := parse(b)
	if err != nil {
		return err
	}
	if err := checkHeader(p.header); err != nil {
		return err
	}
	if err := checkText(p.text); err != nil {
		return err
	}
	if len(p.rcpts) != len(n.Recipients) || len(p.fields) != 3+min(len(n.Item.EnvelopeID), 1) {
		return fmt.Errorf("%d recipients for %d, fields %v", len(p.rcpts), len(n.Recipients), p.fields)
	}
	for _, r := range p.rcpts {
		if err := checkRecipient(r, p.report == "message/global-delivery-status"); err != nil {
			return err
		}
	}
	if whole := p.kind == "message/rfc822" || p.kind == "message/global"; whole && string(p.third) != original {
		return fmt.Errorf("the returned message is %q", p.third)
	}
	return nil
}

func checkHeader(h mail.Header) error {
	for name, values := range h {
		switch name {
		case "From", "To", "Subject", "Date", "Message-Id", "In-Reply-To", "References", "Auto-Submitted",
			"Mime-Version", "Content-Type":
		default:
			return fmt.Errorf("header has a field %q", name)
		}
		if len(values) != 1 {
			return fmt.Errorf("%s stands there %d times", name, len(values))
		}
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(h.Get("Subject"))
	if err != nil {
		return err
	}
	if _, err := mail.ParseDate(h.Get("Date")); err != nil {
		return err
	}
	if from, err := h.AddressList("From"); err != nil || len(from) != 1 {
		return fmt.Errorf("From %q: %v", h.Get("From"), err)
	}
	if to := h.Get("To"); to != "undisclosed-recipients:;" {
		if list, err := h.AddressList("To"); err != nil || len(list) != 1 {
			return fmt.Errorf("To %q: %v", to, err)
		}
	}
	if h.Get("Auto-Submitted") != "auto-replied" || h.Get("Message-Id") == "" {
		return fmt.Errorf("header lacks fields: %v", h)
	}
	return harmlessError(subject)
}

// badVerb is what package fmt writes for a mistake of ours.
var badVerb = regexp.MustCompile(`%![a-zA-Z]?\([A-Za-z]+`)

// checkText looks at what people read: harmless, and no line over 78 columns but for a long word such as a link.
func checkText(text string) error {
	for line := range strings.SplitSeq(text, "\n") {
		if err := harmlessError(line); err != nil {
			return err
		}
		longest := 0
		for _, word := range strings.Fields(line) {
			longest = max(longest, width(word))
		}
		if width(line) > 78 && longest < 30 {
			return fmt.Errorf("line of %d columns: %q", width(line), line)
		}
		if strings.TrimRight(line, " ") != line {
			return fmt.Errorf("blanks at the end of %q", line)
		}
	}
	if strings.Contains(text, "\n\n\n") || strings.Contains(text, "<no value>") || badVerb.MatchString(text) {
		return fmt.Errorf("text is badly set: %q", text)
	}
	return nil
}

func checkRecipient(h textproto.MIMEHeader, global bool) error {
	for name, values := range h {
		switch name {
		case "Original-Recipient", "Final-Recipient", "Action", "Status", "Remote-Mta", "Diagnostic-Code", "Last-Attempt-Date",
			"Will-Retry-Until",
			"X-Tlsrelay-Cause":
		default:
			return fmt.Errorf("recipient has a field %q", name)
		}
		if len(values) != 1 || len(values[0]) > 1000 {
			return fmt.Errorf("%s: %q", name, values)
		}
		if address := strings.HasSuffix(name, "-Recipient"); global && address && harmlessError(values[0]) == nil {
			continue
		}
		if !isPrintable(values[0]) {
			return fmt.Errorf("%s is not ASCII: %q", name, values)
		}
	}
	kind, _, _ := strings.Cut(h.Get("Final-Recipient"), ";")
	if kind != "rfc822" && kind != "utf-8" || !statusForm.MatchString(h.Get("Status")) {
		return fmt.Errorf("fields of a recipient: %v", h)
	}
	if d := h.Get("Diagnostic-Code"); d != "" && !strings.HasPrefix(d, "smtp; ") && !strings.HasPrefix(d,
		"X-Tlsrelay; ") &&
		d != "smtp;" && d != "X-Tlsrelay;" {
		return fmt.Errorf("diagnostic %q has no type", d)
	}
	return nil
}

// isPrintable reports whether s is ASCII without control characters.
func isPrintable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' })
}

// harmlessError finds what must not reach a person's screen.
func harmlessError(s string) error {
	marks := 0
	for _, r := range s {
		if unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Co, unicode.Cs) || r == unicode.ReplacementChar ||
			strings.ContainsRune("\u034f\u115f\u1160\u17b4\u17b5\u180b\u2800\u3164\ufe00\ufe0f\uffa0\U000e0100\U000e01ef", r) {
			return fmt.Errorf("%q has %U", s, r)
		}
		if marks++; !unicode.In(r, unicode.M) {
			marks = 0
		}
		if marks > 4 {
			return fmt.Errorf("%q has a flood of marks", s)
		}
	}
	return nil
}

// ours is what may look like a link in a notice, and is none of a remote's.
var ours = strings.NewReplacer("https://help.example.net/", "", "b@example.org", "", "postmaster@relay.example.net", "", "</dev/null", "")

// lure is what mail programs make a link, an address or a network share of, more than a host name.
var lure = regexp.MustCompile(`(?i)://|\\\\|@|(javascript|data|mailto|file|tel|vbscript):|[a-z0-9-]\.[a-z]+[/\\]`)

// lureError finds what a remote wants people to follow, outside of the words that are quoted as its own.
func lureError(text string) error {
	for line := range strings.SplitSeq(text, "\n") {
		if quoted := strings.HasPrefix(line, "> "); !quoted {
			if found := lure.FindString(ours.Replace(line)); found != "" {
				return fmt.Errorf("there is %q of the remote's: %q", found, line)
			}
		}
	}
	return nil
}

// The judges of the fuzz tests must see what they look for.
func TestJudges(t *testing.T) {
	for _, bad := range []string{
		"\x1b", "\x00", "\x7f", "\r", "\u009b", "\u0085", "\u202e", "\u2066", "\u200b", "\u2028", "\ufeff", "\u00ad", "\u3164", "\u2800", "\ufe0f",
		"\xff", "\ue000", "\U000e0041", "a\u0301\u0301\u0301\u0301\u0301",
	} {
		if harmlessError("x "+bad) == nil {
			t.Errorf("%q passes as harmless", bad)
		}
	}
	for _, good := range []string{"Grüße, 你好", "नमस्ते", "Tiê\u0302\u0301ng"} {
		if err := harmlessError(good); err != nil {
			t.Error(err)
		}
	}
	for _, bad := range []string{
		"see http://x", "evil.example/pay", "JavaScript:alert(1)", `\\evil.example\share`, `evil.example\x`, "a@evil.example", "mailto:a",
		"    Detail  https://evil.example",
	} {
		if lureError("fine\n"+bad) == nil {
			t.Errorf("%q passes as no link", bad)
		}
	}
	if err := lureError("> http://x\nmx.example.org\nhttps://help.example.net/x: TLS 1.2/1.3"); err != nil {
		t.Error(err)
	}
}

// textOf is the part of a notice that people read.
func textOf(t testing.TB, b []byte) string {
	t.Helper()
	p, err := parse(b)
	if err != nil {
		t.Fatalf("%v\n%s", err, b)
	}
	return p.text
}
