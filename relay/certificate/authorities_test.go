package certificate

import (
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// authorityPEM is a certificate in PEM, without its key.
func authorityPEM(t *testing.T, name string) string {
	t.Helper()
	pair, err := makeSelfSigned(name, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for rest := pair; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block.Type == "CERTIFICATE" {
			return string(pem.EncodeToMemory(block))
		}
	}
}

func TestAuthoritiesAreReadAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ca.pem")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	first, second := authorityPEM(t, "first.test"), authorityPEM(t, "second.authority.test")
	write("# ours\n" + first)
	log, lines := logTo(t)
	a, err := NewAuthorities(path, log)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	a.now = func() time.Time { return now }
	old := a.Pool()

	write(first + second)
	if a.Pool() != old {
		t.Error("the file is looked at each time")
	}
	now = now.Add(checkEvery)
	both := a.Pool()
	if both.Equal(old) || a.Pool() != both {
		t.Error("the second authority is not known")
	}
	for range 2 { // twice, to be logged once
		write("damaged")
		now = now.Add(checkEvery)
		if a.Pool() != both {
			t.Error("the last good ones are not in use")
		}
	}
	write(second)
	now = now.Add(checkEvery)
	if got := a.Pool(); got.Equal(both) || got.Equal(old) {
		t.Error("the first authority is still known")
	}
	text := lines.String()
	if strings.Count(text, "cannot be read") != 1 || strings.Count(text, "read again") != 2 {
		t.Errorf("log:\n%s", text)
	}
}

func TestAuthoritiesErrors(t *testing.T) {
	good := authorityPEM(t, "ca.test")
	for text, says := range map[string]string{
		"":                        "no certificate in it",
		"words":                   "no certificate in it",
		good + good[:len(good)/2]: "only 1 of 2 certificates",
		strings.Replace(good, "MII", "!II", 1) + good: "only 1 of 2 certificates",
		good + strings.Repeat("\n", 1<<20):            "larger than 1048576 bytes",
		strings.Replace(good, "MII", "QII", 1):        "certificate 1: ",
		pemOf("EC PRIVATE KEY", "k") + good:           `it holds a "EC PRIVATE KEY"`,
	} {
		path := filepath.Join(t.TempDir(), "ca.pem")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := NewAuthorities(path, nil)
		if err == nil || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), path) {
			t.Errorf("%.60q: %v, want %q", text, err, says)
		}
	}
	if _, err := NewAuthorities("/nonexistent/ca.pem", nil); err == nil || !strings.Contains(err.Error(), "client_ca") {
		t.Errorf("a missing file: %v", err)
	}
}

func pemOf(kind, content string) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: []byte(content)}))
}
