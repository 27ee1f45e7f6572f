package message

import (
	"bufio"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestReadHeader(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		want     []Field
		first    string // "" for none
		rest     string
	}{
		{"usual", "To: a@b\nSubject: x\r\n\nbody\r\n.\n", []Field{field("To", "To: a@b\r\n"), field("Subject", "Subject: x\r\n")},
			"", "body\r\n.\n"},
		{"continued", "To: a@b,\n\tc@d\n \n\n", []Field{field("To", "To: a@b,\r\n\tc@d\r\n \r\n")}, "", ""},
		{"blank before the colon", "to : x\n", []Field{field("to", "to : x\r\n")}, "", ""},
		{"stray CR", "to: x\ry\n", []Field{field("to", "to: x y\r\n")}, "", ""},
		{"no empty line", "to: x\nhello there\nmore", []Field{field("to", "to: x\r\n")}, "hello there", "more"},
		{"body alone", "hello there\nto: x\n", nil, "hello there", "to: x\n"},
		{"nothing", "", nil, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := bufio.NewReader(strings.NewReader(tt.in))
			fields, first, err := ReadHeader(r)
			if err != nil {
				t.Fatal(err)
			}
			rest, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, fields); diff != "" || string(first) != tt.first || string(rest) != tt.rest {
				t.Errorf("first line %q, rest %q, fields %s", first, rest, diff)
			}
		})
	}
	if got := field("To", "To: a@b,\r\n\tc@d \r\n").Value(); got != "a@b,\tc@d" {
		t.Errorf("value is %q", got)
	}
	_, _, err := ReadHeader(bufio.NewReader(strings.NewReader(strings.Repeat("a: "+strings.Repeat("b", 900)+"\n", 200))))
	if !errors.Is(err, ErrHeaderTooLarge) {
		t.Errorf("an endless header gives %v", err)
	}
}

func field(name, raw string) Field { return Field{name, []byte(raw)} }

// What may stand in a header once only: two authors are refused, of other fields nothing is taken away.
func TestRepeatedFields(t *testing.T) {
	for _, name := range []string{"From", "FROM ", "from"} {
		_, err := Prepare(io.Discard, strings.NewReader("From: a@b\n"+name+": c@d\n\nhi\n"), testOptions)
		if !errors.Is(err, ErrTwoFrom) {
			t.Errorf("a second %q gives %v", name, err)
		}
	}
	twice := complete + complete + "To: a@b\r\nTo: c@d\r\nSender: a@b\r\nBcc: e@f\r\nSubject: x\r\nSubject: y\r\n\r\nFrom: x\r\nFrom: y\r\n"
	if out, _ := prepare(t, twice); out != received(testOptions)+twice {
		t.Errorf("it became %q", out)
	}
}
