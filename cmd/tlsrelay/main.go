// Command tlsrelay is an outbound SMTP relay with an enforced TLS floor, and the tools to operate it.
package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/alecthomas/kong"

	"tlsrelay/configs"
)

// Exit codes of every command.
const (
	exitDone    = 0
	exitProblem = 1
	exitUsage   = 2
)

type commands struct {
	Serve  serveCommand  `cmd:"" help:"Run the relay."`
	Demo   demoCommand   `cmd:"" help:"Show the relay at work on this machine alone: good, old-TLS and no-TLS destinations, and the notice at the end."`
	Queue  queueCommand  `cmd:"" help:"See and change what is queued."`
	Config configCommand `cmd:"" help:"Check a configuration, or show the settings in force."`
	User   userCommand   `cmd:"" help:"Accounts for SMTP AUTH."`
}

// streams is where commands read and write.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

func main() { os.Exit(run(os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr})) }

// run is the whole program; it gives the exit code.
func run(args []string, std streams) int {
	code := -1
	parser, err := kong.New(&commands{},
		kong.Name("tlsrelay"),
		kong.Description("An outbound SMTP relay that never delivers over TLS older than 1.2."),
		kong.UsageOnError(),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.Writers(std.out, std.err),
		kong.Exit(func(c int) { code = c }), // --help
		kong.Bind(std),
	)
	if err != nil {
		fmt.Fprintln(std.err, "tlsrelay:", err)
		return exitProblem
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	command, err := parser.Parse(args)
	if code >= 0 {
		return code
	}
	if err != nil {
		fmt.Fprintf(std.err, "tlsrelay: %v; see tlsrelay --help\n", err)
		return exitUsage
	}
	if err := command.Run(); err != nil {
		return explain(err, std.err)
	}
	return exitDone
}

// usageError is a mistake in the call that the parser could not see.
type usageError struct{ error }

// explain prints an error, one line each for the problems of a configuration, and gives the exit code.
func explain(err error, w io.Writer) int {
	var problems configs.Problems
	var usage usageError
	switch {
	case errors.As(err, &problems):
		fmt.Fprintln(w, problems)
	default:
		fmt.Fprintln(w, "tlsrelay:", err)
	}
	if errors.As(err, &usage) {
		return exitUsage
	}
	return exitProblem
}

// configFlag is the flag that most commands share.
type configFlag struct {
	Path string `name:"config" short:"c" type:"path" placeholder:"FILE" help:"Configuration file. Without the flag: /etc/tlsrelay/tlsrelay.toml if it exists, else the built-in defaults."`
}

const systemConfig = "/etc/tlsrelay/tlsrelay.toml"

// load reads the configuration that the flag means.
func (f configFlag) load() (*configs.Config, error) {
	if f.Path != "" {
		return configs.Load(f.Path)
	}
	if _, err := os.Stat(systemConfig); !errors.Is(err, fs.ErrNotExist) {
		return configs.Load(systemConfig)
	}
	return configs.Default()
}
