package submission

import (
	"fmt"
	"strings"
	"time"

	"github.com/emersion/go-smtp"

	"tlsrelay/relay/address"
)

// dialogue is how far the conversation is.
type dialogue struct {
	hello      string // the client's name; "" before EHLO or HELO
	extended   bool   // it said EHLO, so it may use extensions
	mail       bool   // a sender is accepted
	recipients int    // accepted
	loggingIn  bool   // the next line is a response of AUTH, not a command
	account    string // logged in as

	asked struct { // by the command that go-smtp deals with
		hello   string
		address address.Address
		mailParameters
		rcptParameters
		bad *smtp.SMTPError // what is wrong with the response to AUTH, for which go-smtp was fed a cancellation
	}

	errors, failedLogins, commands int
	blocked                        bool // a login was refused unchecked
	refusals                       int  // of mail, see refusals.go
}

// command answers a line from the client, or passes go-smtp a command that it stands for.
func (g *guard) command(line []byte) {
	if g.loggingIn {
		g.response(line)
		return
	}
	limit := maxCommandLine
	if _, found := cutPrefixFold(string(line[:min(len(line), 5)]), "AUTH "); found {
		limit = maxAuthLine
	}
	text, refused := commandText(line, limit)
	if g.commands++; g.commands > maxCommands+2*g.srv.opts.Recipients {
		g.cutOff(421, "4.7.0", "Too many commands without a message")
		return
	}
	verb, arg := splitCommand(text)
	if refused == nil {
		refused = g.dispatch(verb, arg)
	}
	if refused != nil {
		g.logRefusal(verb, errorLine(refused))
		g.send(errorLine(refused))
		g.judge(verb, refused.Code)
	}
}

// logRefusal notes and has counted what a client that wants to send mail was told, so that an operator can answer "why not?". What
// it sent is not noted: it may hold a password.
func (g *guard) logRefusal(verb string, reply []byte) {
	g.tally(verb, reply)
	if g.unlogged {
		g.unlogged = false
		return
	}
	switch verb {
	case "MAIL", "RCPT", "DATA":
		if !g.logsRefusal() {
			return
		}
		g.srv.opts.Log.Info("refused", "client", clientText(g.client), "account", g.account, "command", verb,
			"reply", strings.TrimSpace(string(reply)))
	}
}

// dispatch passes a command on, or says why not.
func (g *guard) dispatch(verb, arg string) *smtp.SMTPError {
	switch verb {
	case "EHLO", "HELO":
		g.asked.hello = arg
		return g.unless(checkHello(arg), verb, verb+" "+arg)
	case "MAIL":
		return g.askMail(arg)
	case "RCPT":
		return g.askRcpt(arg)
	case "DATA":
		return g.unless(g.refuseData(arg), verb, verb)
	case "RSET", "QUIT":
		if arg != "" {
			return smtpReply(501, "5.5.4", verb+" takes no argument")
		}
		g.pass(verb, verb)
	case "VRFY":
		if arg == "" {
			return smtpReply(501, "5.5.4", "Syntax: VRFY user@example.org")
		}
		g.pass(verb, verb)
	case "NOOP":
		g.pass(verb, verb)
	case "AUTH":
		return g.askAuth(arg)
	case "STARTTLS":
		return g.startTLS(arg)
	case "BDAT": // what follows it would be taken for commands
		g.cutOff(502, "5.5.1", "BDAT is not available: use DATA")
	case "HELP":
		g.say(214, "2.0.0", "See RFC 5321; commands: EHLO HELO MAIL RCPT DATA RSET NOOP VRFY AUTH STARTTLS QUIT")
	case "EXPN", "ETRN", "TURN", "SEND", "SOML", "SAML":
		return smtpReply(502, "5.5.1", verb+" is not available")
	case "GET", "POST", "PUT", "HEAD", "OPTIONS", "CONNECT": // a web page that talks to us through someone's browser
		g.cutOff(421, "4.7.0", "This is SMTP, not HTTP")
	default:
		if strings.HasPrefix(verb, "STARTTLS") {
			return smtpReply(501, "5.5.4", "Syntax: STARTTLS")
		}
		return smtpReply(500, "5.5.2", "Command not recognized")
	}
	return nil
}

// unless passes a command on if it is not refused.
func (g *guard) unless(refused *smtp.SMTPError, verb, line string) *smtp.SMTPError {
	if refused == nil {
		g.pass(verb, line)
	}
	return refused
}

func (g *guard) askMail(arg string) *smtp.SMTPError {
	if g.hello == "" {
		return smtpReply(503, "5.5.1", "Say EHLO or HELO first")
	}
	if g.mail {
		return smtpReply(503, "5.5.1", "There is a sender already: RSET starts over")
	}
	var refused *smtp.SMTPError
	g.asked.address, g.asked.mailParameters, refused = parseMail(arg, g.extended)
	if refused == nil && g.asked.requireTLS && g.secure == nil {
		refused = smtpReply(530, "5.7.10", "REQUIRETLS is possible only over TLS: send STARTTLS first")
	}
	return g.unless(refused, "MAIL", "MAIL FROM:<>") // the session takes the address from g.asked
}

func (g *guard) askRcpt(arg string) *smtp.SMTPError {
	if !g.mail {
		return smtpReply(503, "5.5.1", "Send MAIL first")
	}
	var refused *smtp.SMTPError
	g.asked.address, g.asked.rcptParameters, refused = parseRcpt(arg, g.srv.opts.Hostname, g.extended, g.asked.utf8)
	return g.unless(refused, "RCPT", "RCPT TO:<recipient@relay>") // here, too
}

