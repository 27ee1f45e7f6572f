package dkim

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestCreate(t *testing.T) {
	r := newRig(t)
	rsa := r.create("EXAMPLE.org. rsa")
	ed := r.create("bücher.example ed25519")
	r.create("example.org ed25519 other")
	if rsa.Name != "r20261125._domainkey.example.org" || !strings.HasPrefix(rsa.Value, "v=DKIM1; k=rsa; p=MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A") ||
		rsa.Bits != 2048 || !rsa.Signs {
		t.Errorf("record %+v", rsa)
	}
	if len(rsa.Strings) != 2 || len(rsa.Strings[0]) != 255 || rsa.Strings[0]+rsa.Strings[1] != rsa.Value {
		t.Errorf("strings %q", rsa.Strings)
	}
	if want := rsa.Name + `. IN TXT ( "` + rsa.Strings[0] + `" "` + rsa.Strings[1] + `" )`; rsa.Zone() != want {
		t.Errorf("zone line %s", rsa.Zone())
	}
	if ed.Name != "e20261125._domainkey.xn--bcher-kva.example" || len(ed.Value) != len("v=DKIM1; k=ed25519; p=")+44 || ed.Bits != 0 ||
		ed.Zone() != ed.Name+`. IN TXT "`+ed.Value+`"` {
		t.Errorf("record %+v", ed)
	}
	for path, mode := range map[string]os.FileMode{rsa.File: 0o600, filepath.Dir(rsa.File): 0o700 | os.ModeDir} {
		if info, err := os.Stat(path); err != nil || info.Mode() != mode {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
	if files, err := os.ReadDir(filepath.Dir(rsa.File)); err != nil || len(files) != 2 {
		t.Errorf("left in the folder: %v, %v", files, err)
	}
	var listed []Record
	if err := List(r.dir, func(r Record) error { listed = append(listed, r); return nil }); err != nil || len(listed) != 3 {
		t.Fatalf("%d keys listed, %v", len(listed), err)
	}
	if listed[1].Value != rsa.Value || listed[0].Selector != "other" || listed[2].Value != ed.Value {
		t.Errorf("listed %+v", listed)
	}
}

func TestCreateNeverReplaces(t *testing.T) {
	r := newRig(t)
	first := r.create("example.org ed25519 s")
	text, err := os.ReadFile(first.File)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		_, err = Create(r.dir, NewKey{Domain: "example.org", Type: RSA, Selector: "s"}, today)
		if err == nil || !strings.Contains(err.Error(), "is there already, and a key is never replaced: choose another --selector") {
			t.Errorf("error %v", err)
		}
		for _, path := range []string{first.File, first.File + ".off"} {
			if now, err := os.ReadFile(path); err == nil && string(now) != string(text) {
				t.Error("the key was replaced")
			}
		}
		os.Rename(first.File, first.File+".off") // retired, and its record may still stand in DNS
	}
	if err := writeNew(first.File+".off", []byte("x")); err == nil { // two commands at once
		t.Error("a file that came up meanwhile is replaced")
	}
}

func TestCreateRefuses(t *testing.T) {
	r := newRig(t)
	for _, tt := range []struct {
		key  NewKey
		want string
	}{
		{NewKey{Domain: "", Type: RSA}, "is not a domain"},
		{NewKey{Domain: "..", Type: RSA}, "is not a domain"},
		{NewKey{Domain: "a/b.org", Type: RSA}, "is not a domain"},
		{NewKey{Domain: strings.Repeat("a.", 127) + "org", Type: RSA}, "at most 253"},
		{NewKey{Domain: "example.org", Type: RSA, Selector: "../x"}, "is not a selector"},
		{NewKey{Domain: strings.Repeat("a.", 120) + "org", Type: RSA}, "too long together"},
		{NewKey{Domain: "example.org", Type: "dsa"}, "no type of key"},
		{NewKey{Domain: "example.org", Type: RSA, Bits: 1024}, "2048 to 4096"},
		{NewKey{Domain: "example.org", Type: RSA, Bits: 2049}, "multiple of 8"},
		{NewKey{Domain: "example.org", Type: RSA, Bits: 8192}, "2048 to 4096"},
		{NewKey{Domain: "example.org", Type: Ed25519, Bits: 256}, "no choice of bits"},
	} {
		if _, err := Create(r.dir, tt.key, today); !errors.Is(err, ErrWrongKey) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: %v, want %q", tt.key, err, tt.want)
		}
	}
	if files, err := os.ReadDir(r.dir); err != nil || len(files) != 0 {
		t.Errorf("left: %v, %v", files, err)
	}
}

func TestDefaultSelector(t *testing.T) {
	east := today.Add(-time.Hour).In(time.FixedZone("", 8*3600))
	if got := DefaultSelector(RSA, east) + DefaultSelector(Ed25519, today); got != "r20261125e20261125" {
		t.Error(got)
	}
}
