package account

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestNoPassword(t *testing.T) {
	path := filepath.Join(t.TempDir(), "accounts")
	f := open(t, path)
	if err := f.AddWithoutPassword("server@example.org"); err != nil {
		t.Fatal(err)
	}
	if err := f.AddWithoutPassword("server@example.org"); !errors.Is(err, ErrExists) {
		t.Errorf("twice: %v", err)
	}
	if f.AddWithoutPassword("a:b") == nil {
		t.Error("a name with a colon")
	}
	f = open(t, path) // as it is read again
	if known, err := f.Has("server@example.org"); !known || err != nil {
		t.Errorf("the account is not there: %v", err)
	}
	if f.SCRAM() {
		t.Error("SCRAM is offered where no account has a password")
	}
	if err := f.Add("app", secret); err != nil || !f.SCRAM() {
		t.Errorf("an account without password takes SCRAM from the others: %v", err)
	}
	for _, p := range []string{"", "!", secret, strings.Repeat("x", 5000)} {
		if verify(t, f, "server@example.org", p) {
			t.Errorf("%q logs in", p)
		}
	}
	if scramLogin(t, f, "server@example.org", secret) || scramLogin(t, f, "server@example.org", "!") {
		t.Error("SCRAM logs in")
	}
	if list, _ := f.List(); len(list) != 2 || list[1] != (Account{"server@example.org", "none", false}) {
		t.Errorf("%v", list)
	}
	if text, _ := os.ReadFile(path); !strings.Contains(string(text), "server@example.org:!\n") {
		t.Errorf("%s", text)
	}
	if err := f.SetPassword("server@example.org", secret); err != nil || !verify(t, f, "server@example.org", secret) {
		t.Errorf("a password that is set later: %v", err)
	}
}

// Nothing tells an account without a password from one with a wrong password, or from none: not the time, not the keys.
func TestNoPasswordGivesNothingAway(t *testing.T) {
	f := open(t, filepath.Join(t.TempDir(), "accounts"))
	if err := errors.Join(f.Add("app", secret), f.AddWithoutPassword("server")); err != nil {
		t.Fatal(err)
	}
	took := map[string]time.Duration{}
	for _, name := range []string{"app", "server", "nobody"} {
		took[name] = time.Hour
		for range 5 {
			begin := time.Now()
			verify(t, f, name, "wrong")
			took[name] = min(took[name], time.Since(begin))
		}
		k, err := f.Keys(name)
		again, _ := f.Keys(name)
		if err != nil || k.Iters != newIterations || len(k.Salt) != saltSize || len(k.StoredKey) != 32 || k.Salt != again.Salt {
			t.Errorf("%s: %+v, %v", name, k.KeyFactors, err)
		}
	}
	if took["server"] < took["app"]/3 || took["server"] > took["app"]*3 {
		t.Errorf("the answers take %v", took)
	}
}

// What other systems call locked does not become an account here.
func TestLockedIsNotImported(t *testing.T) {
	f := open(t, filepath.Join(t.TempDir(), "accounts"))
	if _, err := f.Import(strings.NewReader("root:!\n")); err == nil || !strings.Contains(err.Error(), "locked") {
		t.Errorf("%v", err)
	}
	for _, text := range []string{"a:!x\n", "a:!:" + newKeys(secret).String() + "\n"} {
		if _, err := parse(text); err == nil {
			t.Errorf("%.20q is read", text)
		}
	}
}
