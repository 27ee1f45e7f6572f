// Command tlsrelay is an outbound SMTP relay with an enforced TLS floor, and the tools to operate it.
package main

import (
	"fmt"
	"io"
	"os"

	"github.com/alecthomas/kong"
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
	Check  checkCommand  `cmd:"" help:"Show which TLS the mail servers of a domain offer, and whether mail would be delivered to them."`
	Queue  queueCommand  `cmd:"" help:"See and change what is queued."`
	Config configCommand `cmd:"" help:"Check a configuration, or show the settings in force."`
	User   userCommand   `cmd:"" help:"Accounts for SMTP AUTH."`
	DKIM   dkimCommand   `cmd:"" name:"dkim" help:"Keys that sign mail with DKIM."`

	Tenants tenantsCommand `cmd:"" help:"Show what accounts and networks with rules have sent, and may send."`

	Version kong.VersionFlag `help:"Print the version."`
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
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.Writers(std.out, std.err),
		kong.Exit(func(c int) { code = c }), // --help
		kong.Bind(std),
		kong.Vars{"version": version()},
	)
	if err != nil {
		fmt.Fprintln(std.err, "tlsrelay:", err)
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
		fmt.Fprintf(std.err, "tlsrelay: %v; see tlsrelay --help\n", err)
		return exitUsage
	}
	if err := command.Run(); err != nil {
		return explain(err, std.err)
	}
	return exitDone
}
