package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"time"

	"tlsrelay/relay"
)

type checkCommand struct {
	configFlag
	Targets  []string      `arg:"" name:"target" help:"A domain, HOST:PORT, or an address."`
	Implicit bool          `help:"TLS from the first byte instead of STARTTLS, as always on port 465."`
	Timeout  time.Duration `default:"3m" placeholder:"3m" help:"The longest that one address may take; what is known by then is shown."`
	JSON     bool          `name:"json" help:"Print JSON, one object a line."`
}

func (checkCommand) Help() string {
	return `Asks mail servers which TLS they offer, and says whether mail would be delivered to them under the policy of the
configuration, or the default one: TLS 1.2 or newer. TARGET is a domain (its MX hosts, or those of the [[route]] for it: where
mail would go), HOST:PORT, an address, or [IPv6]:PORT. No mail is sent, no relay needs to run. A question mark in the table is for
what the answers of a server leave open.

The exit code is 0 if mail to all targets would be delivered, encrypted; 1 if a target is below the floor, offers no TLS, cannot
be reached, or lacks a valid certificate where the policy asks for one, or if it is not known because the time was over; 2 for a wrong call.

With --json: "ok" goes with the exit code; "cause" is a key as in the log ("tls-version", "starttls-not-offered", ...) or empty;
answers are "yes", "no" or "unknown"; times are RFC 3339. Each target has "hosts", each of these "addresses" with "versions",
"key_exchanges", "post_quantum", "certificate" and "verdict", and "timed_out" if --timeout left some of it "unknown".

Example: tlsrelay check example.org mx.example.net:25 [2001:db8::1]:465`
}

func (c *checkCommand) Run(std streams) error {
	if c.Timeout <= 0 {
		return usageError{errors.New("--timeout must be more than nothing, such as 90s")}
	}
	var targets []relay.CheckTarget
	for _, text := range c.Targets {
		t, err := relay.ParseCheckTarget(text, c.Implicit)
		if err != nil {
			return usageError{err}
		}
		targets = append(targets, t)
	}
	cfg, err := c.load()
	if err != nil {
		return err
	}
	checker, err := relay.NewChecker(cfg, c.Timeout, slog.New(slog.NewTextHandler(std.err, &slog.HandlerOptions{Level: slog.LevelWarn})))
	if err != nil {
		return err
	}
	defer checker.Close()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	return c.check(ctx, checker, targets, std)
}

// check prints a report for each target. An error without words says that something is wrong with one: the reports say what.
func (c *checkCommand) check(ctx context.Context, checker *relay.Checker, targets []relay.CheckTarget, std streams) error {
	line := follow(newProgress(std.err), func() string {
		asked, all := checker.Progress()
		return fmt.Sprintf("asked %d of %d addresses", asked, all)
	})
	out := checkOutput{std: std, json: c.JSON, color: hasColor(std.out)}
	err := checker.Check(ctx, targets, func(r *relay.CheckReport) error {
		return line.aside(func() error { return out.add(r) })
	})
	line.stop()
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("stopped when %d of %d %s had been checked", out.done, len(targets), plural(len(targets), "target"))
	case err != nil:
		return err
	}
	if text := out.lateText(c.Timeout); text != "" {
		fmt.Fprintln(std.err, text)
	}
	if advice := checker.Advice(); advice != "" {
		fmt.Fprintln(std.err, advice)
	}
	return out.end()
}

// checkOutput prints reports.
type checkOutput struct {
	std   streams
	json  bool
	color bool
	done  int
	wrong []string // targets
	late  []string // addresses for which the time was too short
}

func (o *checkOutput) add(r *relay.CheckReport) error {
	o.done++
	if !r.Summary.Fine() {
		o.wrong = append(o.wrong, r.Target.Text)
	}
	for _, at := range r.Late() {
		o.late = append(o.late, at.String())
	}
	if o.json {
		return relay.WriteCheckJSON(o.std.out, r)
	}
	if o.done > 1 {
		fmt.Fprintln(o.std.out)
	}
	return relay.WriteCheckTable(o.std.out, r, o.color)
}

// lateText says for which addresses the time was too short; "" if for none.
func (o *checkOutput) lateText(timeout time.Duration) string {
	const most = 3
	n := len(o.late)
	if n == 0 {
		return ""
	}
	names := strings.Join(o.late[:min(n, most)], ", ")
	if n > most {
		names += fmt.Sprintf(" and %d more", n-most)
	}
	return fmt.Sprintf("Not everything is known of %s: the time was over after %v. A longer --timeout may show the rest.", names, timeout)
}

// end says which targets of many are wrong.
func (o *checkOutput) end() error {
	if len(o.wrong) == 0 {
		return nil
	}
	if !o.json && o.done > 1 {
		fmt.Fprintf(o.std.out, "\n%d of %d targets: something is wrong (%s)\n", len(o.wrong), o.done, strings.Join(o.wrong, ", "))
	}
	return errReported
}

// hasColor reports whether w is a terminal whose user does not mind colors (no-color.org).
func hasColor(w io.Writer) bool {
	return isTerminal(w) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}
