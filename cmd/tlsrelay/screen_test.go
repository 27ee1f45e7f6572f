package main

import (
	"strings"
	"testing"
)

func TestScreen(t *testing.T) {
	const in, want = "Subject: a\x1b]0;x\x07\r\n\r\nGrüße, 你好\u009b2J\u202e\ttab\rover\x7f\xff\n", "Subject: a?]0;x?\n\nGrüße, 你好?2J?\ttabover??\n"
	for size := 1; size < len(in); size++ { // a character may come in pieces
		var out strings.Builder
		s := &screen{w: &out}
		for left := in; left != ""; {
			n := min(size, len(left))
			if wrote, err := s.Write([]byte(left[:n])); wrote != n || err != nil {
				t.Fatal(wrote, err)
			}
			left = left[n:]
		}
		if out.String() != want {
			t.Fatalf("in pieces of %d: %q", size, out.String())
		}
	}
	var file strings.Builder
	shownOn(&file).Write([]byte(in))
	if file.String() != in {
		t.Errorf("a file gets %q", file.String())
	}
}
