//go:build linux

package main

import (
	"encoding/json"
	"errors"
	"fmt"

	"tlsrelay/cmd/relaybench/report"
)

// outcome is how the runs of a delivering command ended.
type outcome struct {
	Totals  tally  `json:"totals"`
	Problem string `json:"problem,omitempty"`

	err error // the same
}

// book adds the books of a run, under its name, and what else is wrong with it.
func (o *outcome) book(run string, t *tally, wrong ...error) {
	o.Totals.merge(t)
	if err := errors.Join(append([]error{t.problem()}, wrong...)...); err != nil {
		o.fail(fmt.Errorf("%s: %w", run, err))
	}
}

// fail adds a problem, nil for none.
func (o *outcome) fail(err error) {
	if o.err = errors.Join(o.err, err); o.err != nil {
		o.Problem = o.err.Error()
	}
}

// publish prints a report, as one JSON object or as a page.
func publish(std streams, asJSON bool, rep any, page *report.Page) error {
	if asJSON {
		return json.NewEncoder(std.out).Encode(rep)
	}
	return page.Write(std.out)
}
