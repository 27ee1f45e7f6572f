package dkim

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"tlsrelay/relay/message"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var today = time.Date(2026, 11, 25, 23, 30, 0, 0, time.UTC)

// rig is a folder of keys, a signer that uses them, and what DNS says of them.
type rig struct {
	t       testing.TB
	dir     string
	signer  *Signer
	log     bytes.Buffer
	records map[string]string // by name, without a dot at the end
}

// newRig makes keys, written like "example.org rsa" or "example.org ed25519 selector".
func newRig(t testing.TB, keys ...string) *rig {
	t.Helper()
	r := &rig{t: t, dir: filepath.Join(t.TempDir(), "dkim"), records: map[string]string{}}
	if err := os.Mkdir(r.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	r.signer = NewSigner(slog.New(slog.NewTextHandler(&r.log, nil)))
	for _, k := range keys {
		r.create(k)
	}
	r.load()
	return r
}

func (r *rig) create(key string) Record {
	r.t.Helper()
	words := append(strings.Fields(key), "")
	record, err := Create(r.dir, NewKey{Domain: words[0], Type: Type(words[1]), Selector: words[2]}, today)
	if err != nil {
		r.t.Fatal(err)
	}
	r.records[record.Name] = strings.Join(record.Strings, "")
	return record
}

func (r *rig) load() {
	r.t.Helper()
	keys, err := Load(r.dir)
	if err != nil {
		r.t.Fatal(err)
	}
	r.signer.Use(keys)
}

// txt is DNS for a verifier.
func (r *rig) txt(name string) ([]string, error) {
	if v, ok := r.records[strings.TrimSuffix(name, ".")]; ok {
		return []string{v}, nil
	}
	return nil, fmt.Errorf("no such name: %s", name)
}

// prepare gives a message as it goes out, and how many bytes of it are the signer's.
func (r *rig) prepare(text string) (out string, signed int) {
	r.t.Helper()
	r.log.Reset()
	var b bytes.Buffer
	info, err := message.Prepare(&b, strings.NewReader(text), message.Options{
		Hostname: "relay.test", ID: "0e9xq2v7c4k1g", Now: today, Helo: "client.test", Signer: r.signer,
	})
	if err != nil {
		r.t.Fatal(err)
	}
	if info.Size != int64(len(info.Header)+b.Len()) {
		r.t.Errorf("Size is %d of %d", info.Size, len(info.Header)+b.Len())
	}
	return info.Header + b.String(), len(info.Header)
}
