package report

import (
	"fmt"
	"io"
)

// Page is a report for people.
type Page struct {
	Head   string // what was measured
	Place  string // and where
	Tables []*Table
	Notes  string // whole lines
}

// Write prints the page. Tables that have a heading and nothing else are left out.
func (p *Page) Write(w io.Writer) error {
	fmt.Fprintf(w, "%s\n%s\n\n", p.Head, p.Place)
	for _, t := range p.Tables {
		if len(t.rows) < 2 {
			continue
		}
		if err := t.Write(w); err != nil {
			return err
		}
		fmt.Fprintln(w)
	}
	_, err := io.WriteString(w, p.Notes)
	return err
}