func (g *guard) refuseData(arg string) *smtp.SMTPError {
	switch {
	case arg != "":
		return smtpReply(501, "5.5.4", "DATA takes no argument")
	case !g.mail:
		return smtpReply(503, "5.5.1", "Send MAIL and RCPT first")
	case g.recipients == 0:
		return smtpReply(503, "5.5.1", "No valid recipients: send RCPT first")
	}
	return nil
}

func (g *guard) askAuth(arg string) *smtp.SMTPError {
	switch {
	case g.on.Auth == AuthOff:
		return smtpReply(502, "5.5.1", "AUTH is not available here")
	case g.secure == nil:
		return smtpReply(538, "5.7.11", "AUTH is possible only after STARTTLS")
	case g.hello == "":
		return smtpReply(503, "5.5.1", "Say EHLO first")
	case g.mail:
		return smtpReply(503, "5.5.1", "AUTH is not possible within a mail transaction")
	case g.account != "":
		return smtpReply(503, "5.5.1", "You are logged in already")
	}
	g.asked.bad = nil
	mechanism, response, refused := parseAuth(arg, g.mechanisms())
	return g.unless(refused, "AUTH", strings.TrimRight("AUTH "+mechanism+" "+response, " "))
}

// response passes go-smtp what the client answers in AUTH. What is no base64 cancels the exchange, as "*" does.
func (g *guard) response(line []byte) {
	g.loggingIn = false
	text, bad := commandText(line, maxAuthLine)
	switch {
	case bad != nil:
	case text == "*":
		bad = smtpReply(501, "5.7.0", "Login cancelled")
	case !isBase64(text):
		bad = errBase64
	}
	if g.asked.bad = bad; bad != nil {
		text = "*"
	}
	g.pass("AUTH", text)
}

// follow edits go-smtp's reply to a command and notes what it changes.
func (g *guard) follow(verb string, code int, reply []byte) []byte {
	switch {
	case (verb == "EHLO" || verb == "HELO") && code == 250:
		g.hello, g.extended = g.asked.hello, verb == "EHLO"
		g.mail, g.recipients = false, 0
		return g.helloReply(verb)
	case verb == "MAIL" && code == 250:
		g.mail = true
		return []byte("250 2.1.0 Sender ok\r\n")
	case verb == "RCPT" && code == 250:
		g.recipients++
		return []byte("250 2.1.5 Recipient ok\r\n")
	case verb == "RSET" || verb == ".":
		g.mail, g.recipients = false, 0
	case verb == "AUTH" && code == 334:
		g.loggingIn = true
	case verb == "AUTH" && code == 235:
		return []byte("235 2.7.0 Logged in\r\n")
	case verb == "AUTH" && g.asked.bad != nil:
		return errorLine(g.asked.bad)
	}
	return reply
}

// helloReply is the answer to EHLO and HELO. It names what the guard lets through, not what go-smtp has. Of the LIMITS of
// RFC 9422 there is one: a connection may carry any number of messages (no MAILMAX), a message recipients of any number of
// domains (no RCPTDOMAINMAX).
func (g *guard) helloReply(verb string) []byte {
	o := &g.srv.opts
	if verb == "HELO" {
		return fmt.Appendf(nil, "250 %s\r\n", o.Hostname)
	}
	lines := []string{o.Hostname + " Hello " + g.hello, "PIPELINING", "8BITMIME", "SMTPUTF8", "DSN"}
	if g.secure == nil && g.on.TLS == TLSStartTLS {
		lines = append(lines, "STARTTLS")
	}
	if g.secure != nil && g.on.Auth != AuthOff {
		lines = append(lines, "AUTH "+strings.Join(g.mechanisms(), " "))
	}
	if g.secure != nil && o.RequireTLS {
		lines = append(lines, "REQUIRETLS")
	}
	lines = append(lines, fmt.Sprintf("SIZE %d", o.MessageSize), fmt.Sprintf("LIMITS RCPTMAX=%d", o.Recipients))
	return []byte("250-" + strings.Join(lines, "\r\n250-") + "\r\n250 ENHANCEDSTATUSCODES\r\n")
}

// judge counts errors, and ends the connection when there are too many.
func (g *guard) judge(verb string, code int) {
	switch {
	case verb == "." && code == 250:
		g.errors, g.commands, g.waiting = 0, 0, time.Time{}
	case verb == "." || verb == "RCPT": // says more about the message than about the client
	case code >= 500:
		g.errors++
	}
	switch {
	case g.failedLogins >= maxFailedLogins && g.blocked: // the log knows
		g.hangUp(421, "4.7.0", "Too many failed logins")
	case g.failedLogins >= maxFailedLogins:
		g.cutOff(421, "4.7.0", "Too many failed logins")
	case g.errors >= maxErrors:
		g.cutOff(421, "4.7.0", "Too many errors")
	}
}

// cutOff ends the connection for a reason that an operator may want to know.
func (g *guard) cutOff(code int, status, text string) {
	g.srv.opts.Log.Warn("client cut off", "client", clientText(g.client), "code", code, "reply", text, "errors", g.errors,
		"unlogged", g.unloggedRefusals())
	g.hangUp(code, status, text)
}
