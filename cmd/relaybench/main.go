//go:build linux

// Command relaybench measures tlsrelay side by side with Postfix and with the least that a durable SMTP server can be, on one
// machine, with the same load; and accounts for every message.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
)

// Exit codes of every command.
const (
	exitDone    = 0
	exitProblem = 1
	exitUsage   = 2
)

type commands struct {
	Accept  acceptCommand  `cmd:"" help:"How fast mail is taken durably, with delivery held."`
	Backlog backlogCommand `cmd:"" help:"What a long queue of deferred mail costs."`
	Idle    idleCommand    `cmd:"" help:"What clients cost that are connected and say nothing."`
	Relay   relayCommand   `cmd:"" help:"How fast mail is delivered, and what that costs."`
	Latency latencyCommand `cmd:"" help:"How long a message is on its way when there are few."`
	Rtt     rttCommand     `cmd:"" help:"How fast one connection to a host far away is."`
	Mixed   mixedCommand   `cmd:"" help:"Whether mail for healthy hosts waits for that for bad ones."`
	Probes  probesCommand  `cmd:"" help:"Whether mail waits while hosts with old TLS are probed."`
	Sink    sinkCommand    `cmd:"" help:"Run a mail server that takes everything, or refuses, or is slow."`
	Bare    bareCommand    `cmd:"" hidden:"" help:"The bare server that accept compares with."`
}

// streams is where commands write: results to out, progress to err.
type streams struct{ out, err io.Writer }

// usageError is a mistake in the call that the parser could not see.
type usageError struct{ error }

func main() { os.Exit(run(os.Args[1:], streams{os.Stdout, os.Stderr})) }

// run is the whole program; it gives the exit code. An interrupt ends what it started, then the program.
func run(args []string, std streams) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	code := -1
	parser, err := kong.New(&commands{},
		kong.Name("relaybench"),
		kong.Description("Measures tlsrelay side by side with other mail servers."),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.Writers(std.out, std.err),
		kong.Exit(func(c int) { code = c }), // --help
		kong.Bind(std),
		kong.BindTo(ctx, (*context.Context)(nil)),
	)
	if err != nil {
		fmt.Fprintln(std.err, "relaybench:", err)
		return exitProblem
	}
	if len(args) == 0 || args[0] == "help" {
		args = append(args[min(len(args), 1):], "--help")
	}
	command, err := parser.Parse(args)
	if code >= 0 {
		return code
	}
	if err != nil {
		fmt.Fprintf(std.err, "relaybench: %v; see relaybench --help\n", err)
		return exitUsage
	}
	err = command.Run()
	var usage usageError
	switch {
	case err == nil:
		return exitDone
	case ctx.Err() != nil:
		err = fmt.Errorf("interrupted; what was started is stopped")
	}
	fmt.Fprintln(std.err, "relaybench:", err)
	if errors.As(err, &usage) {
		return exitUsage
	}
	return exitProblem
}
