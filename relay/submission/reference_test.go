package submission

import (
	"fmt"
	"strings"
)

// conversation is what a strict reader makes of both sides of a piece of dialogue: what one side sent in clear text, or
// within TLS. It knows nothing of commands but that each line has one reply, that 354 to DATA makes what follows a
// message up to CR LF dot CR LF, and that 334 makes the next line a part of AUTH.
type conversation struct {
	sent    string   // that is not read yet
	replies []string // that belong to nothing yet, a reply each

	accepted []string // messages that were answered by 250, as they should be stored
	last     string   // reply to the last line or message
	auth     bool     // the next line belongs to AUTH
	open     bool     // what is left of sent is part of a line or message
}

// splitReplies wants lines of printable ASCII with a code that is the same for all lines of a reply.
func splitReplies(text string) (replies []string, err error) {
	whole := true
	for line := range strings.Lines(text) {
		content, complete := strings.CutSuffix(line, "\r\n")
		bad := strings.ContainsFunc(content, func(c rune) bool { return c < ' ' || c > 126 })
		if !complete || bad || len(content) < 4 || content[0] < '2' || content[0] > '5' || len(line) > 512 {
			return nil, fmt.Errorf("the reply line %q", line)
		}
		if whole {
			replies = append(replies, line)
		} else if last := &replies[len(replies)-1]; line[:3] == (*last)[:3] {
			*last += line
		} else {
			return nil, fmt.Errorf("%q goes on with %q", *last, line)
		}
		whole = content[3] == ' '
	}
	if !whole {
		err = fmt.Errorf("the reply has no end: %q", text)
	}
	return replies, err
}

// read follows the dialogue to its end. The error says where the two sides are out of step.
func (v *conversation) read() error {
	for len(v.replies) > 0 {
		line, rest, found := strings.Cut(v.sent, "\n")
		if !found {
			break
		}
		v.sent, v.last, v.replies = rest, v.replies[0], v.replies[1:]
		if err := v.line(strings.TrimSuffix(line, "\r")); err != nil || v.open {
			return err
		}
	}
	v.open = !strings.Contains(v.sent, "\n")
	return nil
}

// line has a line, and its reply in last.
func (v *conversation) line(text string) error {
	verb, _, _ := strings.Cut(strings.ToUpper(strings.TrimRight(text, " ")), " ")
	inAuth := v.auth
	v.auth = strings.HasPrefix(v.last, "334 ")
	switch {
	case v.auth && !inAuth && verb != "AUTH":
		return fmt.Errorf("%q is answered by %q", text, v.last)
	case strings.HasPrefix(v.last, "354 ") && (inAuth || verb != "DATA"):
		return fmt.Errorf("%q begins a message: %q", text, v.last)
	case strings.HasPrefix(v.last, "354 "):
		return v.message()
	case strings.Contains(v.last, "queued as"):
		return fmt.Errorf("%q is a message: %q", text, v.last)
	}
	return nil
}

// message takes a message from what was sent, and its reply.
func (v *conversation) message() error {
	content, rest, complete := strictContent(v.sent)
	if !complete {
		v.open = true
		return nil
	}
	v.sent = rest
	if len(v.replies) == 0 {
		return fmt.Errorf("no reply to the message %q", content)
	}
	v.last, v.replies = v.replies[0], v.replies[1:]
	if !strings.HasPrefix(v.last, "250 ") {
		return nil
	}
	if !strings.HasPrefix(v.last, "250 2.0.0 Ok: queued as ") || strings.Contains(content, "\x00") {
		return fmt.Errorf("the message %q is answered by %q", content, v.last)
	}
	v.accepted = append(v.accepted, strings.NewReplacer("\r\n", "\r\n", "\r", " ", "\n", "\r\n").Replace(content))
	return nil
}

// strictContent reads a message up to its end (RFC 5321, 4.1.1.4 and 4.5.2): lines end in CR LF and nothing else.
func strictContent(wire string) (content, rest string, complete bool) {
	var b strings.Builder
	for {
		line, rest, found := strings.Cut(wire, "\r\n")
		switch {
		case !found:
			return "", wire, false
		case line == ".":
			return b.String(), rest, true
		}
		b.WriteString(strings.TrimPrefix(line, ".") + "\r\n")
		wire = rest
	}
}
