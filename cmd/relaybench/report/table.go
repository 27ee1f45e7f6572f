package report

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Table is text in columns. The first row is the heading.
type Table struct{ rows [][]string }

// Row adds a row. Cells that are no strings are printed as by fmt.
func (t *Table) Row(cells ...any) {
	row := make([]string, len(cells))
	for i, c := range cells {
		row[i] = fmt.Sprint(c)
	}
	t.rows = append(t.rows, row)
}

// Write prints the table. A column whose cells are all words is set to the left, numbers to the right.
func (t *Table) Write(w io.Writer) error {
	var b strings.Builder
	for n, row := range t.rows {
		var line strings.Builder
		for i, cell := range row {
			pad := strings.Repeat(" ", t.width(i)-utf8.RuneCountInString(cell))
			if i > 0 {
				line.WriteString("  ")
			}
			if t.words(i) {
				line.WriteString(cell + pad)
			} else {
				line.WriteString(pad + cell)
			}
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
		if n == 0 {
			b.WriteString(strings.Repeat("-", utf8.RuneCountInString(line.String())) + "\n")
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (t *Table) width(column int) int {
	widest := 0
	for _, row := range t.rows {
		if column < len(row) {
			widest = max(widest, utf8.RuneCountInString(row[column]))
		}
	}
	return widest
}

// words reports whether no cell under the heading begins with a digit.
func (t *Table) words(column int) bool {
	for _, row := range t.rows[1:] {
		if column < len(row) && row[column] != "" && row[column][0] >= '0' && row[column][0] <= '9' {
			return false
		}
	}
	return true
}
