package certificate

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func logTo(t *testing.T) (*slog.Logger, *bytes.Buffer) {
	var b bytes.Buffer
	return slog.New(slog.NewTextHandler(&b, nil)), &b
}

func subject(t *testing.T, s *Source) string {
	t.Helper()
	c, err := s.Get(&tls.ClientHelloInfo{})
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(c.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	return leaf.Subject.CommonName
}

func TestSelfSignedIsMadeOnceAndPrivate(t *testing.T) {
	dir := t.TempDir()
	log, lines := logTo(t)
	first, err := SelfSigned(dir, "relay.example.net", log)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(lines.String(), "self-signed") {
		t.Errorf("the log does not say so: %s", lines)
	}
	info, err := os.Stat(filepath.Join(dir, selfSignedFile))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("file: %v, %v", info.Mode(), err)
	}
	second, err := SelfSigned(dir, "other.example.net", log)
	if err != nil {
		t.Fatal(err)
	}
	if a, b := subject(t, first), subject(t, second); a != "relay.example.net" || b != a {
		t.Errorf("subjects %q, %q", a, b)
	}
	c, _ := first.Get(&tls.ClientHelloInfo{})
	if err := c.Leaf.VerifyHostname("relay.example.net"); err != nil {
		t.Error(err)
	}
}

func TestFromFilesErrors(t *testing.T) {
	dir := t.TempDir()
	log, _ := logTo(t)
	garbage := filepath.Join(dir, "garbage.pem")
	if err := os.WriteFile(garbage, []byte("no PEM"), 0o600); err != nil {
		t.Fatal(err)
	}
	missing := filepath.Join(dir, "missing.pem")
	for _, files := range [][2]string{{missing, garbage}, {garbage, missing}, {garbage, garbage}} {
		if _, err := FromFiles(log, Files{files[0], files[1]}); err == nil || !strings.Contains(err.Error(), dir) {
			t.Errorf("%v: error %v names no file", files, err)
		}
	}
}

func TestFilesAreReadAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pair.pem")
	write := func(name string) {
		t.Helper()
		text, err := makeSelfSigned(name, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, append(text, bytes.Repeat([]byte("\n"), len(name))...), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("one.test")
	log, lines := logTo(t)
	s, err := FromFiles(log, Files{path, path})
	if err != nil {
		t.Fatal(err)
	}
	clock := time.Now()
	s.now = func() time.Time { return clock }
	if got := subject(t, s); got != "one.test" {
		t.Fatalf("shows %q", got)
	}
	write("second.test")
	if got := subject(t, s); got != "one.test" {
		t.Errorf("looked again at once: %q", got)
	}
	clock = clock.Add(checkEvery)
	if got := subject(t, s); got != "second.test" {
		t.Errorf("shows %q after the change", got)
	}
	if err := os.WriteFile(path, []byte("broken"), 0o600); err != nil {
		t.Fatal(err)
	}
	clock = clock.Add(checkEvery)
	if got := subject(t, s); got != "second.test" {
		t.Errorf("shows %q after the file broke", got)
	}
	if !strings.Contains(lines.String(), "last good one") {
		t.Errorf("log: %s", lines)
	}
}
