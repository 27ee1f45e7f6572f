package dkim

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// pemOf is the text of a key file.
func pemOf(t *testing.T, key any) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

func write(t testing.TB, path string, text []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestLoadNamesBadFiles(t *testing.T) {
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	good := newRig(t, "example.org rsa good")
	text, err := os.ReadFile(filepath.Join(good.dir, "example.org/good.pem"))
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	flipped := append([]byte(nil), block.Bytes...)
	flipped[100] ^= 1 // in the modulus
	for _, tt := range []struct {
		name, file string
		text       []byte
		want       string
	}{
		{"no PEM", "example.org/a.pem", []byte("hello"), `not a PEM file: it must begin with "-----BEGIN PRIVATE KEY-----"`},
		{"empty", "example.org/a.pem", nil, "not a PEM file"},
		{"large", "example.org/a.pem", make([]byte, maxKeyFile+1), "is larger than 16384 bytes"},
		{"PKCS#1", "example.org/a.pem", pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(small)}),
			"not in PKCS#8: convert it with openssl pkcs8 -topk8"},
		{"encrypted", "example.org/a.pem", pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY"}), "decrypt it"},
		{"certificate", "example.org/a.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE"}), `"CERTIFICATE" where a PRIVATE KEY should be`},
		{"short RSA", "example.org/a.pem", pemOf(t, small), "has 1024 bits, not 2048 to 4096: make another with tlsrelay dkim new"},
		{"ECDSA", "example.org/a.pem", pemOf(t, curve), "neither an RSA nor an Ed25519 key"},
		{"cut off", "example.org/a.pem", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: block.Bytes[:200]}), "damaged"},
		{"damaged", "example.org/a.pem", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: flipped}), "the key is damaged: restore it"},
		{"selector", "example.org/A b.pem", text, `"A b" is not a selector`},
		{"domain", "Example.org/a.pem", text, "is not a domain in lower case ASCII"},
		{"no domain", "example.org.pem", text, "does not stand in a folder for its domain: move it to"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			path := filepath.Join(r.dir, tt.file)
			write(t, path, tt.text)
			_, err := Load(r.dir)
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), filepath.Join(r.dir, filepath.Dir(tt.file))) {
				t.Errorf("error %v, want %q and the file", err, tt.want)
			}
			if err := List(r.dir, func(Record) error { return nil }); err == nil {
				t.Error("the list does not tell")
			}
		})
	}
}

func TestLoadGuardsSecrets(t *testing.T) {
	for _, tt := range []struct {
		path string
		mode fs.FileMode
		want string // part of the error, "" for none
	}{
		{"example.org/s.pem", 0o644, "(mode 0644): chmod 600 "},
		{"example.org/s.pem", 0o640, "(mode 0640): chmod 600 "},
		{"example.org/s.pem", 0o400, ""},
		{"example.org", 0o770, "(mode 0770): chmod 700 "},
		{"", 0o777, "(mode 0777): chmod 700 "},
		{"", 0o755, ""}, // the names of domains are no secret
	} {
		r := newRig(t, "example.org ed25519 s")
		path := filepath.Join(r.dir, tt.path)
		if err := os.Chmod(path, tt.mode); err != nil {
			t.Fatal(err)
		}
		_, err := Load(r.dir)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want+path)) {
			t.Errorf("%s with mode %04o: %v", tt.path, tt.mode, err)
		}
	}
}

func TestLoadPassesOver(t *testing.T) {
	r := newRig(t, "example.org ed25519 on")
	for _, name := range []string{"README", ".hidden.pem", "example.org/.new-123", "example.org/record.txt", "example.org/on.pem~", ".git/x.pem"} {
		write(t, filepath.Join(r.dir, name), []byte("x"))
	}
	keys, err := Load(r.dir)
	if err != nil || keys.Len() != 1 {
		t.Errorf("%v, %v", keys, err)
	}
	if _, err := Load(filepath.Join(r.dir, "none")); !errors.Is(err, ErrNoFolder) {
		t.Errorf("a folder that is not there: %v", err)
	}
	for _, link := range []string{"example.org/s.pem", "example.net"} {
		if err := os.Symlink("nowhere", filepath.Join(r.dir, link)); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(r.dir); err == nil || errors.Is(err, ErrNoFolder) || !strings.Contains(err.Error(), link) {
			t.Errorf("%s is a link to nowhere: %v", link, err)
		}
		os.Remove(filepath.Join(r.dir, link))
	}
	elsewhere := newRig(t, "example.com ed25519 s")
	for file, target := range map[string]string{"example.com": "example.com", "example.org/linked.pem": "example.com/s.pem"} {
		if err := os.Symlink(filepath.Join(elsewhere.dir, target), filepath.Join(r.dir, file)); err != nil {
			t.Fatal(err)
		}
	}
	if keys, err := Load(r.dir); err != nil || keys.Len() != 2 || len(keys.of("example.org")) != 2 {
		t.Errorf("links to keys: %v, %v", keys, err)
	}
}

