package queue

import (
	"strings"
	"unicode"
)

// maxMarks is how many marks may stand on a letter. Languages need three; a flood of them covers the lines above and below.
const maxMarks = 4

// Printable makes remote text safe for logs and terminals: a line end becomes " / ", and what is left is [Harmless].
func Printable(s string) string {
	return Harmless(strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\n", " / "))
}

// Harmless makes remote text safe to show in a line: every control, format (bidirectional marks among them), invisible and invalid
// character is a "?" in it. Marks that only choose how a character looks, and those beyond the fourth on a letter, are left out.
func Harmless(s string) string {
	marks := 0
	return strings.Map(func(r rune) rune {
		switch {
		case !unicode.IsMark(r):
			marks = 0
		case marks == maxMarks, unicode.Is(unicode.Variation_Selector, r):
			return -1
		default:
			marks++
		}
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) || isInvisible(r) {
			return '?'
		}
		return r
	}, s)
}

// isInvisible knows characters that count as letters and symbols, and look like nothing.
func isInvisible(r rune) bool {
	const brailleBlank = '\u2800'
	return r > unicode.MaxLatin1 && (r == brailleBlank || unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r))
}
