package configs

import (
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
	"github.com/google/go-cmp/cmp"
)

func TestPositions(t *testing.T) {
	for name, tc := range map[string]struct {
		text string
		want map[string]int
	}{
		"keys and comments": {
			"# a = 1\na = 1 # b = 2\n\n  c=2\r\n",
			map[string]int{"a": 2, "c": 4},
		},
		"tables": {
			"[a]\nx = 1\n[ b . 'c' ] # [d]\nx = 1\n",
			map[string]int{"a": 1, "a.x": 2, "b": 3, "b.c": 3, "b.c.x": 4},
		},
		"dotted keys": {
			"a.b = 1\na . \"c\" . d = 2\n",
			map[string]int{"a": 1, "a.b": 1, "a.c": 2, "a.c.d": 2},
		},
		"lists of tables": {
			"[[a]]\nx = 1\n[[a]]\n[a.b]\nx = 1\n[[a.c]]\n[[a.c]]\nx = 1\n[[a]]\n[[a.c]]\n",
			map[string]int{
				"a": 1, "a[0]": 1, "a[0].x": 2, "a[1]": 3, "a[1].b": 4, "a[1].b.x": 5, "a[1].c": 6, "a[1].c[0]": 6,
				"a[1].c[1]": 7, "a[1].c[1].x": 8, "a[2]": 9, "a[2].c": 10, "a[2].c[0]": 10,
			},
		},
		"lists and inline tables": {
			"a = [ # one\n 1, \"]\", # two\n [ 2\n ], { x = '}',\n y.z = [] },\n]\nb = {}\n",
			map[string]int{
				"a": 1, "a[0]": 2, "a[1]": 2, "a[2]": 3, "a[2][0]": 3, "a[3]": 4, "a[3].x": 4, "a[3].y": 5, "a[3].y.z": 5, "b": 7,
			},
		},
		"strings": {
			"a = \"\\\"#\\\\\" # c\nb = '\\' \n" +
				"c = \"\"\"\n\\\"\"\" x\n\"\"\"\"\"\nd = '''\ne = 1\n''''\nf = 2000-01-01 10:00:00\n",
			map[string]int{"a": 1, "b": 2, "c": 3, "d": 6, "f": 9},
		},
		"quoted keys": {
			"\"a.b\" = 1\n\"\\u0061\" = 1\n'' = 1\n",
			map[string]int{`"a.b"`: 1, "a": 2, `""`: 3},
		},
		"byte order mark": {"\ufeffa = 1\n", map[string]int{"a": 1}},
	} {
		var tree map[string]any
		if _, err := toml.Decode(tc.text, &tree); err != nil {
			t.Errorf("%s: bad test: %v", name, err)
		}
		if diff := cmp.Diff(tc.want, positions(tc.text)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// Nested nonsense must not cost memory by the square of its depth.
func TestPositionsOfNestedText(t *testing.T) {
	const depth = 20_000
	for _, unit := range []string{"[", "{a=", "a.", "[[a]]\n", "[a.", `"`, "'''"} {
		total := 0
		for path := range positions("a = " + strings.Repeat(unit, depth)) {
			total += len(path)
		}
		for path := range positions(strings.Repeat(unit, depth) + "a = 1") {
			total += len(path)
		}
		if total > 20*depth {
			t.Errorf("%q: paths of %d bytes in all", unit, total)
		}
	}
}

// treePaths calls visit for all that a decoded text has.
func treePaths(path string, v any, visit func(path string)) {
	if m, ok := v.(map[string]any); ok {
		for key, v := range m {
			visit(child(path, key))
			treePaths(child(path, key), v, visit)
		}
	}
	if list, ok := asList(v); ok {
		for i, v := range list {
			visit(element(path, i))
			treePaths(element(path, i), v, visit)
		}
	}
}

// FuzzPositions checks the scanner against the library: whatever that finds in a text has a line in it.
func FuzzPositions(f *testing.F) {
	f.Add("a = 1")
	f.Add("[[a.b]]\n[a.b.c]\nd = {e.f = [1, \"\"\"\n\"\"\"\"], 'g' = 1979-05-27 07:32:00}\n")
	for _, file := range append(corpus(f, "bad"), corpus(f, "good")...) {
		f.Add(readFile(f, file))
	}
	f.Fuzz(func(t *testing.T, text string) {
		lines := positions(text)
		last := strings.Count(text, "\n") + 1
		for path, line := range lines {
			if line < 1 || line > last {
				t.Errorf("%s is in line %d of %d", path, line, last)
			}
		}
		var tree map[string]any
		if _, err := toml.Decode(text, &tree); err != nil {
			return
		}
		treePaths("", tree, func(path string) {
			if _, ok := lines[path]; !ok && len(path) < maxPath {
				t.Errorf("no line for %s", path)
			}
		})
	})
}
