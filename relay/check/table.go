package check

import (
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"tlsrelay/tlspolicy"
)

// tableWidth is where sentences are wrapped, and what the table stays within unless names or addresses are very long.
const tableWidth = 100

// Style says how a table looks.
type Style struct {
	Color bool
}

// Table writes a report for people: a heading with the policy, a line for each address, and what it comes to.
func Table(w io.Writer, r *Report, style Style) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %s\n", style.paint(bold, title(r)), policyText(r))
	if len(r.Hosts) > 0 {
		b.WriteByte('\n')
		writeLines(&b, tableLines(r), style)
	}
	b.WriteByte('\n')
	for i, sentence := range r.Summary.Sentences {
		color := none
		if i == 0 {
			color = r.Summary.color()
		}
		wrap(&b, sentence, func(line string) string { return style.paint(color, line) })
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// title is the domain, or the server with its port.
func title(r *Report) string {
	if r.Target.Domain != "" {
		return r.Target.Domain
	}
	return net.JoinHostPort(r.Hosts[0].Name, strconv.Itoa(int(r.Hosts[0].Port)))
}

func policyText(r *Report) string {
	text := map[tlspolicy.Level]string{
		tlspolicy.Required:      "TLS %s or newer",
		tlspolicy.Verified:      "TLS %s or newer, and a valid certificate",
		tlspolicy.Opportunistic: "TLS %s or newer, or clear text where no TLS is offered",
	}[r.Level]
	text = "policy: " + fmt.Sprintf(text, r.Floor) + " (level " + r.Level.String() + ")"
	switch {
	case r.Routed:
		text += "; hosts of your [[route]]"
	case r.Target.Implicit:
		text += "; TLS from the first byte"
	}
	return text
}

// line is one of the table.
type line struct {
	text  string // all of it, or the first cell of a row
	row   bool
	cells []string // between text and end; none: end follows at once
	end   string
	color color // of the end of a row; of all else as a whole
}

// columns stand between the address and the verdict.
var columns = []string{"TLS", "PQ", "CERTIFICATE"}

const (
	hostIndent    = "  "
	addressIndent = "     "
)

func tableLines(r *Report) []line {
	head := line{text: hostIndent + "HOST, ADDRESS", row: true, end: "VERDICT"}
	if r.Target.Domain == "" {
		head.text = addressIndent + "ADDRESS"
	}
	lines := []line{head}
	for _, h := range r.Hosts {
		if r.Target.Domain != "" {
			lines = append(lines, line{text: hostIndent + hostTitle(h)})
		}
		if h.None.Cause != "" {
			lines = append(lines, line{text: addressIndent + words(h.None.Detail), color: bad})
		}
		for _, a := range h.Addresses {
			lines = append(lines, addressLine(a, r.Time))
			if a.learnt() {
				lines[0].cells = columns
			}
			for _, note := range notes(a, r.Time) {
				lines = append(lines, line{text: addressIndent + "  " + note, color: dim})
			}
		}
		if h.LeftOut > 0 {
			lines = append(lines, line{text: addressIndent + more(h.LeftOut, "address", "addresses"), color: dim})
		}
	}
	if r.LeftOut > 0 {
		lines = append(lines, line{text: hostIndent + more(r.LeftOut, "host", "hosts"), color: dim})
	}
	return lines
}

func more(n int, one, many string) string {
	if n == 1 {
		return "1 more " + one + " was not asked"
	}
	return fmt.Sprintf("%d more %s were not asked", n, many)
}

// hostTitle is "10 mx.example.org"; the port stands there if it is not the usual one.
func hostTitle(h Host) string {
	text := h.Name
	if h.Port != portSMTP {
		text = net.JoinHostPort(h.Name, strconv.Itoa(int(h.Port)))
	}
	switch {
	case h.MX:
		text = fmt.Sprintf("%d %s", h.Preference, text)
	case h.NoMX:
		text += " (there is no MX record)"
	}
	if h.Implicit {
		text += " (TLS from the first byte)"
	}
	return text
}

func addressLine(a Address, now time.Time) line {
	l := line{text: addressIndent + a.Addr.Addr().String(), row: true, end: a.short(), color: a.color()}
	if a.learnt() {
		l.cells = []string{versionsCell(a.Result), answerCell(a.Result.PostQuantum), certificateCell(a.Result, now)}
	}
	return l
}

// writeLines puts the cells of rows under each other.
func writeLines(b *strings.Builder, lines []line, style Style) {
	widths := make([]int, 1+len(columns))
	for _, l := range lines {
		if l.row {
			widths[0] = max(widths[0], utf8.RuneCountInString(l.text))
		}
		for i, cell := range l.cells {
			widths[i+1] = max(widths[i+1], utf8.RuneCountInString(cell))
		}
	}
	for _, l := range lines {
		if !l.row {
			fmt.Fprintln(b, style.paint(l.color, l.text))
			continue
		}
		row := pad(l.text, widths[0])
		for i, cell := range l.cells {
			row += "  " + pad(cell, widths[i+1])
		}
		fmt.Fprintln(b, row+"  "+style.paint(l.color, l.end))
	}
}

// wrap writes a sentence in lines of at most tableWidth.
func wrap(b *strings.Builder, sentence string, paint func(string) string) {
	text := ""
	for word := range strings.FieldsSeq(sentence) {
		if text != "" && utf8.RuneCountInString(text)+1+utf8.RuneCountInString(word) > tableWidth {
			fmt.Fprintln(b, paint(text))
			text = ""
		}
		if text != "" {
			text += " "
		}
		text += word
	}
	fmt.Fprintln(b, paint(text))
}

func pad(s string, width int) string {
	return s + strings.Repeat(" ", max(0, width-utf8.RuneCountInString(s)))
}
