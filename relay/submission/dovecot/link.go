package dovecot

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// Reasons why there is no answer, as the log tells them.
var (
	errClosed  = errors.New("the relay stops")
	errRetired = errors.New("the connection is old")
	errBusy    = fmt.Errorf("%d logins wait for Dovecot already", maxWaiting)
	errSilent  = fmt.Errorf("Dovecot does not answer within %v", answerTime)
	errLong    = fmt.Errorf("Dovecot sends a line of more than %d bytes; is it the auth-client socket?", maxLine)
	errStray   = errors.New("Dovecot sends too much that nobody asked for; is it the auth-client socket?")
)

// lostError says that a connection ended with a request under way.
type lostError struct{ why error }

func (e lostError) Error() string { return "the connection to Dovecot was lost: " + e.why.Error() }
func (e lostError) Unwrap() error { return e.why }

// link is one connection. It works until it fails, or is old and has answered all.
type link struct {
	ctx   context.Context
	end   context.CancelCauseFunc // any goroutine may end it
	ready chan struct{}           // closed when requests may be sent
	conn  net.Conn                // set before ready is closed
	ended chan struct{}           // closed when it is over
	err   error                   // why; set before ended is closed

	writing sync.Mutex

	mu      sync.Mutex
	last    uint32
	pending map[uint32]chan<- answer
	retired bool // takes no more requests
}

// newLink makes a link that ends with ctx at the latest.
func newLink(ctx context.Context) *link {
	l := &link{ready: make(chan struct{}), ended: make(chan struct{}), pending: map[uint32]chan<- answer{}}
	l.ctx, l.end = context.WithCancelCause(ctx)
	return l
}

// usable reports whether the link takes a new request.
func (l *link) usable() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.retired && l.ctx.Err() == nil
}

// retire has the link take no more requests, and end with its last answer.
func (l *link) retire() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.retired = true
	if len(l.pending) == 0 {
		l.end(errRetired)
	}
}

// run works until the link ends.
func (l *link) run(dial func(context.Context) (net.Conn, error)) {
	err := l.work(dial)
	l.end(err)
	l.err = context.Cause(l.ctx)
	close(l.ended)
}

func (l *link) work(dial func(context.Context) (net.Conn, error)) error {
	ctx, cancel := context.WithTimeout(l.ctx, dialTime)
	defer cancel()
	conn, err := dial(ctx)
	if err != nil {
		return withAdvice(err)
	}
	defer conn.Close()
	defer context.AfterFunc(l.ctx, func() { conn.Close() })()
	conn.SetDeadline(time.Now().Add(greetTime))
	in := bufio.NewReaderSize(conn, maxLine)
	if err := greet(conn, in); err != nil {
		return err
	}
	conn.SetDeadline(time.Time{})
	l.conn = conn
	close(l.ready)
	defer time.AfterFunc(linkAge, l.retire).Stop()
	return l.receive(in)
}

// receive hands answers to those who wait for them.
func (l *link) receive(in *bufio.Reader) error {
	for stray := 0; stray < maxStray; stray++ {
		line, err := readLine(in)
		if err != nil {
			return err
		}
		a, found, err := parseAnswer(line)
		if err != nil {
			return err
		}
		if found && l.deliver(a) {
			stray = 0
		}
	}
	return errStray
}

// deliver reports whether somebody waited for the answer.
func (l *link) deliver(a answer) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	to, found := l.pending[a.id]
	if found {
		delete(l.pending, a.id)
		to <- a // it has room for one
	}
	if l.retired && len(l.pending) == 0 {
		l.end(errRetired)
	}
	return found
}

// ask sends a request and waits for its answer. After a wait in vain the link gets no further requests.
func (l *link) ask(ctx context.Context, login Login) (answer, error) {
	select {
	case <-l.ready:
	case <-l.ended:
	case <-ctx.Done():
		return answer{}, errSilent
	}
	select {
	case <-l.ready: // if it has ended since, that is no more than a lost connection
	default:
		return answer{}, l.err
	}
	id, answers := l.enter()
	if answers == nil {
		return answer{}, lostError{errRetired}
	}
	l.send(login.request(id))
	select {
	case a := <-answers:
		return a, nil
	case <-l.ended:
	case <-ctx.Done():
		l.leave(id)
		l.retire()
		return answer{}, errSilent
	}
	select {
	case a := <-answers: // it was the last
		return a, nil
	default:
		return answer{}, lostError{l.err}
	}
}

// enter makes a place for an answer; nil if the link is retired.
func (l *link) enter() (id uint32, answers <-chan answer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.retired {
		return 0, nil
	}
	l.last++
	place := make(chan answer, 1)
	l.pending[l.last] = place
	return l.last, place
}

func (l *link) leave(id uint32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.pending, id)
}

// send ends the link if it cannot: half a line may be out.
func (l *link) send(line string) {
	l.writing.Lock()
	defer l.writing.Unlock()
	l.conn.SetWriteDeadline(time.Now().Add(writeTime))
	if _, err := l.conn.Write([]byte(line)); err != nil {
		l.end(fmt.Errorf("Dovecot takes no requests: %w", err))
	}
}
