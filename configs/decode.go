package configs

import (
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/BurntSushi/toml"
)

// document is one file: where its keys stand, and what is wrong with it.
type document struct {
	name     string
	text     string
	lines    map[string]int  // of every path in the file
	bad      map[string]bool // paths with a problem, whose value must not be judged further
	problems Problems
}

func newDocument(name string, data []byte) *document {
	text := string(data)
	return &document{name: name, text: text, lines: positions(text), bad: map[string]bool{}}
}

// has reports whether the file sets the key at path.
func (d *document) has(path string) bool {
	_, ok := d.lines[path]
	return ok
}

// ok reports whether nothing was wrong with any of the values so far.
func (d *document) ok(paths ...string) bool {
	return !slices.ContainsFunc(paths, func(p string) bool { return d.bad[p] })
}

// problem notes what is wrong with the value at path.
func (d *document) problem(path, format string, args ...any) {
	d.bad[path] = true
	if list := listOf(path); list != "" {
		d.bad[list] = true
	}
	d.problems = append(d.problems, Problem{d.name, d.line(path), plainKey(path), fmt.Sprintf(format, args...)})
}

// line finds the line of path, or of the table it is missing from; 0 if that is not in the file either.
func (d *document) line(path string) int {
	for path != "" {
		if n, ok := d.lines[path]; ok {
			return n
		}
		path = path[:max(strings.LastIndexAny(path, ".["), 0)]
	}
	return 0
}

// listOf is the path of the list whose element path is, or "".
func listOf(path string) string {
	if !strings.HasSuffix(path, "]") {
		return ""
	}
	return path[:strings.LastIndex(path, "[")]
}

var elementIndex = regexp.MustCompile(`\[\d+\]`)

// plainKey is a path as the operator writes it: "listener.address".
func plainKey(path string) string { return elementIndex.ReplaceAllString(path, "") }

// decode lays the file over c, and reports whether it could be read as a whole, be it with mistakes. Lists replace
// those in c; tables are merged key by key.
func (d *document) decode(c *Config) bool {
	if len(d.text) > maxFile {
		d.problems = append(d.problems, Problem{File: d.name, Text: "is larger than 1 MiB, too large for a configuration"})
		return false
	}
	var tree map[string]any
	if _, err := toml.Decode(d.text, &tree); err != nil {
		d.problems = append(d.problems, syntaxProblem(d.name, err))
		return false
	}
	d.table("", tree, reflect.ValueOf(c).Elem())
	return true
}

// syntaxProblem is what stops the reading of a file: from there on nothing can be told about it.
func syntaxProblem(name string, err error) Problem {
	p := Problem{File: name, Text: "this is not TOML: " + err.Error()}
	if pe := (toml.ParseError{}); errors.As(err, &pe) {
		p.Line, p.Text = pe.Position.Line, "this is not TOML: "+strings.TrimSuffix(pe.Message, ".")
	}
	return p
}

// table decodes a table into the struct dst, key by key.
func (d *document) table(path string, src map[string]any, dst reflect.Value) {
	for key, v := range src {
		field, ok := fieldOf(dst, key)
		if !ok {
			d.problem(child(path, key), "%s", unknownKey(key, dst.Type()))
			continue
		}
		d.value(child(path, key), v, field)
	}
}

// value decodes v into dst. A value that does not fit leaves dst as it is.
func (d *document) value(path string, v any, dst reflect.Value) {
	if isText(dst) {
		d.textValue(path, v, dst)
		return
	}
	switch dst.Kind() {
	case reflect.Struct:
		if m, ok := v.(map[string]any); ok {
			d.table(path, m, dst)
			return
		}
	case reflect.Map:
		if m, ok := v.(map[string]any); ok {
			d.mapping(path, m, dst)
			return
		}
	case reflect.Slice:
		if list, ok := asList(v); ok {
			d.list(path, list, dst)
			return
		}
	case reflect.String:
		if s, ok := v.(string); ok {
			d.stringValue(path, s, dst)
			return
		}
	case reflect.Int:
		if n, ok := v.(int64); ok {
			dst.SetInt(n)
			return
		}
	case reflect.Bool:
		if b, ok := v.(bool); ok {
			dst.SetBool(b)
			return
		}
	}
	d.problem(path, "%s does not fit here; %s", kindOf(v), advice(path, dst))
}

// mapping decodes a table whose keys are not those of a struct. The check of the keys is left to their type's validation.
func (d *document) mapping(path string, src map[string]any, dst reflect.Value) {
	all := reflect.MakeMap(dst.Type())
	for key, v := range src {
		one := reflect.New(dst.Type().Elem()).Elem()
		d.value(child(path, key), v, one)
		all.SetMapIndex(reflect.ValueOf(key).Convert(dst.Type().Key()), one)
	}
	dst.Set(all)
}

// list decodes a list into a new slice, so that nothing of the default's elements shows through.
func (d *document) list(path string, src []any, dst reflect.Value) {
	list := reflect.MakeSlice(dst.Type(), len(src), len(src))
	for i, v := range src {
		d.value(element(path, i), v, list.Index(i))
	}
	dst.Set(list)
}

// textValue decodes a string into a type that reads itself from text.
func (d *document) textValue(path string, v any, dst reflect.Value) {
	s, ok := v.(string)
	if !ok {
		d.problem(path, "%s does not fit here; %s", kindOf(v), advice(path, dst))
		return
	}
	err := dst.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(s))
	if _, own := dst.Interface().(interface{ allowed() string }); own {
		if err != nil {
			d.problem(path, "%v", err)
		}
		return
	}
	if err != nil || s == "" { // package netip takes "" for its zero values, and its errors name Go functions
		d.problem(path, "%.60q does not fit here; %s", s, advice(path, dst))
	}
}

// stringValue refuses control characters: none of the settings can use them, and they garble logs and mail headers.
func (d *document) stringValue(path, s string, dst reflect.Value) {
	if strings.ContainsFunc(s, unicode.IsControl) {
		d.problem(path, "%.60q has a control character; leave it out", s)
		return
	}
	dst.SetString(s)
}

func isText(v reflect.Value) bool {
	_, ok := v.Addr().Interface().(encoding.TextUnmarshaler)
	return ok
}

// asList takes a list of either form that the library gives.
func asList(v any) ([]any, bool) {
	switch v := v.(type) {
	case []any:
		return v, true
	case []map[string]any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = v[i]
		}
		return list, true
	}
	return nil, false
}

// fieldOf finds the field for a key. Case counts, unlike in the library.
func fieldOf(v reflect.Value, key string) (reflect.Value, bool) {
	for i := range v.NumField() {
		if tagOf(v.Type().Field(i)) == key {
			return v.Field(i), true
		}
	}
	return reflect.Value{}, false
}

func tagOf(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("toml"), ",")
	return name
}
