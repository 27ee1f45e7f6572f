package message

import (
	"io"
	"strings"
	"testing"
)

// BenchmarkPrepare is one message of 4 KB.
func BenchmarkPrepare(b *testing.B) {
	text := complete + "From: <a@client.example.com>\r\nTo: <b@example.org>\r\nSubject: benchmark\r\n\r\n" +
		strings.Repeat(strings.Repeat("x", 70)+"\r\n", 54)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Prepare(io.Discard, strings.NewReader(text), testOptions); err != nil {
			b.Fatal(err)
		}
	}
}
