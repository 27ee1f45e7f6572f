package delivery

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"

	"tlsrelay/queue"
	"tlsrelay/relay/smtpclient"
	"tlsrelay/tlspolicy"
)

// This file is the one place that decides what a failure means: whether it is final or may pass, and whether it is about
// the host (another one may do better), the message or one recipient.

// trouble is a failure that is about a host.
type trouble struct {
	queue.Outcome
	weight int // how much it tells the sender; 0 is no trouble
}

// The more a failure tells, the more it weighs: when several hosts fail, one of them stands in the notice.
const (
	weightDNS     = 1 + iota // the host's address is not known
	weightConnect            // it is not reached
	weightLost               // it was reached and went away
	weightSaid               // it said something, or showed its TLS
	weightFinal              // the DNS said that there is no host
)

func deferred(cause queue.Cause, stage queue.Stage, detail string) queue.Outcome {
	return queue.Outcome{Result: queue.ResultDeferred, Cause: cause.Key, Status: temporaryStatus(cause.Status), Stage: stage, Detail: detail}
}

func failed(cause queue.Cause, stage queue.Stage, detail string) queue.Outcome {
	return queue.Outcome{Result: queue.ResultFailed, Cause: cause.Key, Status: cause.Status, Stage: stage, Detail: detail}
}

func tooLarge(size, limit int64) queue.Outcome {
	return failed(queue.MessageTooLarge, queue.StageMail,
		fmt.Sprintf("the message has %d bytes, the server takes at most %d", size, limit))
}

// dialTrouble sorts failures to connect.
func dialTrouble(err error) trouble {
	cause := queue.ConnectionLost
	switch {
	case errors.Is(err, errNotPublic):
		return trouble{deferred(queue.AddressRefused, queue.StageConnect, errNotPublic.Error()), weightConnect}
	case errors.Is(err, context.Canceled):
		return trouble{deferred(queue.LocalTrouble, queue.StageConnect, "the relay was stopping"), weightConnect}
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded), errors.Is(err, syscall.ETIMEDOUT):
		cause = queue.ConnectionTimeout
	case errors.Is(err, syscall.ECONNREFUSED):
		cause = queue.ConnectionRefused
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		cause = queue.ConnectionTimeout // no way to the host, from this relay at this time
	case errors.Is(err, syscall.EADDRNOTAVAIL), errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE),
		errors.Is(err, syscall.ENOBUFS), errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		cause = queue.LocalTrouble
	}
	return trouble{deferred(cause, queue.StageConnect, "connecting failed: "+reason(err)), weightConnect}
}

// policyTrouble is a host that does not offer what the TLS policy asks for. It may be mended while the mail waits.
func policyTrouble(cause tlspolicy.Cause, detail string) trouble {
	return trouble{queue.Outcome{
		Result: queue.ResultDeferred, Cause: cause.Key, Status: cause.Status, Stage: queue.StageTLS, Detail: detail,
	}, weightSaid}
}

// sessionTrouble sorts failures before the first word about the message. None of them is final: what a host says before it
// knows the sender and the recipients is about itself, and as in Postfix (smtp_skip_5xx_greeting) it may change its mind.
func sessionTrouble(err error) trouble {
	var e *smtpclient.Error
	if !errors.As(err, &e) {
		return trouble{deferred(queue.LocalTrouble, "", err.Error()), weightLost}
	}
	stage := queue.Stage(e.Stage)
	// Whatever goes wrong from the STARTTLS command on counts as broken TLS, unless this relay itself ended it.
	broken := (stage == queue.StageSTARTTLS || stage == queue.StageTLS) && !errors.Is(e.Err, context.Canceled)
	if broken && (stage == queue.StageTLS || e.Reply != nil && e.Err == nil) {
		return tlsTrouble(e)
	}
	if e.Reply == nil || e.Err != nil {
		o := silence(e)
		o.TLS.Broken = broken
		return trouble{o, weightLost}
	}
	cause := queue.RemoteTemporary
	if stage == queue.StageAuth {
		cause = queue.AuthRefused
	}
	o := deferred(cause, stage, "")
	o.Reply = e.Reply.Text()
	if e.Reply.Enhanced != "" {
		o.Status = temporaryStatus(e.Reply.Enhanced)
	}
	return trouble{o, weightSaid}
}

// tlsTrouble is a host that refused STARTTLS, or with which TLS failed in a way that only the handshake's bytes explain.
func tlsTrouble(e *smtpclient.Error) trouble {
	cause := tlspolicy.HandshakeFailed
	if e.Reply != nil {
		cause = tlspolicy.STARTTLSRefused
	}
	t := policyTrouble(cause, "")
	t.Stage, t.TLS.Broken = queue.Stage(e.Stage), true
	if e.Reply != nil {
		t.Reply = e.Reply.Text()
	} else {
		t.Detail = words(e)
	}
	return t
}

