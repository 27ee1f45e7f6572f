package message

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The check gets the From field of the header, unfolded, and nothing of the body.
func TestCheckFrom(t *testing.T) {
	for _, tc := range []struct {
		in   string
		want []string
	}{
		{"From: a@x\r\n\r\nFrom: b@y\r\n", []string{" a@x"}},
		{"fRoM \t:a@x\n\r\n", []string{"a@x"}},
		{"from:\r\n\r\n", []string{""}},
		{"To: z\r\n q\r\nFrom: \"A\r\n\tB\"\r\n <a@x>,\r\n  b@y\r\nSubject: s\r\n From: c@z\r\n\r\n",
			[]string{" \"A\tB\" <a@x>,  b@y"}},
		{"From: a@x\r\nno field\r\nFrom: b@y\r\n", []string{" a@x"}},
		{"Fromage: a@x\r\nResent-From: b@y\r\n\r\n", nil},
		{" From: a@x\r\n\r\n", nil},
		{"", nil},
	} {
		opts := testOptions
		calls := 0
		opts.CheckFrom = func(got []string) error {
			calls++
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%q: %s", tc.in, diff)
			}
			return nil
		}
		if _, err := Prepare(io.Discard, strings.NewReader(tc.in), opts); err != nil || calls != 1 {
			t.Errorf("%q: %d calls, %v", tc.in, calls, err)
		}
	}
}

// A refused From ends the message before any of it is stored, and before its body is read.
func TestCheckFromRefuses(t *testing.T) {
	opts, refused := testOptions, errors.New("not yours")
	opts.CheckFrom = func([]string) error { return refused }
	var out bytes.Buffer
	in := strings.NewReader("From: a@x\r\n\r\n" + strings.Repeat("body\r\n", 100_000))
	if _, err := Prepare(&out, in, opts); err != refused || out.Len() > 0 || in.Len() < 500_000 {
		t.Errorf("error %v, %d bytes stored, %d bytes not read", err, out.Len(), in.Len())
	}
}
