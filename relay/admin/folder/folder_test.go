package folder

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tlsrelay/relay/admin"
)

func TestFolderRefused(t *testing.T) {
	for _, tt := range []struct {
		what, says string
		prepare    func(dir string) error
	}{
		{"a file", "not a directory", func(dir string) error { return os.WriteFile(dir, nil, 0o600) }},
		{"not empty", "is not empty: name a new folder", func(dir string) error {
			os.Mkdir(dir, 0o700)
			return os.WriteFile(filepath.Join(dir, "other"), nil, 0o600)
		}},
		{"finished", "is not empty: name a new folder", func(dir string) error {
			_, err := Export(ctx, &fakeQueue{n: 1}, admin.Selection{All: true}, dir, new(all).add)
			return err
		}},
		{"open to others", "can be written by group or others", func(dir string) error {
			os.Mkdir(dir, 0o700)
			return os.Chmod(dir, 0o777)
		}},
		{"in use", "another export into this folder is under way", func(dir string) error {
			open(t, dir) // until the test ends
			return nil
		}},
		{"a marker that leads elsewhere", marker, func(dir string) error {
			os.Mkdir(dir, 0o700)
			return os.Symlink("/etc/passwd", filepath.Join(dir, marker))
		}},
	} {
		dir := filepath.Join(t.TempDir(), "queue")
		if err := tt.prepare(dir); err != nil {
			t.Fatal(tt.what, err)
		}
		f, err := openFolder(dir)
		if err == nil {
			f.Close()
			t.Errorf("%s: opened", tt.what)
		} else if !strings.Contains(err.Error(), tt.says) || !strings.Contains(err.Error(), dir) && tt.says != marker {
			t.Errorf("%s: %v", tt.what, err)
		}
	}
}

// A name that is there is never written through, and a message takes the place of a link with its name.
func TestNoFileIsFollowed(t *testing.T) {
	dir := t.TempDir()
	outside := filepath.Join(t.TempDir(), "outside")
	if err := os.WriteFile(outside, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	f := open(t, dir)
	for _, link := range []string{name(1, ".eml.part"), name(2, ".eml")} {
		if err := os.Symlink(outside, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := f.Create(name(1, ".eml.part")); !os.IsExist(err) {
		t.Errorf("Create on a link: %v", err)
	}
	if err := os.Remove(filepath.Join(dir, name(1, ".eml.part"))); err != nil {
		t.Fatal(err)
	}
	if _, err := export(ctx, &fakeQueue{n: 2}, admin.Selection{All: true}, f, new(all).add); err != nil {
		t.Fatal(err)
	}
	wantFiles(t, dir, map[string]string{
		name(1, ".eml"): textOf(1), name(1, ".json"): "", name(2, ".eml"): textOf(2), name(2, ".json"): "",
	})
	if text, err := os.ReadFile(outside); err != nil || string(text) != "precious" {
		t.Errorf("the file outside is %q, %v", text, err)
	}
}
