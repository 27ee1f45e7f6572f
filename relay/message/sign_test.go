package message

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

// scribe is a Signer that writes down what it gets.
type scribe struct {
	fields    []string // names and bodies
	text      strings.Builder
	ended     string // how: "fields", "discard"
	beginErr  error
	fieldsErr error
	pass      bool
}

func (s *scribe) Begin(id string, h Header) (Signature, error) {
	if id != testOptions.ID {
		return nil, fmt.Errorf("asked about the message %q", id)
	}
	for name, body := range h.Fields() {
		s.fields = append(s.fields, string(name)+"="+string(body))
	}
	if s.pass || s.beginErr != nil {
		return nil, s.beginErr
	}
	return s, nil
}

func (s *scribe) Write(p []byte) (int, error) { return s.text.Write(p) }
func (s *scribe) Fields() (string, error) {
	s.ended = "fields"
	return "X-Signed: yes\r\n", s.fieldsErr
}
func (s *scribe) Discard() {
	if s.ended == "" {
		s.ended = "discard"
	}
}

func prepareSigned(s *scribe, in io.Reader) (string, Info, error) {
	var out strings.Builder
	opts := testOptions
	opts.Signer = s
	info, err := Prepare(&out, in, opts)
	return out.String(), info, err
}

func TestSignerSeesWhatIsStored(t *testing.T) {
	for _, in := range []string{
		"Subject: x\r\n y\nFrom : a\rb\n\n.\n\nbody without end", complete + "\r\n", "", "no header", complete + "odd line\r\n",
		complete + "\r\n" + strings.Repeat("0123456789abcde\r\n", 1<<12),
	} {
		s := &scribe{}
		out, info, err := prepareSigned(s, strings.NewReader(in))
		if err != nil {
			t.Fatalf("%q: %v", in, err)
		}
		if s.text.String() != out {
			t.Errorf("%.60q: the signer saw %q, stored was %q", in, s.text.String(), out)
		}
		if info.Header != "X-Signed: yes\r\n" || info.Size != int64(len(info.Header)+len(out)) || s.ended != "fields" {
			t.Errorf("%.60q: %+v, ended by %q", in, info, s.ended)
		}
	}
}

func TestSignerIsAskedWithTheWholeHeader(t *testing.T) {
	s := &scribe{pass: true}
	out, info, err := prepareSigned(s, strings.NewReader("Subject: x\n y\nfrom \t: <a@b>\n\nFrom: c\n"))
	if err != nil || info.Header != "" || info.Size != int64(len(out)) {
		t.Fatalf("%+v, %v", info, err)
	}
	if len(s.fields) != 5 || !strings.HasPrefix(s.fields[0], "Received= from client.example.com") {
		t.Fatalf("fields %q", s.fields)
	}
	want := []string{"Date= Mon, 2 Mar 2026 10:00:00 +0100\r\n", "Message-ID= <0e9xq2v7c4k1g@relay.example.net>\r\n",
		"Subject= x\r\n y\r\n", "from= <a@b>\r\n"}
	if !slices.Equal(s.fields[1:], want) {
		t.Errorf("fields %q, want %q", s.fields[1:], want)
	}
}

func TestSignerErrors(t *testing.T) {
	broken := errors.New("broken")
	if out, _, err := prepareSigned(&scribe{beginErr: broken}, strings.NewReader(complete)); !errors.Is(err, broken) || out != "" {
		t.Errorf("Begin fails: %v, %q was stored", err, out)
	}
	if _, _, err := prepareSigned(&scribe{fieldsErr: broken}, strings.NewReader(complete)); !errors.Is(err, broken) {
		t.Errorf("Fields fails: %v", err)
	}
	s := &scribe{}
	lost := io.MultiReader(strings.NewReader(complete+"\r\nhal"), iotest.ErrReader(broken))
	if _, _, err := prepareSigned(s, lost); !errors.Is(err, broken) || s.ended != "discard" {
		t.Errorf("the source breaks: %v, ended by %q", err, s.ended)
	}
	s = &scribe{}
	if _, _, err := prepareSigned(s, strings.NewReader(complete+"\r\n\x00")); !errors.Is(err, ErrNUL) || s.ended != "discard" {
		t.Errorf("a bad message: %v, ended by %q", err, s.ended)
	}
}
