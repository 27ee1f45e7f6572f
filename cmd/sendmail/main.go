// Command sendmail stands in for sendmail(1), the program by which PHP, cron and scripts send mail. It hands the message
// to the relay on this machine by SMTP at a unix socket, and keeps no queue of its own: with exit code 0 the relay has the
// message on stable storage, with any other it does not, and a line on standard error says why. It reads no configuration;
// TLSRELAY_SOCKET names another socket.
//
// Where sendmail, Postfix and Exim differ, it does what Postfix does, for most who come here come from there:
//   - With -t, recipients on the command line are added to those in the header. (For old sendmail they were exceptions.)
//   - Flags may come behind recipients; -- ends them.
//   - Bcc, Resent-Bcc, Return-Path and Content-Length are taken out of the header, with -t or without.
//   - If some recipients are refused, the others get the mail. Postfix sends a bounce about those; here the exit code is 67,
//     and standard error names each.
//   - A "From " line of a mailbox file above the header is skipped.
//   - -q does nothing: the relay tries what is queued by itself, and "tlsrelay queue retry" tries it now.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// defaultSocket is where a relay listens whose configuration follows the README.
const defaultSocket = "/run/tlsrelay/submission.sock"

// surroundings is what a call meets: where it reads, writes, and finds the relay.
type surroundings struct {
	in       io.Reader
	out, err io.Writer
	socket   string
}

func main() {
	std := surroundings{os.Stdin, os.Stdout, os.Stderr, os.Getenv("TLSRELAY_SOCKET")}
	if std.socket == "" {
		std.socket = defaultSocket
	}
	os.Exit(run(filepath.Base(os.Args[0]), os.Args[1:], std))
}

// run is the whole program; it gives the exit code.
func run(name string, args []string, std surroundings) int {
	c, err := parseCall(name, args)
	if err == nil {
		err = c.do(std)
	}
	if err == nil {
		return exitOK
	}
	var f *failure
	if !errors.As(err, &f) {
		f = &failure{exitSoftware, err.Error()}
	}
	fmt.Fprintf(std.err, "sendmail: %s\n", f.text)
	if f.code == exitTempFail && c.tempFail != 0 {
		return c.tempFail
	}
	return f.code
}

// do does what is asked for.
func (c *call) do(std surroundings) error {
	switch c.mode {
	case listQueue:
		return showQueue()
	case speakSMTP:
		return bridge(std)
	case nothing:
		return nil
	}
	return c.deliver(std)
}
