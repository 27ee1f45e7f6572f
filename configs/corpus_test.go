package configs

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var update = flag.Bool("update", false, "write the .err and .want files of testdata")

func testSurroundings() surroundings {
	return surroundings{
		dir:      "/etc/tlsrelay",
		hostname: func() (string, error) { return "Machine.example.net", nil },
	}
}

func parseTest(name, text string) (*Config, error) {
	return parse(name, []byte(text), testSurroundings())
}

// corpus lists the .toml files of a folder of testdata; a folder without any fails the test.
func corpus(t testing.TB, folder string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", folder, "*.toml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no files in testdata/%s: %v", folder, err)
	}
	return files
}

func readFile(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// expect compares got with the file at name, or writes that file with -update.
func expect(t *testing.T, name, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(readFile(t, name), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

func TestBadFiles(t *testing.T) {
	for _, file := range corpus(t, "bad") {
		base := filepath.Base(file)
		t.Run(strings.TrimSuffix(base, ".toml"), func(t *testing.T) {
			_, err := parseTest(base, readFile(t, file))
			problems, ok := err.(Problems)
			if !ok {
				t.Fatalf("got error %v (%T), want Problems", err, err)
			}
			if !strings.HasPrefix(base, "several") && len(problems) != 1 {
				t.Errorf("%d problems for one mistake", len(problems))
			}
			for _, p := range problems {
				if p.Line == 0 {
					t.Errorf("no line: %v", p)
				}
			}
			expect(t, strings.TrimSuffix(file, ".toml")+".err", err.Error()+"\n")
		})
	}
}

func TestGoodFiles(t *testing.T) {
	for _, file := range corpus(t, "good") {
		base := filepath.Base(file)
		t.Run(strings.TrimSuffix(base, ".toml"), func(t *testing.T) {
			c, err := parseTest(base, readFile(t, file))
			if err != nil {
				t.Fatal(err)
			}
			printed := printAgain(t, c)
			expect(t, strings.TrimSuffix(file, ".toml")+".want", printed)
		})
	}
}

// printAgain prints c, and fails unless what is printed parses to an equal Config.
func printAgain(t testing.TB, c *Config) string {
	t.Helper()
	var b bytes.Buffer
	if err := c.WriteTOML(&b); err != nil {
		t.Fatalf("cannot print: %v", err)
	}
	again, err := parseTest("printed", b.String())
	if err != nil {
		t.Fatalf("what was printed does not parse: %v\n%s", err, b.String())
	}
	if !reflect.DeepEqual(c, again) {
		diff := cmp.Diff(c, again, cmpopts.EquateComparable())
		t.Fatalf("printed and parsed again, it differs:\n%s\n%s", diff, b.String())
	}
	return b.String()
}
