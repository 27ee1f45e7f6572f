package dkim

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"tlsrelay/relay/message"
)

// BenchmarkSign is one message of 4 KB on its way into the store; "off" is that way without a signer.
func BenchmarkSign(b *testing.B) {
	text := top + "Date: Mon, 2 Mar 2026 09:59:58 +0100\r\nMessage-ID: <m1@client.example.com>\r\n\r\n" +
		strings.Repeat(strings.Repeat("word ", 14)+"\r\n", 54)
	for _, bb := range []struct{ name, keys string }{
		{"off", ""}, {"no key for the domain", "other.example ed25519"}, {"ed25519", "example.org ed25519"}, {"rsa-2048", "example.org rsa"},
		{"both", "example.org rsa, example.org ed25519"},
	} {
		b.Run(bb.name, func(b *testing.B) {
			opts := message.Options{Hostname: "relay.test", ID: "0e9xq2v7c4k1g", Now: today, Helo: "client.test"}
			if bb.keys != "" {
				opts.Signer = newRig(b, strings.Split(bb.keys, ",")...).signer
			}
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				info, err := message.Prepare(io.Discard, strings.NewReader(text), opts)
				if err != nil || (info.Header != "") != strings.Contains(bb.keys, "example.org") {
					b.Fatal(err, info)
				}
			}
		})
	}
}

// BenchmarkLoad is what a start pays for the keys of 1,000 domains.
func BenchmarkLoad(b *testing.B) {
	for _, kind := range []string{"rsa", "ed25519"} {
		b.Run(kind, func(b *testing.B) {
			r := newRig(b, "d.example "+kind)
			copies(b, r, 1000)
			for b.Loop() {
				if keys, err := Load(r.dir); err != nil || keys.Len() != 1001 {
					b.Fatal(err)
				}
			}
		})
	}
}

// copies gives n domains the key of the rig's first.
func copies(b *testing.B, r *rig, n int) {
	b.Helper()
	var file string
	if err := List(r.dir, func(r Record) error { file = r.File; return nil }); err != nil {
		b.Fatal(err)
	}
	text, err := readPrivateFile(file)
	if err != nil {
		b.Fatal(err)
	}
	for i := range n {
		write(b, fmt.Sprintf("%s/d%d.example/s.pem", r.dir, i), text)
	}
}
