package configs

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/BurntSushi/toml"
)

// positions gives the line of every key, table and list element in a TOML text that parses, under its path:
// "queue.retry[1]", "listener[0].address". The TOML library does not tell. On other texts it gives what it finds.
func positions(text string) map[string]int {
	for _, mark := range []string{"\xff\xfe", "\xfe\xff", "\ufeff"} { // byte order marks that the library skips
		if rest, ok := strings.CutPrefix(text, mark); ok {
			text = rest
			break
		}
	}
	s := scanner{text: text, line: 1, lines: map[string]int{}, tables: map[string]int{}}
	table := ""
	for s.space(true); s.i < len(s.text); s.space(true) {
		if s.peek() == '[' {
			table = s.header()
		} else {
			s.keyValue(table)
		}
	}
	return s.lines
}

// child is the path of key in the table at path.
func child(path, key string) string {
	if strings.Trim(key, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") != "" || key == "" {
		key = strconv.Quote(key)
	}
	if path == "" {
		return key
	}
	return path + "." + key
}

// element is the path of an element of the list at path.
func element(path string, i int) string { return fmt.Sprintf("%s[%d]", path, i) }

type scanner struct {
	text   string
	i      int
	line   int
	lines  map[string]int
	tables map[string]int // number of [[tables]] so far, by path
}

// peek gives the current byte, 0 at the end.
func (s *scanner) peek() byte {
	if s.i < len(s.text) {
		return s.text[s.i]
	}
	return 0
}

// next goes on by n bytes, counting lines.
func (s *scanner) next(n int) {
	end := min(s.i+n, len(s.text))
	s.line += strings.Count(s.text[s.i:end], "\n")
	s.i = end
}

// space skips blanks, and with lines also line ends and comments.
func (s *scanner) space(lines bool) {
	for s.i < len(s.text) {
		switch c := s.text[s.i]; {
		case c == ' ' || c == '\t':
			s.next(1)
		case lines && (c == '\n' || c == '\r'):
			s.next(1)
		case lines && c == '#':
			s.until("\n")
		default:
			return
		}
	}
}

// maxPath ends the tracking of paths far beyond any key there is, so that nested nonsense does not cost memory. What is
// deeper has the line of what it stands in.
const maxPath = 200

func (s *scanner) child(path, key string) string {
	if len(path) > maxPath {
		return path
	}
	return child(path, key)
}

func (s *scanner) element(path string, i int) string {
	if len(path) > maxPath {
		return path
	}
	return element(path, i)
}

// until goes to the first of the bytes in stop.
func (s *scanner) until(stop string) {
	n := strings.IndexAny(s.text[s.i:], stop)
	if n < 0 {
		n = len(s.text) - s.i
	}
	s.next(n)
}

// mark notes the line of a path unless it is known already.
func (s *scanner) mark(path string) {
	if _, ok := s.lines[path]; !ok {
		s.lines[path] = s.line
	}
}

// header reads [a.b] or [[a.b]] and gives the path of the table.
func (s *scanner) header() string {
	list := strings.HasPrefix(s.text[s.i:], "[[")
	s.next(1)
	if list {
		s.next(1)
	}
	path := ""
	keys := s.keys()
	for i, key := range keys {
		path = s.child(path, key)
		s.mark(path)
		if list && i == len(keys)-1 {
			s.tables[path]++
		}
		if n := s.tables[path]; n > 0 {
			path = s.element(path, n-1)
			s.mark(path)
		}
	}
	s.until("\n")
	return path
}

// keyValue reads key = value of the table at path.
func (s *scanner) keyValue(path string) {
	for _, key := range s.keys() {
		path = s.child(path, key)
		s.mark(path)
	}
	if s.peek() != '=' {
		s.next(1) // not TOML: go on somewhere
		return
	}
	s.next(1)
	s.space(false)
	s.value(path)
}

// keys reads a dotted key and the blanks behind it.
func (s *scanner) keys() []string {
	var keys []string
	for {
		s.space(false)
		start := s.i
		if c := s.peek(); c == '"' || c == '\'' {
			s.quoted()
			keys = append(keys, unquote(s.text[start:s.i]))
		} else {
			s.until(" \t\r\n.=]}#\"'")
			keys = append(keys, s.text[start:s.i])
		}
		s.space(false)
		if s.peek() != '.' {
			return keys
		}
		s.next(1)
	}
}

// unquote leaves the escapes of a quoted key to the library.
func unquote(raw string) string {
	var v struct{ Key string }
	if _, err := toml.Decode("Key = "+raw, &v); err != nil {
		return raw
	}
	return v.Key
}

// value skips a value and marks what is inside it.
func (s *scanner) value(path string) {
	switch s.peek() {
	case '"', '\'':
		s.quoted()
	case '[':
		s.next(1)
		for n := 0; s.more(']'); n++ {
			at := s.element(path, n)
			s.mark(at)
			s.value(at)
		}
	case '{':
		s.next(1)
		for s.more('}') {
			s.keyValue(path)
		}
	default:
		s.until(",]}#\r\n")
	}
}

// more goes to the next element of a list or inline table. At the closing bracket, or the end, it skips that and says
// no.
func (s *scanner) more(closing byte) bool {
	for s.space(true); s.peek() == ','; s.space(true) {
		s.next(1)
	}
	c := s.peek()
	if c == closing || c == 0 || c == ']' || c == '}' {
		s.next(1)
		return false
	}
	return true
}

// quoted skips a string of any of the four kinds.
func (s *scanner) quoted() {
	quote := s.text[s.i : s.i+1]
	if strings.HasPrefix(s.text[s.i:], strings.Repeat(quote, 3)) {
		s.multiLine(quote)
		return
	}
	s.next(1)
	for c := s.peek(); c != 0 && c != '\n'; c = s.peek() {
		s.next(1)
		switch {
		case c == quote[0]:
			return
		case c == '\\' && quote == `"`:
			s.next(1)
		}
	}
}

// multiLine skips a string in triple quotes; up to two more quotes before the closing three belong to the string.
func (s *scanner) multiLine(quote string) {
	closing := strings.Repeat(quote, 3)
	s.next(3)
	for s.i < len(s.text) && !strings.HasPrefix(s.text[s.i:], closing) {
		if s.peek() == '\\' && quote == `"` {
			s.next(1)
		}
		s.next(1)
	}
	s.next(3)
	for range 2 {
		if s.peek() == quote[0] {
			s.next(1)
		}
	}
}
