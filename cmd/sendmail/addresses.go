package main

import (
	"errors"
	"strings"
)

// addresses takes the mailboxes out of a field such as To (RFC 5322, 3.4): names, comments and the words of groups are left
// out. It is no judge of a mailbox: that is the relay. So a mailbox may lack its domain, as in "To: root", and a list may be
// divided by semicolons. What could hide a recipient is an error.
func addresses(value string) ([]string, error) {
	s := scanner{text: value}
	for s.text != "" {
		if err := s.token(); err != nil {
			return nil, err
		}
	}
	s.end()
	return s.found, nil
}

// scanner is a list of addresses on its way.
type scanner struct {
	text  string // what is left
	found []string

	words   strings.Builder // of the address that is read: outside of angle brackets
	blank   bool            // a blank or comment came behind the words
	route   string          // within angle brackets
	inAngle bool            // there are some
}

// token takes one piece from the text.
func (s *scanner) token() error {
	c := s.text[0]
	switch c {
	case '(':
		s.blank = true
		return s.comment()
	case '<':
		if s.inAngle {
			return errors.New("an address has two pairs of angle brackets <>; a comma may be missing")
		}
		s.inAngle = true
		route, err := s.until('>')
		s.route = strings.TrimSpace(route)
		return err
	case '"':
		quoted, err := s.until('"')
		return errors.Join(err, s.word(`"`+quoted+`"`))
	case '[':
		literal, err := s.until(']')
		return errors.Join(err, s.word("["+literal+"]"))
	case ',', ';':
		s.end()
	case ':': // what came was the name of a group
		if s.inAngle {
			return errBehindAngle
		}
		s.words.Reset()
		s.blank = false
	case ' ', '\t':
		s.blank = true
	default:
		err := s.word(s.text[:1])
		s.text = s.text[1:]
		return err
	}
	s.text = s.text[1:]
	return nil
}

// word adds to the words. A blank that parts them stays, unless it stands at a dot or at sign, where RFC 5322, 4.4 allows it.
func (s *scanner) word(w string) error {
	if s.inAngle {
		return errBehindAngle
	}
	if before := s.words.String(); s.blank && before != "" {
		if strings.IndexByte(".@", w[0]) < 0 && strings.IndexByte(".@", before[len(before)-1]) < 0 {
			s.words.WriteByte(' ')
		}
	}
	s.blank = false
	s.words.WriteString(w)
	return nil
}

// end ends an address.
func (s *scanner) end() {
	found := s.words.String()
	if s.inAngle {
		found = s.route
	}
	if strings.HasPrefix(found, "@") { // the route of RFC 5322, 4.4: only the mailbox behind it counts
		if _, mailbox, ok := strings.Cut(found, ":"); ok {
			found = mailbox
		}
	}
	if found != "" {
		s.found = append(s.found, found)
	}
	s.words.Reset()
	s.blank, s.inAngle, s.route = false, false, ""
}

// until takes what stands before a closing mark. A mark within quotes or behind a backslash does not close.
func (s *scanner) until(mark byte) (string, error) {
	quoted := false
	for i := 1; i < len(s.text); i++ {
		switch c := s.text[i]; {
		case c == '\\' && (quoted || mark == '"'):
			i++
		case c == mark && !quoted:
			inner := s.text[1:i]
			s.text = s.text[i+1:]
			return inner, nil
		case c == '"' && mark == '>':
			quoted = !quoted
		}
	}
	return "", errors.New("a " + string(mark) + " is missing")
}

// comment skips a comment, with those inside of it.
func (s *scanner) comment() error {
	depth := 0
	for i := 0; i < len(s.text); i++ {
		switch s.text[i] {
		case '\\':
			i++
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				s.text = s.text[i+1:]
				return nil
			}
		}
	}
	return errors.New("a ) is missing")
}

var errBehindAngle = errors.New("something stands behind an angle bracket >; a comma may be missing")
