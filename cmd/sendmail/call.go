package main

import (
	"strconv"
	"strings"
)

// mode is what a call asks for.
type mode uint8

const (
	deliver   mode = iota
	speakSMTP      // -bs
	listQueue      // -bp, mailq
	nothing        // what other sendmails need and this one does not: -q, -bi, newaliases
)

// call is what the command line says.
type call struct {
	mode       mode
	recipients []string
	readHeader bool    // -t: more recipients are in the header
	ignoreDots bool    // -i: a dot alone does not end the message
	sender     *string // -f; nil: the user
	fullName   string  // -F

	notify, ret, envid string // of RFC 3461, in the form of its parameters; "" for none

	tempFail int // exit code instead of exitTempFail, 0 for none
}

// Flags by what follows them. The value may stand in the same argument or in the next.
const (
	withValue = "ABCFLNORVXbefhopr"
	withTail  = "dq" // a value in the same argument, if any
	alone     = "GIUcimntvx"
)

// parseCall reads the command line of a program that was called by this name. Flags that change nothing here, but that
// scripts pass, are accepted: what they ask for is the relay's to decide.
func parseCall(name string, args []string) (call, error) {
	var c call
	switch name {
	case "mailq":
		c.mode = listQueue
	case "newaliases", "runq":
		c.mode = nothing
	}
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		if arg == "--" {
			c.recipients = append(c.recipients, args...)
			break
		}
		if len(arg) < 2 || arg[0] != '-' {
			c.recipients = append(c.recipients, arg)
			continue
		}
		var err error
		if args, err = c.flags(arg[1:], args); err != nil {
			return c, err
		}
	}
	if c.mode == deliver && len(c.recipients) == 0 && !c.readHeader {
		return c, fail(exitUsage, "no recipients: name them, or say -t to have them read from the header")
	}
	return c, nil
}

// flags reads the letters of one argument; it gives the arguments that are left.
func (c *call) flags(letters string, args []string) ([]string, error) {
	for letters != "" {
		flag := letters[0]
		letters = letters[1:]
		switch {
		case strings.IndexByte(withTail, flag) >= 0:
			c.alone(flag)
			return args, nil
		case strings.IndexByte(alone, flag) >= 0:
			c.alone(flag)
		case strings.IndexByte(withValue, flag) < 0:
			return nil, fail(exitUsage, "unknown flag -%c", flag)
		case letters != "":
			return args, c.value(flag, letters)
		case len(args) == 0:
			return nil, fail(exitUsage, "flag -%c needs a value", flag)
		default:
			return args[1:], c.value(flag, args[0])
		}
	}
	return args, nil
}

func (c *call) alone(flag byte) {
	switch flag {
	case 'i':
		c.ignoreDots = true
	case 't':
		c.readHeader = true
	case 'I', 'q':
		c.mode = nothing
	}
}

func (c *call) value(flag byte, v string) error {
	switch flag {
	case 'f', 'r':
		c.sender = &v
	case 'F':
		c.fullName = v
	case 'o':
		c.ignoreDots = c.ignoreDots || v == "i"
	case 'b':
		return c.setMode(v)
	case 'N':
		return c.setNotify(v)
	case 'R':
		return c.setReturn(v)
	case 'V':
		return c.setEnvelopeID(v)
	case 'O':
		return c.setOption(v)
	}
	return nil
}

func (c *call) setMode(v string) error {
	modes := map[string]mode{"m": deliver, "s": speakSMTP, "p": listQueue, "i": nothing}
	m, ok := modes[v]
	switch {
	case v == "d" || v == "D" || v == "l":
		return fail(exitUsage, "-b%s: there is no daemon in this program; run \"tlsrelay serve\"", v)
	case !ok:
		return fail(exitUsage, "-b%s is not known here; -bm, -bs, -bp and -bi are", v)
	}
	c.mode = m
	return nil
}

// setOption knows one option of this program's own; those of sendmail change nothing. TempFail=CODE is for PHP, whose mail()
// means to take 75 for a success (not all versions get that right): another sendmail has then queued the message, this one
// has not.
func (c *call) setOption(v string) error {
	name, value, _ := strings.Cut(v, "=")
	if !strings.EqualFold(strings.TrimSpace(name), "TempFail") {
		return nil
	}
	code, err := strconv.ParseUint(strings.TrimSpace(value), 10, 8)
	if err != nil || code == 0 {
		return fail(exitUsage, "-O TempFail=CODE wants an exit code from 1 to 255")
	}
	c.tempFail = int(code)
	return nil
}
