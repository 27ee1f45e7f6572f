package notice

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// columns is the width of text: it needs no soft line break in quoted-printable, and with the quote marks of one reply it still
// fits a terminal.
const columns = 75

// kept is what a line starts with that is laid out already.
const kept = "    "

// fill lays out what a template wrote. Lines up to an empty one are a paragraph and are broken anew; "# " makes a
// heading; a line that starts with four blanks or with ">" stays as it is. Empty lines in a row become one.
func fill(s string) string {
	var out, paragraph []string
	flush := func() {
		if len(paragraph) > 0 {
			out = append(out, wrap(strings.Join(paragraph, " "), columns)...)
			paragraph = nil
		}
	}
	for line := range strings.SplitSeq(s, "\n") {
		heading, isHeading := strings.CutPrefix(line, "# ")
		switch {
		case strings.TrimSpace(line) == "":
			flush()
			if len(out) > 0 && out[len(out)-1] != "" {
				out = append(out, "")
			}
		case isHeading:
			flush()
			out = append(out, wrap(heading, columns)...)
			out = append(out, strings.Repeat("-", min(width(heading), columns)))
		case strings.HasPrefix(line, kept) || line[0] == '>':
			flush()
			out = append(out, strings.TrimRight(line, " "))
		default:
			paragraph = append(paragraph, strings.TrimSpace(line))
		}
	}
	flush()
	return strings.TrimRight(strings.Join(out, "\n"), "\n") + "\n"
}

// paragraphs puts each paragraph into one line, with an empty line between them. Lines that start with four blanks stay
// as they are, and are a paragraph for themselves.
func paragraphs(s string) string {
	var out []string
	last := "" // what the paragraph of the line before is: text, kept, or nothing
	for line := range strings.SplitSeq(s, "\n") {
		text := strings.Join(strings.Fields(line), " ")
		kind := "text"
		switch {
		case text == "":
			kind = ""
		case strings.HasPrefix(line, kept):
			kind, text = "kept", "\n"+strings.TrimRight(line, " ")
		case last == "text":
			text = " " + text
		}
		switch {
		case kind == "":
		case kind == last:
			out[len(out)-1] += text
		default:
			out = append(out, strings.TrimPrefix(text, "\n"))
		}
		last = kind
	}
	return strings.Join(out, "\n\n")
}

// wrap breaks s at blanks into lines of at most limit columns; a longer word, an address or a link, stays whole.
func wrap(s string, limit int) []string {
	var lines []string
	line := ""
	for _, word := range glue(strings.Fields(s)) {
		switch {
		case line == "":
			line = word
		case width(line)+1+width(word) > limit:
			lines = append(lines, line)
			line = word
		default:
			line += " " + word
		}
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}

// glue keeps a number with the word before it ("TLS 1.2"), and a count or day also with the word behind it ("5 March").
func glue(words []string) []string {
	const longest = 30
	var out []string
	sticky := false
	for _, w := range words {
		number := '0' <= w[0] && w[0] <= '9'
		if last := len(out) - 1; last >= 0 && (number || sticky) && width(out[last])+width(w) < longest {
			out[last] += " " + w
		} else {
			out = append(out, w)
		}
		sticky = number && strings.Trim(w, "0123456789.") == ""
	}
	return out
}

func width(s string) int { return utf8.RuneCountInString(s) }

// table writes pairs of a label and a value, a string, a number or several strings, as indented lines. A row without a
// value is left out.
func table(cells ...any) string {
	const indent, gap = kept, 2
	labels := 10
	for i := 0; i < len(cells); i += 2 {
		labels = max(labels, width(cells[i].(string)))
	}
	var b strings.Builder
	for i := 0; i+1 < len(cells); i += 2 {
		label := cells[i].(string)
		for _, line := range cellLines(cells[i+1], columns-len(indent)-labels-gap) {
			fmt.Fprintf(&b, "%s%s%s%s\n", indent, label, strings.Repeat(" ", labels-width(label)+gap), line)
			label = ""
		}
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func cellLines(value any, limit int) []string {
	switch v := value.(type) {
	case []string:
		var lines []string
		for _, s := range v {
			lines = append(lines, wrap(s, limit)...)
		}
		return lines
	case int:
		if v == 0 {
			return nil
		}
	}
	return wrap(fmt.Sprint(value), limit)
}

// quote writes somebody else's words, each line behind "> ". Words too long for a line are
// broken: nobody shall hide what follows by making the reader scroll.
func quote(text any) string {
	s := fmt.Sprint(text)
	if t, ok := text.(said); ok {
		s = string(t)
	}
	const limit = columns - len("> ")
	var b strings.Builder
	for line := range strings.SplitSeq(s, "\n") {
		for _, part := range wrap(line, limit) {
			for r := []rune(part); len(r) > 0; r = r[min(limit, len(r)):] {
				b.WriteString("> " + string(r[:min(limit, len(r))]) + "\n")
			}
		}
	}
	return strings.TrimSuffix(b.String(), "\n")
}