// silence sorts failures in which the remote gave no usable reply.
func silence(e *smtpclient.Error) queue.Outcome {
	stage, detail := queue.Stage(e.Stage), words(e)
	var o queue.Outcome
	switch {
	case errors.Is(e.Err, context.Canceled):
		o = deferred(queue.LocalTrouble, stage, "the relay was stopping")
	case errors.Is(e.Err, smtpclient.ErrEightBit):
		o = failed(queue.Needs8BitMIME, stage, detail)
	case errors.Is(e.Err, smtpclient.ErrSMTPUTF8):
		o = failed(queue.NeedsSMTPUTF8, stage, detail)
	case errors.Is(e.Err, smtpclient.ErrBody), errors.Is(e.Err, smtpclient.ErrArgument):
		o = deferred(queue.LocalTrouble, stage, detail)
	case errors.Is(e.Err, smtpclient.ErrProtocol), errors.Is(e.Err, smtpclient.ErrInjected), errors.Is(e.Err, smtpclient.ErrChunking):
		o = deferred(queue.RemoteProtocol, stage, detail)
	case errors.Is(e.Err, smtpclient.ErrAuthClear), errors.Is(e.Err, smtpclient.ErrAuthMechanism):
		o = deferred(queue.AuthRefused, stage, detail)
	default:
		o = deferred(queue.ConnectionLost, stage, detail)
	}
	if e.Reply != nil {
		o.Reply = e.Reply.Text()
	}
	return o
}

// words says for people what went wrong on this side of the dialogue.
func words(e *smtpclient.Error) string {
	switch {
	case e.Err == nil:
		return e.Error()
	case errors.Is(e.Err, io.EOF), errors.Is(e.Err, io.ErrUnexpectedEOF), errors.Is(e.Err, syscall.ECONNRESET), errors.Is(e.Err, syscall.EPIPE):
		return "the server closed the connection " + moments[queue.Stage(e.Stage)]
	case errors.Is(e.Err, os.ErrDeadlineExceeded), errors.Is(e.Err, context.DeadlineExceeded):
		return "the server did not answer in time " + moments[queue.Stage(e.Stage)]
	}
	return reason(e.Err)
}

// moments are the stages as parts of a sentence.
var moments = map[queue.Stage]string{
	queue.StageGreeting: "before its greeting",
	queue.StageHello:    "after EHLO",
	queue.StageSTARTTLS: "after STARTTLS",
	queue.StageTLS:      "during the TLS handshake",
	queue.StageAuth:     "during the login",
	queue.StageMail:     "after MAIL",
	queue.StageRcpt:     "after RCPT",
	queue.StageData:     "during the message",
	queue.StageDot:      "after the end of the message",
}

// reason leaves out of a network error what package net puts in front: the address stands beside it anyway.
func reason(err error) string {
	var op *net.OpError
	if !errors.As(err, &op) {
		return err.Error()
	}
	var call *os.SyscallError
	switch {
	case op.Timeout():
		return "no answer in time"
	case errors.As(op.Err, &call) && call.Syscall == "bind" && op.Source != nil:
		return "source address " + strings.TrimSuffix(op.Source.String(), ":0") + ": " + call.Err.Error()
	case errors.As(op.Err, &call):
		return call.Err.Error()
	case op.Op == "remote error": // an alert of TLS
		return op.Error()
	}
	return op.Err.Error()
}

// transactionOutcome is the outcome for one recipient of a transaction: its own refusal if it has one, else what became of
// the message as a whole.
func transactionOutcome(rcpt, dot smtpclient.Reply, err error) queue.Outcome {
	if rcpt.Refusal() {
		return refusal(queue.StageRcpt, rcpt)
	}
	if err == nil {
		o := queue.Outcome{Result: queue.ResultDelivered, Stage: queue.StageDot, Reply: dot.Text(), Status: "2.0.0"}
		if dot.Enhanced != "" {
			o.Status = dot.Enhanced
		}
		return o
	}
	var e *smtpclient.Error
	if !errors.As(err, &e) {
		return deferred(queue.LocalTrouble, queue.StageData, err.Error())
	}
	if e.Reply == nil || e.Err != nil && !errors.Is(e.Err, smtpclient.ErrNoRecipients) {
		return silence(e)
	}
	return refusal(queue.Stage(e.Stage), *e.Reply)
}

// refusal is what a 4xx or 5xx about a message or recipient means. 552 at RCPT is an old way to say "too many recipients"
// and passes (RFC 5321 section 4.5.3.1.10).
func refusal(stage queue.Stage, reply smtpclient.Reply) queue.Outcome {
	o := queue.Outcome{Result: queue.ResultFailed, Cause: queue.RemotePermanent.Key, Status: "5.0.0", Stage: stage, Reply: reply.Text()}
	if reply.Enhanced != "" {
		o.Status = reply.Enhanced
	}
	if reply.Code < 500 || stage == queue.StageRcpt && reply.Code == 552 {
		o.Result, o.Cause, o.Status = queue.ResultDeferred, queue.RemoteTemporary.Key, temporaryStatus(o.Status)
	}
	return o
}

// fateUnknown reports whether the message may have been delivered although nobody said so. It must not be sent to another
// host right away.
func fateUnknown(err error) bool {
	var e *smtpclient.Error
	return errors.As(err, &e) && e.MayBeDelivered()
}

// temporaryStatus gives a status code the class of temporary failures: what is not final must not look so.
func temporaryStatus(status string) string {
	if status == "" {
		return "4.0.0"
	}
	return "4" + status[1:]
}
