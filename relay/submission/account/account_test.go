package account

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
)

const secret = "correct horse battery"

func open(t *testing.T, path string) *File {
	t.Helper()
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func verify(t *testing.T, f *File, name, password string) bool {
	t.Helper()
	ok, err := f.Verify(name, password)
	if err != nil {
		t.Fatal(err)
	}
	return ok
}

func TestAddVerifyRemove(t *testing.T) {
	path := filepath.Join(t.TempDir(), "accounts")
	f := open(t, path)
	if verify(t, f, "app", secret) {
		t.Error("a login to an empty file is right")
	}
	if err := f.Add("app", secret); err != nil {
		t.Fatal(err)
	}
	if err := f.Add("app", "another"); !errors.Is(err, ErrExists) {
		t.Errorf("second Add: %v", err)
	}
	for _, tc := range []struct {
		name, password string
		want           bool
	}{
		{"app", secret, true},
		{"app", "wrong", false},
		{"app", "", false},
		{"app", strings.Repeat("x", 5000), false},
		{"APP", secret, false},
		{"other", secret, false},
		{"other", "", false},
		{"", "", false},
	} {
		if got := verify(t, f, tc.name, tc.password); got != tc.want {
			t.Errorf("Verify(%q, %q) = %v", tc.name, tc.password, got)
		}
	}
	if err := f.Remove("other"); !errors.Is(err, ErrUnknown) {
		t.Errorf("Remove of an unknown account: %v", err)
	}
	if err := f.Remove("app"); err != nil {
		t.Fatal(err)
	}
	if verify(t, f, "app", secret) {
		t.Error("a removed account logs in")
	}
}

// A relay that runs sees what another process changes.
func TestChangesAreSeen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "accounts")
	relay, command := open(t, path), open(t, path)
	if err := command.Add("b@example.org", secret); err != nil {
		t.Fatal(err)
	}
	if !verify(t, relay, "b@example.org", secret) {
		t.Error("a new account is not known")
	}
	if err := command.Add("a", secret); err != nil {
		t.Fatal(err)
	}
	want := []Account{{"a", "argon2id", true}, {"b@example.org", "argon2id", true}}
	if list, err := relay.List(); err != nil || !slices.Equal(list, want) {
		t.Errorf("List = %v, %v", list, err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if names, err := relay.List(); err != nil || len(names) != 0 {
		t.Errorf("List after the file is gone = %v, %v", names, err)
	}
}

func TestConcurrentAdds(t *testing.T) {
	path := filepath.Join(t.TempDir(), "accounts")
	var wg sync.WaitGroup
	for i := range 8 {
		f := open(t, path)
		wg.Go(func() {
			if err := f.Add(fmt.Sprintf("app%d", i), secret); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if names, err := open(t, path).List(); err != nil || len(names) != 8 {
		t.Errorf("accounts left: %v, %v", names, err)
	}
}

func TestFileOnDisk(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "accounts")
	if err := open(t, path).Add("app", secret); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v; want 0600", info.Mode(), err)
	}
	content, _ := os.ReadFile(path)
	text := string(content)
	if !strings.HasPrefix(text, "app:$argon2id$v=19$m=19456,t=2,p=1$") || strings.Contains(text, secret) {
		t.Errorf("content: %s", content)
	}
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if strings.Contains(e.Name(), ".new-") {
			t.Errorf("%s was left behind", e.Name())
		}
	}
	if os.Geteuid() != 0 {
		return // only root can give files away
	}
	if err := os.Chown(path, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	if err := open(t, path).Add("second", secret); err != nil {
		t.Fatal(err)
	}
	info, _ = os.Stat(path)
	if owner := info.Sys().(*syscall.Stat_t).Uid; owner != 65534 {
		t.Errorf("the file changed its owner to %d", owner)
	}
}

func TestBadFiles(t *testing.T) {
	good := "app:" + newHash(secret).String() + "\n"
	for _, tc := range []struct {
		name, content, says string
		mode                os.FileMode
	}{
		{"readable", good, "chmod 600", 0o644},
		{"no colon", good + "nonsense\n", "line 2", 0o600},
		{"empty line", good + "\n" + good, "line 2", 0o600},
		{"twice", good + good, "twice", 0o600},
		{"clear password", "app:" + secret + "\n", "line 1: the hash is of no known kind", 0o600},
	} {
		path := filepath.Join(t.TempDir(), "accounts")
		if err := os.WriteFile(path, []byte(tc.content), tc.mode); err != nil {
			t.Fatal(err)
		}
		_, err := Open(path)
		if err == nil || !strings.Contains(err.Error(), tc.says) || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v; want %q", tc.name, err, tc.says)
		}
	}
	if _, err := Open(t.TempDir()); err == nil || !strings.Contains(err.Error(), "regular") {
		t.Errorf("a folder: %v", err)
	}
}

// A file that is damaged while the relay runs is neither a right nor a wrong password.
func TestVerifyOfDamagedFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "accounts")
	f := open(t, path)
	if err := os.WriteFile(path, []byte("torn"), 0o600); err != nil {
		t.Fatal(err)
	}
	if ok, err := f.Verify("app", secret); ok || err == nil {
		t.Errorf("Verify = %v, %v", ok, err)
	}
	if err := f.Add("app", secret); err == nil {
		t.Error("Add writes over a damaged file")
	}
}

func TestAddRefuses(t *testing.T) {
	f := open(t, filepath.Join(t.TempDir(), "accounts"))
	for _, name := range []string{"", "a:b", " a", "a ", "a\nb", "a\x00", "\xff", strings.Repeat("a", 256)} {
		if err := f.Add(name, secret); err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("Add(%q): %v", name, err)
		}
	}
	for _, password := range []string{"", secret + "\n", secret + "\x00", strings.Repeat(secret, 100)} {
		if err := f.Add("app", password); err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("Add with password %q: %v", password, err)
		}
	}
	if names, _ := f.List(); len(names) != 0 {
		t.Errorf("accounts were made: %v", names)
	}
}
