package account

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Hashes of the password "U*U", of "Hello world!" and of secret.
const (
	bcrypted = "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"
	crypted  = "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1"
)

func TestImport(t *testing.T) {
	path := filepath.Join(t.TempDir(), "accounts")
	relay, f := open(t, path), open(t, path)
	if err := f.Add("before", secret); err != nil {
		t.Fatal(err)
	}
	argon := newHash(secret).String()
	n, err := f.Import(strings.NewReader("# from the old server\n\n" +
		"shadow:" + crypted + ":19000:0:99999:7:::\r\n" +
		"b@example.org:{BLF-CRYPT}" + bcrypted + "\n" +
		"c@example.org:{blf-crypt}" + strings.Replace(bcrypted, "$2a$", "$2y$", 1) + ":1000:1000::/home/c::\n" +
		"d:{CRYPT}" + crypted + "\ne:{SHA512-CRYPT}" + crypted + "\nf:{ARGON2ID}" + argon + "\ng:" + argon))
	if err != nil || n != 7 {
		t.Fatalf("%d, %v", n, err)
	}
	list, err := relay.List()
	want := []Account{{"b@example.org", "bcrypt", false}, {"before", "argon2id", true}, {"c@example.org", "bcrypt", false},
		{"d", "sha512-crypt", false}, {"e", "sha512-crypt", false}, {"f", "argon2id", false}, {"g", "argon2id", false},
		{"shadow", "sha512-crypt", false}}
	if err != nil || !slices.Equal(list, want) {
		t.Errorf("%v, %v", list, err)
	}
	for name, password := range map[string]string{"shadow": "Hello world!", "b@example.org": "U*U", "c@example.org": "U*U",
		"d": "Hello world!", "f": secret, "g": secret, "before": secret} {
		if !verify(t, relay, name, password) || verify(t, relay, name, password+"x") {
			t.Errorf("%s logs in wrongly", name)
		}
	}
	if err := f.SetPassword("shadow", "another"); err != nil || !verify(t, relay, "shadow", "another") || verify(t, relay, "shadow", "Hello world!") {
		t.Errorf("a new password for an imported account: %v", err)
	}
	if list, _ := relay.List(); list[7].Hash != "argon2id" {
		t.Errorf("%v", list[7])
	}
}

// Every bad line is named, nothing is added, and no hash is repeated.
func TestImportRefuses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "accounts")
	f := open(t, path)
	if err := f.Add("here", secret); err != nil {
		t.Fatal(err)
	}
	before, _ := os.ReadFile(path)
	_, err := f.Import(strings.NewReader("good:" + crypted + "\n" + crypted + "\n" + crypted + ":x\nroot:*:19000\n" +
		"old:$1$salt$key\nplain:{PLAIN}" + secret + "\nwrong:{BLF-CRYPT}" + crypted + "\ngood:" + bcrypted + "\nempty:\n" +
		"costly:$2b$31$abcdefghijklmnopqrstuuG977f9RMry0Z18QsIVGvv6bEddOobBO\n"))
	want := []string{
		`line 2: not a line of NAME:HASH`,
		`line 3: the name before the colon cannot be an account's`,
		`line 4: account "root": the account is locked`,
		`line 5: account "old": MD5-crypt is not supported: it must be argon2id ($argon2id$), bcrypt ($2a$, $2b$, $2y$) or SHA-512-crypt ($6$)`,
		`line 6: account "plain": the scheme {PLAIN} is not supported: it must be ARGON2ID, BLF-CRYPT, SHA512-CRYPT or CRYPT`,
		`line 7: account "wrong": the scheme is {BLF-CRYPT}, but the hash is sha512-crypt`,
		`line 8: account "good" stands in line 1, too`,
		`line 9: account "empty": there is no hash`,
		`line 10: account "costly": the cost of the bcrypt hash is out of bounds: it must be from 4 to 14`,
	}
	if err == nil || err.Error() != strings.Join(want, "\n") {
		t.Errorf("%v", err)
	}
	_, err = f.Import(strings.NewReader("new:" + crypted + "\nhere:" + crypted + "\n"))
	if !errors.Is(err, ErrExists) || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("%v", err)
	}
	for _, nothing := range []string{"", "# only this\n", "a:" + strings.Repeat("x", 1<<17)} {
		if _, err := f.Import(strings.NewReader(nothing)); err == nil {
			t.Error("nothing is imported without a word")
		}
	}
	if after, _ := os.ReadFile(path); string(after) != string(before) {
		t.Errorf("the file changed: %s", after)
	}
}

// What is read is written the same, and nothing in a file makes a hash that costs without bounds.
func FuzzParse(f *testing.F) {
	f.Add("app:" + newHash(secret).String() + "\nb@example.org:" + newHash("x").String() + "\n")
	f.Add("app:$argon2id$v=19$m=8,t=1,p=1$AAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA\n")
	f.Add("b:" + bcrypted + "\nc:" + crypted + "\n")
	f.Add("d:" + bcrypted + ":" + newKeys(secret).String() + "\n")
	f.Add("e:!\n")
	f.Add("nonsense")
	f.Fuzz(func(t *testing.T, content string) {
		addImported(map[string]record{}, content)
		records, err := parse(content)
		if err != nil {
			return
		}
		again, err := parse(string(format(records)))
		if err != nil || len(again) != len(records) {
			t.Fatalf("%q comes back as %v, %v", content, again, err)
		}
		for name, r := range records {
			if again[name].String() != r.String() {
				t.Fatalf("%q: %v", name, r)
			}
			switch h := r.hash.(type) {
			case argon2id:
				if h.memory > maxMemory || h.time > maxTime {
					t.Fatalf("%v", h)
				}
			case sha512Crypt:
				if h.rounds > maxRounds {
					t.Fatalf("%v", h)
				}
			}
		}
	})
}
