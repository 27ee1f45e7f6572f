//go:build linux

package crashtest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
)

// client hands in mail over a connection that it keeps as long as that holds.
type client struct {
	books   *books
	address string
	conn    *smtp.Client
}

// send hands in one mail and books the reply. After an error other than an [smtp.SMTPError] nobody knows whether the relay
// has the mail.
func (c *client) send(m *mail) error {
	err := c.transact(m)
	var refused *smtp.SMTPError
	switch {
	case err == nil:
		c.books.takeOver(m)
		return nil
	case errors.As(err, &refused):
		e := refused.EnhancedCode
		c.books.refuse(fmt.Sprintf("%d %d.%d.%d", refused.Code, e[0], e[1], e[2]))
	}
	c.close()
	return err
}

// connect makes sure of a connection, so that no mail is written for a relay that is not there.
func (c *client) connect() error {
	if c.conn != nil {
		return nil
	}
	nc, err := net.DialTimeout("tcp", c.address, time.Second)
	if err != nil {
		return err
	}
	c.conn = smtp.NewClient(bounded{nc})
	c.conn.CommandTimeout, c.conn.SubmissionTimeout = mailTime, mailTime
	return nil
}

func (c *client) transact(m *mail) error {
	if err := c.connect(); err != nil {
		return err
	}
	if err := c.conn.Mail(m.sender(), nil); err != nil {
		return err
	}
	if err := c.conn.Rcpt(m.recipient(), nil); err != nil {
		return err
	}
	w, err := c.conn.Data()
	if err != nil {
		return err
	}
	if err := m.writeTo(w); err != nil {
		return err
	}
	return w.Close()
}

func (c *client) close() {
	if c.conn != nil {
		c.conn.Close()
		c.conn = nil
	}
}

// bounded is a connection that is never without a deadline, unlike go-smtp's while it sends a text.
type bounded struct{ net.Conn }

// SetDeadline implements [net.Conn].
func (b bounded) SetDeadline(t time.Time) error {
	if t.IsZero() {
		t = time.Now().Add(mailTime)
	}
	return b.Conn.SetDeadline(t)
}

// load has four clients hand in the mails that next writes, until the function that it gives is called or the test ends.
func load(t *testing.T, p *process, next func() *mail) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	for range 4 {
		running.Go(func() {
			c := &client{books: p.books, address: p.address}
			defer c.close()
			for ctx.Err() == nil {
				if c.connect() != nil || c.send(next()) != nil {
					time.Sleep(5 * time.Millisecond) // it is full, or gone
				}
			}
		})
	}
	stop = func() { cancel(); running.Wait() }
	t.Cleanup(stop)
	return stop
}
