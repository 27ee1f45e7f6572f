package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"tlsrelay/relay"
)

type queueCommand struct {
	List   queueListCommand   `cmd:"" help:"List queued messages."`
	Show   queueShowCommand   `cmd:"" help:"Show one message: its recipients, what the last attempts said, its text."`
	Retry  queueRetryCommand  `cmd:"" help:"Try messages again now."`
	Delete queueDeleteCommand `cmd:"" help:"Remove messages for good. Nobody is told."`
	Export queueExportCommand `cmd:"" help:"Write messages into a folder, to save or to move them."`
	Check  queueCheckCommand  `cmd:"" help:"Read the whole queue and report what is damaged."`
}

// queueFlags is what the queue commands share.
type queueFlags struct {
	configFlag
	JSON bool `name:"json" help:"Print JSON, one object a line."`
}

// open gives access to the queue, whether the relay runs or not.
func (f queueFlags) open(std streams) (relay.Queue, error) {
	cfg, err := f.load()
	if err != nil {
		return nil, err
	}
	log := slog.New(slog.NewTextHandler(std.err, &slog.HandlerOptions{Level: slog.LevelWarn}))
	return relay.OpenQueue(context.Background(), cfg, log)
}

// with opens the queue for some work on the messages that were selected.
func (f queueFlags) with(std streams, selected func() (relay.Selection, error), work func(relay.Queue, relay.Selection) error) error {
	selection, err := selected()
	if err != nil {
		return err
	}
	q, err := f.open(std)
	if err != nil {
		return err
	}
	defer q.Close()
	return work(q, selection)
}

// selectFlags says which messages are meant.
type selectFlags struct {
	IDs    []string `arg:"" optional:"" name:"id" help:"IDs as the list prints them."`
	Domain string   `help:"Messages with a waiting recipient at this domain." placeholder:"D"`
	Sender string   `help:"Messages of this sender; <> is the null sender." placeholder:"S"`
	All    bool     `help:"All messages."`
}

func (f selectFlags) selection() (relay.Selection, error) {
	s := relay.Selection{Domain: f.Domain, Sender: f.Sender, All: f.All}
	for _, text := range f.IDs {
		id, err := relay.ParseID(text)
		if err != nil {
			return s, usageError{err}
		}
		s.IDs = append(s.IDs, id)
	}
	filters := f.Domain != "" || f.Sender != ""
	switch {
	case len(s.IDs) > 0 && (filters || f.All), filters && f.All:
		return s, usageError{fmt.Errorf("give IDs, or --domain and --sender, or --all; not several of them")}
	}
	return s, nil
}

// allUnlessSelected is for commands that only look.
func (f selectFlags) allUnlessSelected() (relay.Selection, error) {
	s, err := f.selection()
	s.All = s.All || len(s.IDs) == 0 && s.Domain == "" && s.Sender == ""
	return s, err
}

// needed is for commands that change something: they do not guess.
func (f selectFlags) needed() (relay.Selection, error) {
	s, err := f.selection()
	if err == nil && len(s.IDs) == 0 && s.Domain == "" && s.Sender == "" && !s.All {
		err = usageError{fmt.Errorf("which messages? Give IDs, --domain D, --sender S or --all")}
	}
	return s, err
}

type queueListCommand struct {
	queueFlags
	selectFlags
}

func (queueListCommand) Help() string {
	return `Lists all messages, or those selected, oldest first.

Example: tlsrelay queue list --domain example.org --json`
}

func (c *queueListCommand) Run(std streams) error {
	return c.with(std, c.allUnlessSelected, func(q relay.Queue, selection relay.Selection) error {
		if c.JSON {
			out := json.NewEncoder(std.out)
			return q.List(context.Background(), selection, func(m relay.Message) error { return out.Encode(m) })
		}
		count, size := 0, int64(0)
		err := q.List(context.Background(), selection, func(m relay.Message) error {
			count++
			size += m.Size
			return printMessage(std.out, m, time.Now())
		})
		if err == nil {
			_, err = fmt.Fprintf(std.out, "%d %s, %s\n", count, plural(count, "message"), bytesText(size))
		}
		return err
	})
}

type queueShowCommand struct {
	queueFlags
	ID   string `arg:"" help:"ID as the list prints it."`
	Text bool   `help:"Print the message itself instead, as it goes out; a terminal gets no control characters."`
}

func (queueShowCommand) Help() string {
	return `Example: tlsrelay queue show 0e9xq2v7c4k1g`
}

