package account

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/xdg-go/scram"
)

// login has a SCRAM client log in, as the library speaks it.
func scramLogin(t *testing.T, f *File, name, password string) bool {
	t.Helper()
	client, err := scram.SHA256.NewClient(name, password, "")
	if err != nil {
		t.Fatal(err)
	}
	server, err := scram.SHA256.NewServer(f.Keys)
	if err != nil {
		t.Fatal(err)
	}
	c, s := client.NewConversation(), server.NewConversation()
	said := ""
	for !s.Done() {
		if said, err = c.Step(said); err != nil {
			t.Fatal(err)
		}
		if said, err = s.Step(said); err != nil {
			return false
		}
	}
	_, err = c.Step(said)
	return err == nil && s.Valid() && c.Valid()
}

func TestSCRAM(t *testing.T) {
	path := filepath.Join(t.TempDir(), "accounts")
	f := open(t, path)
	if f.SCRAM() {
		t.Error("SCRAM works for no account")
	}
	if err := f.Add("app", secret); err != nil || !f.SCRAM() {
		t.Fatalf("SCRAM does not work for all accounts: %v", err)
	}
	if _, err := f.Import(strings.NewReader("old:" + bcrypted)); err != nil {
		t.Fatal(err)
	}
	f = open(t, path)
	if f.SCRAM() {
		t.Error("SCRAM works for an imported account")
	}
	for _, tc := range []struct {
		name, password string
		want           bool
	}{{"app", secret, true}, {"app", secret + "x", false}, {"old", "U*U", false}, {"nobody", secret, false}} {
		if got := scramLogin(t, f, tc.name, tc.password); got != tc.want {
			t.Errorf("%s logs in with SCRAM: %v", tc.name, got)
		}
	}
	if err := f.SetPassword("old", secret); err != nil || !f.SCRAM() || !scramLogin(t, f, "old", secret) {
		t.Errorf("SCRAM does not work after a new password: %v", err)
	}
}

// Who asks for the salt of an account learns nothing from it: it stays the same, and no two are.
func TestDecoyKeys(t *testing.T) {
	path := filepath.Join(t.TempDir(), "accounts")
	f := open(t, path)
	if err := f.Add("app", secret); err != nil {
		t.Fatal(err)
	}
	seen := map[string]string{}
	for _, name := range []string{"app", "nobody", "somebody"} {
		k, err := f.Keys(name)
		again, _ := open(t, path).Keys(name)
		if err != nil || k.Salt != again.Salt || string(k.StoredKey) != string(again.StoredKey) {
			t.Errorf("%s: the keys change: %v", name, err)
		}
		if k.Iters != newIterations || len(k.Salt) != saltSize || seen[k.Salt] != "" {
			t.Errorf("%s: %d iterations, salt of %d bytes, the same as for %q", name, k.Iters, len(k.Salt), seen[k.Salt])
		}
		seen[k.Salt] = name
	}
}

func TestParseKeys(t *testing.T) {
	k := newKeys(secret)
	back, err := parseKeys(k.String())
	if err != nil || back.String() != k.String() {
		t.Errorf("%v, %v", back, err)
	}
	if newKeys("\U0001f511") != nil {
		t.Error("keys for a password that SCRAM clients refuse")
	}
	text := k.String()
	for _, tc := range []struct{ in, says string }{
		{"", "not SCRAM keys"},
		{text + ":x", "not SCRAM keys"},
		{strings.Replace(text, "SHA-256", "SHA-1", 1), "not SCRAM keys"},
		{strings.Replace(text, "65536", "4095", 1), "out of bounds"},
		{strings.Replace(text, "65536", "99999999", 1), "out of bounds"},
		{text[:len(text)-4], "out of bounds"},
		{text[:len(text)-1], "not SCRAM keys"},
	} {
		if k, err := parseKeys(tc.in); err == nil || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("parseKeys(%q) = %v, %v; want %q", tc.in, k, err, tc.says)
		}
	}
}