func TestLoadBounds(t *testing.T) {
	r := newRig(t)
	for _, s := range "abcdefgh" {
		r.create("example.org ed25519 " + string(s))
	}
	r.load()
	r.create("example.org ed25519 i")
	if _, err := Load(r.dir); err == nil || !strings.Contains(err.Error(), "more than 8 keys") {
		t.Errorf("nine keys: %v", err)
	}
	r = newRig(t)
	for _, s := range "abcdefghijklmnopqrstuvwxyz" {
		write(t, filepath.Join(r.dir, "example.org", string(s)+".pem"), nil)
	}
	if _, err := Load(r.dir); err == nil || strings.Count(err.Error(), "not a PEM") != maxErrors || !strings.Contains(err.Error(), "and 6 more") {
		t.Errorf("26 bad files: %v", err)
	}
}

func TestNearestDomainSigns(t *testing.T) {
	r := newRig(t, "example.org ed25519 a", "mail.example.org ed25519 b", "off.example.org ed25519 c", "xn--bcher-kva.example ed25519 d")
	off := filepath.Join(r.dir, "off.example.org/c.pem")
	if err := os.Rename(off, off+".off"); err != nil {
		t.Fatal(err)
	}
	r.load()
	for from, want := range map[string]string{
		"x@example.org": "a", "x@EXAMPLE.ORG": "a", "x@deep.er.example.org": "a", "x@mail.example.org": "b", "x@x.mail.example.org": "b",
		"x@off.example.org": "a", "x@org": "", "x@notexample.org": "", "x@example.org.com": "", "x@bücher.example": "d",
		"Bücher <x@xn--bcher-kva.example>": "d", "x@[192.0.2.1]": "", "x@mail.example.org, y@example.org": "b",
		"Group: x@example.org, y@mail.example.org;": "a", `"x@mail.example.org" <y@example.org>`: "a",
		"=?koi8-x?Q?=A4?= <x@example.org>": "a", "Gr\xfc\xdfe <x@example.org>": "a", "x@example.org (x@mail.example.org)": "a",
	} {
		out, signed := r.prepare("From: " + from + "\r\n\r\nx\r\n")
		if _, rest, _ := strings.Cut(out[:signed], " s="); !strings.HasPrefix(rest, want+";") && (want != "" || signed != 0) {
			t.Errorf("From %s: signed by %q, want %q", from, out[:signed], want)
		}
		if r.log.Len() > 0 {
			t.Errorf("From %s: %s", from, r.log.String())
		}
	}
}

func TestNotSigned(t *testing.T) {
	r := newRig(t, "example.org ed25519 a")
	for text, why := range map[string]string{
		"Subject: x\r\n\r\nx\r\n": "no From field",
		"From: a@example.org\r\nSubject: x\r\nFROM : b@example.org\r\n\r\nx\r\n": "more than one From field",
		"From: nobody\r\n\r\nx\r\n":         "cannot be read",
		"From: \r\n\r\nx\r\n":               "cannot be read",
		"From: a@exa mple.org\r\n\r\nx\r\n": "cannot be read",
		"From: a@-example.org\r\n\r\nx\r\n": "cannot be read",
		"From: " + strings.Repeat("a@example.org,\r\n ", 800) + "a@example.org\r\n\r\nx\r\n": "cannot be read",
		"From: a@example.org\r\n" + strings.Repeat("Reply-To: b@c\r\n", 100) + "\r\nx\r\n":   "repeats so many header fields",
	} {
		r.log.Reset()
		header, err := r.signer.Sign("0e9xq2v7c4k1g", []byte(text))
		log := r.log.String()
		if header != "" || err != nil || strings.Count(log, "\n") != 1 || !strings.Contains(log, why) || !strings.Contains(log, "id=0e9xq2v7c4k1g") {
			t.Errorf("%.80q: signature %q, %v, log %s", text, header, err, log)
		}
	}
	for _, blank := range []string{strings.Repeat("\r\n", maxBlank) + "y\r\n", strings.Repeat(" \r\n", maxBlank)} {
		if _, signed := r.prepare(top + "\r\nx" + blank); signed != 0 || !strings.Contains(r.log.String(), "too much blank space") {
			t.Errorf("blank space: %d bytes of signature, log %s", signed, r.log.String())
		}
	}
	none := newRig(t)
	if _, signed := none.prepare("From: unreadable\r\n\r\n"); signed != 0 || none.log.Len() > 0 {
		t.Errorf("without keys: %d, %s", signed, none.log.String())
	}
}