func (c *queueShowCommand) Run(std streams) error {
	id, err := relay.ParseID(c.ID)
	if err != nil {
		return usageError{err}
	}
	q, err := c.open(std)
	if err != nil {
		return err
	}
	defer q.Close()
	if c.Text {
		return q.Content(context.Background(), id, shownOn(std.out))
	}
	return q.List(context.Background(), relay.Selection{IDs: []relay.ID{id}}, func(m relay.Message) error {
		if c.JSON {
			return json.NewEncoder(std.out).Encode(m)
		}
		if err := printMessage(std.out, m, time.Now()); err != nil {
			return err
		}
		return printEvidence(std.out, m)
	})
}

type queueRetryCommand struct {
	queueFlags
	selectFlags
}

func (queueRetryCommand) Help() string {
	return `Makes the selected messages due now. Attempts under way are left alone. With no relay running they are tried at
its next start.

Example: tlsrelay queue retry --domain example.org`
}

func (c *queueRetryCommand) Run(std streams) error {
	return c.change(std, c.selectFlags, "due now", relay.Queue.Retry)
}

type queueDeleteCommand struct {
	queueFlags
	selectFlags
}

func (queueDeleteCommand) Help() string {
	return `The selected messages are gone at once and their senders are not told. The log names each one.

Example: tlsrelay queue delete 0e9xq2v7c4k1g`
}

func (c *queueDeleteCommand) Run(std streams) error {
	return c.change(std, c.selectFlags, "deleted", relay.Queue.Delete)
}

// change runs a command on the selected messages and says how many there were.
func (f queueFlags) change(std streams, sel selectFlags, done string,
	do func(relay.Queue, context.Context, relay.Selection) (int, error)) error {
	return f.with(std, sel.needed, func(q relay.Queue, selection relay.Selection) error {
		n, err := do(q, context.Background(), selection)
		if f.JSON {
			json.NewEncoder(std.out).Encode(map[string]int{"count": n})
		} else {
			fmt.Fprintf(std.out, "%d %s %s\n", n, plural(n, "message"), done)
		}
		return err
	})
}

// printMessage writes a message as a few lines for people.
func printMessage(w io.Writer, m relay.Message, now time.Time) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %s  %8s  from <%s>\n", m.ID, m.Arrived.Local().Format("2006-01-02 15:04:05"), bytesText(m.Size), m.Sender)
	b.WriteString(wishes("    ", "envelope ID", m.EnvelopeID, "returns", m.Return))
	for _, r := range m.Recipients {
		fmt.Fprintf(&b, "    to <%s>: ", r.Address)
		switch {
		case r.State == "active":
			fmt.Fprintf(&b, "attempt %d is under way\n", r.Attempts+1)
		case r.Attempts == 0:
			b.WriteString("not tried yet\n")
		default:
			fmt.Fprintf(&b, "%d %s, next %s, given up %s\n", r.Attempts, plural(r.Attempts, "attempt"),
				in(r.NextAttempt.Sub(now)), in(m.Expires.Sub(now)))
		}
		if r.Cause != "" {
			fmt.Fprintf(&b, "       %s (%s)", r.Cause, r.Status)
			if r.Host != "" {
				fmt.Fprintf(&b, " at %s", r.Host)
			}
			fmt.Fprintf(&b, ": %s\n", r.Diagnostic)
		}
		b.WriteString(wishes("       ", "notify", r.Notify, "original recipient", r.Original))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// wishes writes what a sender said about notices in one line, pairs of name and value; nothing if no value is set.
func wishes(indent string, pairs ...string) string {
	var said []string
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			said = append(said, pairs[i]+" "+pairs[i+1])
		}
	}
	if len(said) == 0 {
		return ""
	}
	return indent + strings.Join(said, ", ") + "\n"
}

// in says when something is due: "in 4m", "now".
func in(d time.Duration) string {
	switch {
	case d < time.Second:
		return "now"
	case d < time.Minute:
		return fmt.Sprintf("in %ds", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("in %dm", d/time.Minute)
	}
	return fmt.Sprintf("in %dh%02dm", d/time.Hour, d%time.Hour/time.Minute)
}

func plural(n int, word string) string {
	if n == 1 {
		return word
	}
	return word + "s"
}

// bytesText gives a size with one unit, in powers of 1000 as in the configuration.
func bytesText(n int64) string {
	switch {
	case n < 1000:
		return fmt.Sprintf("%d B", n)
	case n < 1000*1000:
		return fmt.Sprintf("%.1f KB", float64(n)/1e3)
	case n < 1000*1000*1000:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	}
	return fmt.Sprintf("%.1f GB", float64(n)/1e9)
}
