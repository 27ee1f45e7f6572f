// Package dovecot asks Dovecot whether a password is right, by its authentication protocol, version 1, at a socket such as
// /run/dovecot/auth-client. Only PLAIN is spoken. One connection serves all requests, many at a time; it is made when it is
// needed, and lives for seconds only: as long as it stands, Dovecot keeps the process behind it, after a stop or with an older
// configuration.
//
// Dovecot is another program, which may be stopped, slow or misconfigured: all waits are bounded, and a login that it says
// nothing about is neither right nor wrong.
package dovecot

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"time"
)

// Bounds of the conversation.
const (
	dialTime    = 2 * time.Second
	greetTime   = 3 * time.Second
	answerTime  = 10 * time.Second // in all; Dovecot itself holds back the answer to a wrong password for two seconds
	writeTime   = 2 * time.Second
	linkAge     = 3 * time.Second // then it takes no more requests
	maxWaiting  = 256             // logins at once
	maxLine     = 16384           // bytes, as Dovecot has it
	maxGreeting = 100             // lines
	maxStray    = 1000            // lines in a row that answer nothing
)

// ErrUnavailable means that Dovecot did not tell whether the password is right. Why is in the log already.
var ErrUnavailable = errors.New("Dovecot cannot check logins now")

// Client asks Dovecot. Its methods may be called from many goroutines at once.
type Client struct {
	dial    func(context.Context) (net.Conn, error)
	waiting chan struct{}
	trouble trouble

	ctx   context.Context // ends with Close
	close context.CancelCauseFunc

	mu    sync.Mutex
	link  *link          // that new requests take; nil if there is none
	links sync.WaitGroup // all that still work
}

// New makes a client for the socket at path. It does not connect yet: Dovecot may start later.
func New(path string, log *slog.Logger) *Client {
	c := &Client{
		dial: func(ctx context.Context) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", path)
		},
		waiting: make(chan struct{}, maxWaiting),
		trouble: trouble{log: log.With("socket", path)},
	}
	c.ctx, c.close = context.WithCancelCause(context.Background())
	return c
}

// Close ends the connection. Logins that wait for an answer get ErrUnavailable, and all later ones, too.
func (c *Client) Close() error {
	c.mu.Lock()
	c.close(errClosed)
	c.mu.Unlock() // from here on no link begins
	c.links.Wait()
	return nil
}

// Check asks whether the password is right. user is the name that Dovecot has for the account: printable, at most 255 bytes,
// and not always the name that was given. ok is false for a wrong password, an unknown account, and one that may not log in.
// The error is ErrUnavailable, within a few seconds.
func (c *Client) Check(ctx context.Context, l Login) (user string, ok bool, err error) {
	if !l.sendable() {
		return "", false, nil
	}
	a, err := c.ask(ctx, l)
	if err == nil {
		err = a.err
	}
	switch {
	case ctx.Err() != nil || errors.Is(err, errClosed): // that is not Dovecot's fault
		return "", false, ErrUnavailable
	case err != nil:
		c.trouble.note(err)
		return "", false, ErrUnavailable
	}
	c.trouble.over()
	return a.user, a.user != "", nil
}

// ask sends a request and waits for the answer. A connection that was there before may be one to a Dovecot that has ended
// since: then there is a second try.
func (c *Client) ask(ctx context.Context, l Login) (answer, error) {
	select {
	case c.waiting <- struct{}{}:
		defer func() { <-c.waiting }()
	default:
		return answer{}, errBusy
	}
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	for retried := false; ; retried = true {
		link, fresh, err := c.current()
		if err != nil {
			return answer{}, err
		}
		a, err := link.ask(ctx, l)
		var lost lostError
		if fresh || retried || !errors.As(err, &lost) {
			return a, err
		}
	}
}

// current gives the connection for a new request, which may not stand yet. fresh says that it was made for this one.
func (c *Client) current() (_ *link, fresh bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ctx.Err() != nil {
		return nil, false, errClosed
	}
	if c.link != nil && c.link.usable() {
		return c.link, false, nil
	}
	l := newLink(c.ctx)
	c.link = l
	c.links.Go(func() { l.run(c.dial) })
	return l, true, nil
}
