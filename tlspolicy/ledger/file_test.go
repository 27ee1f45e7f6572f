package ledger

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestOutlivesARestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger")
	l := New()
	if err := l.Load(path, start); err != nil {
		t.Errorf("no file: %v", err)
	}
	l.Note("b.test", []Seen{probed(oldTLS("mx.b.test"), start)}, start)
	l.Note("a.test", []Seen{oldTLS("mx.a.test")}, start.Add(time.Minute))
	l.Delivered("b.test", "TLS 1.3", start.Add(time.Hour))
	if err := l.Save(path); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
		t.Errorf("the file: %v, %v", info, err)
	}
	again := New()
	if err := again.Load(path, start.Add(2*time.Hour)); err != nil {
		t.Fatal(err)
	}
	for _, domain := range []string{"a.test", "b.test"} {
		if diff := cmp.Diff(known(t, l, domain), known(t, again, domain)); diff != "" {
			t.Errorf("-saved +loaded:\n%s", diff)
		}
	}
	again.bounds.domains = 2
	again.Note("c.test", []Seen{oldTLS("mx")}, start)
	if _, ok := again.Domain("b.test"); ok {
		t.Error("after the load it is not known which domain failed longest ago")
	}
	os.Remove(path)
	if err := l.Save(path); err != nil {
		t.Error(err)
	} else if _, err := os.Stat(path); err == nil {
		t.Error("saved again without a change")
	}
}

func TestDamagedFileIsSetAside(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger")
	good := `{"domain":"a.test","last":"2026-11-02T09:00:00Z","hosts":[{"host":"mx","cause":"tls-version","needed":"1.2"}]}` + "\n"
	for _, bad := range []string{
		"{", "\x00\x00\x00", `"text"`, `{"domain":"a..test","hosts":[{}]}`, `{"domain":"b.test","hosts":[]}`,
		`{"domain":"b.test","hosts":[` + strings.Repeat("{},", maxHosts) + `{}]}`, `{"domain":"b.test","last":7,"hosts":[{}]}`,
	} {
		if err := os.WriteFile(path, []byte(good+bad), 0o600); err != nil {
			t.Fatal(err)
		}
		l := New()
		if err := l.Load(path, start); err == nil || !strings.Contains(err.Error(), "damaged") {
			t.Errorf("%s: %v", bad, err)
		}
		known(t, l, "a.test")
		if aside, err := os.ReadFile(path + ".damaged"); err != nil || string(aside) != good+bad {
			t.Errorf("%s: set aside: %q, %v", bad, aside, err)
		}
		if err := l.Save(path); err != nil {
			t.Error(err)
		}
		if err := New().Load(path, start); err != nil {
			t.Errorf("after the damage: %v", err)
		}
	}
}

func TestSaveThatFailsIsTriedAgain(t *testing.T) {
	dir := t.TempDir()
	l := New()
	l.Note("a.test", []Seen{oldTLS("mx")}, start)
	if err := l.Save(filepath.Join(dir, "none", "ledger")); err == nil || !strings.Contains(err.Error(), "saving what TLS was seen") {
		t.Errorf("got %v", err)
	}
	path := filepath.Join(dir, "ledger")
	if err := l.Save(path); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Error("the change is lost:", err)
	}
}

func TestKeep(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger")
	synctest.Test(t, func(t *testing.T) {
		l := New()
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { l.Keep(ctx, path, slog.New(slog.DiscardHandler)); close(done) }()
		l.Note("a.test", []Seen{oldTLS("mx")}, time.Now())
		time.Sleep(pause + time.Second)
		if lines := readLines(t, path); len(lines) != 1 {
			t.Errorf("after some minutes: %q", lines)
		}
		time.Sleep(memory + 2*pause)
		if lines := readLines(t, path); len(lines) != 0 {
			t.Errorf("after thirty days: %q", lines)
		}
		stop()
		<-done
	})
}

func readLines(t *testing.T, path string) []string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.FieldsFunc(string(b), func(r rune) bool { return r == '\n' })
}

// personal is what no entry has: characters beyond printable ASCII, which JSON escapes in part, and addresses.
var personal = regexp.MustCompile(`[^ -~]|\\[^"\\u]|\\u00[01]|\\u(2028|2029|fffd)|@|[^a-z0-9.-][0-9]+(\.[0-9]+){3}[^a-z0-9.-]|[0-9a-fA-F]*::|([0-9a-fA-F]+:){4}`)

// FuzzRead has any file read without harm: what comes of it obeys the bounds, and can be saved and read again.
func FuzzRead(f *testing.F) {
	l := New()
	l.Note("b.test", []Seen{probed(oldTLS("mx.b.test"), start), oldTLS("192.0.2.1")}, start)
	e, _ := l.Domain("b.test")
	line, _ := json.Marshal(e)
	f.Add(string(line))
	f.Add(`{"domain":"a.test","last":"9999-01-01T00:00:00Z","hosts":[{"attempts":4711,"host":"<b>","certificate":{"not_after":"9999-12-31T23:59:59-03:00"},"answer":"\u001b[0m \u202e a@b.c"}]}`)
	f.Add(`{"domain":"c.test","last":"2026-11-01T00:00:00Z","hosts":[{"answer":"to a@b.c of 192.0.2.1, 2001:db8::7 and [::1]:25","certificate":{"not_after":"2027-01-01T00:00:00Z","names":"\u0430pple.test, 192.0.2.1","issuer":"\u0430 \u3164\u009b2J \\ \u00fc"},"offers":"\u2028"}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		l := New()
		l.read(strings.NewReader(text), start)
		for domain := range l.domains {
			e := known(t, l, domain)
			if e.Last.After(start) || e.Hosts[0].Attempts > MaxAttempts || len(e.Hosts) == 0 || len(e.Hosts) > maxHosts {
				t.Errorf("got %+v", e)
			}
			for _, h := range e.Hosts {
				if h.Seen != h.clean() {
					t.Errorf("got %+v", h)
				}
				text, _ := json.Marshal(h) // with all its texts
				if found := personal.Find(bytes.ReplaceAll(text, []byte(`\\`), nil)); found != nil {
					t.Errorf("%q in %s", found, text)
				}
			}
		}
		l.changed = true
		entries, _ := l.all()
		var saved strings.Builder
		if err := print(&saved, entries); err != nil {
			t.Fatal(err)
		}
		if err := New().read(strings.NewReader(saved.String()), start); err != nil {
			t.Errorf("what was saved cannot be read: %v", err)
		}
	})
}
