package main

import (
	"errors"
	"fmt"
	"net/mail"
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"

	"tlsrelay/relay/address"
)

// deliver hands the message on standard input to the relay.
func (c *call) deliver(std surroundings) error {
	text, err := hold(std.in, c.ignoreDots)
	if err != nil {
		return err
	}
	defer text.close()
	l, err := readLetter(text)
	if err != nil {
		return err
	}
	to := c.recipients
	if c.readHeader {
		found, err := l.recipients()
		if err != nil {
			return err
		}
		if to = append(slices.Clone(to), found...); len(to) == 0 {
			return fail(exitDataErr, "no recipients: there are none in To, Cc and Bcc; nothing was sent")
		}
	}
	s, err := connect(std.socket)
	if err != nil {
		return err
	}
	defer s.quit()
	t := &transaction{session: s, call: c, letter: l, known: map[string]bool{}}
	if err := t.author(); err != nil {
		return err
	}
	for _, r := range to {
		t.add(r)
	}
	return t.run()
}

// transaction is one message for its recipients. It takes several for the relay if they are more than that takes at once.
type transaction struct {
	*session
	call   *call
	letter *letter

	sender string // of the envelope, "" for the null sender
	from   string // the From field to add if there is none

	waiting []string // recipients to be sent to, canonical
	known   map[string]bool
	sent    int      // recipients that the relay has the message for
	refused []string // recipients with what was wrong
	later   bool     // one was refused for the time being only
}

// author finds the sender of the envelope and the From field. Without -f it is the user, at the relay's own name; with the
// null sender From names the user, too.
func (t *transaction) author() error {
	name, full := thisUser()
	self, err := address.Parse(name + "@" + t.host)
	if err != nil {
		self = address.Address{Local: name, Domain: t.host} // the relay has the last word
	}
	if t.call.fullName != "" {
		full = t.call.fullName
	}
	t.sender = self.String()
	if t.call.sender != nil {
		found, err := addresses(*t.call.sender)
		if err != nil || len(found) > 1 {
			return fail(exitUsage, "-f wants one address, not %q; nothing was sent", *t.call.sender)
		}
		t.sender = ""
		if len(found) == 1 {
			if self, err = address.Parse(t.qualify(found[0])); err != nil {
				return fail(exitUsage, "-f: %q is no address; nothing was sent: %v", *t.call.sender, err)
			}
			t.sender = self.String()
		}
	}
	t.from = "From: " + (&mail.Address{Name: full, Address: self.String()}).String() + "\r\n"
	return nil
}

// thisUser gives the name of the user who calls, else the ID, and the full name if the system knows it.
func thisUser() (name, full string) {
	u, err := user.Current()
	if err != nil || u.Username == "" {
		return strconv.Itoa(os.Getuid()), ""
	}
	full, _, _ = strings.Cut(u.Name, ",") // the first part of the GECOS field
	return u.Username, full
}

// qualify completes an address without a domain, as "root" is for cron, by the relay's own name.
func (t *transaction) qualify(s string) string {
	if strings.Contains(s, "@") {
		return s
	}
	return s + "@" + t.host
}

// add takes a recipient, unless it is none.
func (t *transaction) add(recipient string) {
	found, err := addresses(recipient)
	if err == nil && len(found) == 0 {
		err = errors.New("the address is empty")
	}
	for _, one := range found {
		a, bad := address.Parse(t.qualify(one))
		if bad != nil {
			recipient, err = one, bad
			continue
		}
		if s := a.String(); !t.known[s] {
			t.known[s] = true
			t.waiting = append(t.waiting, s)
		}
	}
	if err != nil {
		t.refused = append(t.refused, fmt.Sprintf("%s: %v", oneLine(recipient), err))
	}
}

// run sends until no recipient waits, and reports those who do not get the mail.
func (t *transaction) run() error {
	for len(t.waiting) > 0 {
		if err := t.once(); err != nil {
			if t.sent > 0 {
				return fail(exitNoUser, "sent to %d recipients, but to %d not: %v", t.sent, len(t.waiting)+len(t.refused), err)
			}
			return err
		}
	}
	if len(t.refused) == 0 {
		return nil
	}
	code, what := exitNoUser, "nothing was sent: no recipient was taken"
	if t.sent > 0 {
		what = fmt.Sprintf("sent to %d recipients, but not to these", t.sent)
	} else if t.later {
		code = exitTempFail
	}
	return fail(code, "%s:\n  %s", what, strings.Join(t.refused, "\n  "))
}

// once is one mail transaction, for as many of the waiting as the relay takes. It leaves the rest waiting, but for those that
// the relay refused.
func (t *transaction) once() error {
	if err := t.must("MAIL FROM:<" + t.sender + ">" + t.mailParameters()); err != nil {
		return err
	}
	taken, waiting := 0, t.waiting
	var rest []string
	for _, r := range waiting {
		answer, err := t.ask("%s", "RCPT TO:<"+r+">"+t.rcptParameters())
		if err != nil {
			return err
		}
		switch {
		case answer.ok():
			taken++
		case answer.code == 452 && taken > 0: // RFC 5321, 4.5.3.1.10: more than it takes at once
			rest = append(rest, r)
		default:
			t.refused = append(t.refused, fmt.Sprintf("%s: %v", r, answer))
			t.later = t.later || answer.code < 500
		}
	}
	if taken == 0 {
		t.waiting = rest
		return nil
	}
	if err := t.data(); err != nil {
		return err
	}
	t.sent += taken
	t.waiting = rest
	return nil
}

// must is a command that has to succeed.
func (t *transaction) must(command string) error {
	answer, err := t.ask("%s", command)
	if err != nil || answer.ok() {
		return err
	}
	return t.rejected(answer)
}

func (t *transaction) rejected(answer reply) error {
	return fail(codeOf(answer), "the relay refuses the message; nothing was sent: %v", answer)
}

// data sends the message.
func (t *transaction) data() error {
	if err := t.must("DATA"); err != nil {
		return err
	}
	if err := t.letter.writeTo(t.out, t.from); err != nil {
		answer, lost := t.lastWords(err)
		if lost != nil {
			return lost
		}
		return t.rejected(answer)
	}
	t.out.WriteString(".\r\n")
	if err := t.out.Flush(); err != nil {
		return broken(err)
	}
	answer, err := t.reply(finalTime)
	if err != nil || answer.ok() {
		return err
	}
	return t.rejected(answer)
}

// mailParameters gives the size, so that too large a message is refused before it is sent.
func (t *transaction) mailParameters() string {
	p := " SIZE=" + strconv.FormatInt(t.letter.size(), 10)
	if t.dsn && t.call.ret != "" {
		p += " RET=" + t.call.ret
	}
	if t.dsn && t.call.envid != "" {
		p += " ENVID=" + t.call.envid
	}
	return p
}

func (t *transaction) rcptParameters() string {
	if t.dsn && t.call.notify != "" {
		return " NOTIFY=" + t.call.notify
	}
	return ""
}
