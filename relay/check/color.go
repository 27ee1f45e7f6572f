package check

// color is what a piece of a table looks like on a terminal.
type color string // parameters of SGR (ECMA-48, 8.3.117)

const (
	none color = ""
	bold color = "1"
	dim  color = "2"
	good color = "32"
	warn color = "33"
	bad  color = "31"
)

// paint colors text, if the style has colors.
func (s Style) paint(c color, text string) string {
	if !s.Color || c == none {
		return text
	}
	return "\x1b[" + string(c) + "m" + text + "\x1b[0m"
}

func (a Address) color() color {
	switch {
	case !a.Verdict.Passes:
		return bad
	case a.Verdict.Clear, a.short() != "ok":
		return warn
	}
	return good
}

func (s Summary) color() color {
	switch {
	case !s.Fine():
		return bad
	case !s.TLS13 || len(s.Sentences) > 1:
		return warn
	}
	return good
}
