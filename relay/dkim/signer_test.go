package dkim

import (
	"bytes"
	"encoding/pem"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/emersion/go-msgauth/dkim"

	"tlsrelay/relay/message"
)

// namesSigned gives the h= tag of the first signature.
func namesSigned(signature string) string {
	_, h, _ := strings.Cut(signature, " h=")
	h, _, _ = strings.Cut(h, ";")
	return h
}

func TestNamesSigned(t *testing.T) {
	r := newRig(t, "example.org ed25519 a")
	for text, want := range map[string]string{
		"From: a@example.org\r\n\r\n": "From:From:To:Cc:Subject:Date:Date:Message-ID:Message-ID:Reply-To:Content-Type:MIME-Version",
		"from: a@example.org\r\nto: b\r\nTO: c\r\nX-Mine: y\r\nReceived: from x by y\r\nList-ID: <l.x>\r\nReferences: <a@b>\r\nBcc:\r\n\r\nTo: x": "From:From:To:To:To:" +
			"Cc:Subject:Date:Date:Message-ID:Message-ID:Reply-To:Content-Type:MIME-Version:References:List-Id",
	} {
		out, signed := r.prepare(text)
		if got := namesSigned(out[:signed]); got != want {
			t.Errorf("%q: signed are %s\nwant %s", text, got, want)
		}
	}
}

// As many fields as can be signed still make lines that may go out.
func TestLongestSignature(t *testing.T) {
	r := newRig(t, "example.org ed25519 "+strings.Repeat("s", 63))
	longest := 0
	for n := range 300 {
		out, signed := r.prepare("From: a@example.org\r\n" + strings.Repeat("Cc: b@c\r\n", n) + "\r\nx\r\n")
		for line := range strings.SplitSeq(out[:signed], "\r\n") {
			longest = max(longest, len(line))
		}
	}
	if longest < maxNames-10 || longest > 998 {
		t.Errorf("the longest line has %d bytes", longest)
	}
}

// A key can look right and still be damaged. Then mail waits at the client; unsigned it could be lost.
func TestDamageThatOnlyArithmeticFinds(t *testing.T) {
	r := newRig(t, "example.org rsa s")
	path := filepath.Join(r.dir, "example.org/s.pem")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	block.Bytes[350] ^= 1 // in the private exponent
	write(t, path, pem.EncodeToMemory(block))
	r.load()
	opts := message.Options{Hostname: "relay.test", ID: "1", Now: today, Signer: r.signer}
	for range 2 {
		_, err = message.Prepare(io.Discard, strings.NewReader(top+"\r\nx\r\n"), opts)
		if err == nil || !strings.Contains(err.Error(), "DKIM: "+path+": the key is damaged") {
			t.Errorf("error %v", err)
		}
	}
	if err := List(r.dir, func(Record) error { return nil }); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("the list says %v", err)
	}
}

// What breaks off leaves nothing behind (goleak looks for goroutines) and asks no key for a signature.
func TestBrokenOff(t *testing.T) {
	r := newRig(t, "example.org rsa", "example.org ed25519")
	broken := errors.New("broken")
	opts := message.Options{Hostname: "relay.test", ID: "1", Now: today, Signer: r.signer}
	for _, size := range []int{0, 1, 100_000} {
		src := io.MultiReader(strings.NewReader(top+"\r\n"+strings.Repeat("x\r\n", size)), iotest.ErrReader(broken))
		if _, err := message.Prepare(io.Discard, src, opts); !errors.Is(err, broken) {
			t.Errorf("after %d lines: %v", size, err)
		}
	}
	var revoked signature
	revoked.Discard()
	if _, err := (revocable{nil, &revoked.revoked}).Sign(nil, nil, nil); !errors.Is(err, errRevoked) {
		t.Errorf("a key of a message that broke off: %v", err)
	}
}

// Blank lines are what the library would keep in memory.
func TestBlankSpaceIsBounded(t *testing.T) {
	r := newRig(t, "example.org ed25519 a")
	opts := message.Options{Hostname: "relay.test", ID: "1", Now: today, Signer: r.signer}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	src := io.MultiReader(strings.NewReader(top+"\r\n"), io.LimitReader(blankLines{}, 4<<20), strings.NewReader("end\r\n"))
	if _, err := message.Prepare(io.Discard, src, opts); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 1<<20 {
		t.Errorf("4 MB of blank lines took %d bytes", n)
	}
}

type blankLines struct{}

func (blankLines) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = "\r\n"[i%2]
	}
	return len(p) &^ 1, nil
}

func TestKeysChangeWhileItSigns(t *testing.T) {
	r := newRig(t, "example.org ed25519 a")
	opts := message.Options{Hostname: "relay.test", ID: "1", Now: today, Signer: r.signer}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 50 {
				info, err := message.Prepare(io.Discard, strings.NewReader(top+"\r\nx\r\n"), opts)
				if err != nil || !strings.Contains(info.Header, "s=a;") {
					t.Errorf("%q, %v", info.Header, err)
				}
			}
		})
	}
	for range 20 {
		r.load()
	}
	wg.Wait()
}

// FuzzSign has arbitrary messages signed. What is signed verifies, and its signature keeps the rules of the wire.
func FuzzSign(f *testing.F) {
	for _, letter := range letters {
		if len(letter) < 4096 {
			f.Add([]byte(letter))
		}
	}
	f.Add([]byte("From: a@example.org, b@c\nFrom : d\n\n"))
	f.Add([]byte("From: \"a@b\\\"\" (x) <@x,@y:z@sub.example.org>\n\n \n\t\n x \n"))
	r := newRig(f, "example.org ed25519 a")
	f.Fuzz(func(t *testing.T, in []byte) {
		var text bytes.Buffer
		info, err := message.Prepare(&text, bytes.NewReader(in), message.Options{Hostname: "relay.test", ID: "1", Now: today, Signer: r.signer})
		if err != nil || info.Header == "" {
			return
		}
		for line := range strings.SplitSeq(strings.TrimSuffix(info.Header, "\r\n"), "\r\n") {
			if strings.ContainsAny(line, "\r\n\x00") || len(line) > 998 {
				t.Fatalf("line %q", line)
			}
		}
		found, err := dkim.VerifyWithOptions(strings.NewReader(info.Header+text.String()), &dkim.VerifyOptions{LookupTXT: r.txt, MaxVerifications: 1})
		if err != nil && !errors.Is(err, dkim.ErrTooManySignatures) || len(found) != 1 || found[0].Err != nil {
			t.Fatalf("%v, %+v\n%q", err, found, info.Header+text.String())
		}
	})
}
