package load

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/smtp"
	"net/textproto"
	"strings"
	"time"
)

// Caller makes connections of the ordinary kind: one goroutine each, with TLS if Roots is set.
type Caller struct {
	Address string         // "127.0.0.1:2525"
	Roots   *x509.CertPool // that the server's certificate for Name is checked with; nil: no TLS
	Name    string
}

// Call connects from a local address, nil for any, and goes as far as the last answer to EHLO. The connection has a deadline,
// connectTimeout after the start.
func (c *Caller) Call(ctx context.Context, from net.IP) (*Call, error) {
	dialer := net.Dialer{Timeout: connectTimeout}
	if from != nil {
		dialer.LocalAddr = &net.TCPAddr{IP: from}
	}
	conn, err := dialer.DialContext(ctx, "tcp", c.Address)
	if err != nil {
		return nil, err
	}
	conn.SetDeadline(time.Now().Add(connectTimeout))
	client, err := c.greet(conn)
	if err != nil {
		conn.Close()
		return nil, err
	}
	return &Call{conn: conn, client: client}, nil
}

func (c *Caller) greet(conn net.Conn) (*smtp.Client, error) {
	client, err := smtp.NewClient(conn, c.Name)
	if err == nil {
		err = client.Hello("client.bench.test")
	}
	if err == nil && c.Roots != nil {
		err = client.StartTLS(&tls.Config{RootCAs: c.Roots, ServerName: c.Name})
	}
	return client, err
}

// Call is an open connection.
type Call struct {
	conn   net.Conn
	client *smtp.Client
}

// Deliver hands in one message of about size bytes and gives the queue ID.
func (c *Call) Deliver(number, size int) (id string, err error) {
	c.conn.SetDeadline(time.Now().Add(connectTimeout))
	t := c.client.Text
	for _, step := range []struct {
		command string
		code    int
	}{{"MAIL FROM:<sender@bench.test>", 250}, {fmt.Sprintf("RCPT TO:<r%d@dest.bench.test>", number), 250}, {"DATA", 354}} {
		if _, err := ask(t, step.code, step.command); err != nil {
			return "", err
		}
	}
	line := strings.Repeat("x", 76) + "\r\n"
	text := "Subject: message " + fmt.Sprint(number) + "\r\n\r\n" + strings.Repeat(line, max(1, size/len(line))) + "."
	reply, err := ask(t, 250, text)
	if err != nil {
		return "", err
	}
	_, id, found := strings.Cut(reply, string(queuedAs))
	if !found {
		return "", fmt.Errorf("%q names no queue ID", reply)
	}
	return id, nil
}

func ask(t *textproto.Conn, code int, text string) (string, error) {
	if err := t.PrintfLine("%s", text); err != nil {
		return "", err
	}
	_, reply, err := t.ReadResponse(code)
	return reply, err
}

// Noop asks for a sign of life.
func (c *Call) Noop() error {
	c.conn.SetDeadline(time.Now().Add(connectTimeout))
	return c.client.Noop()
}

// Close ends the connection without a word.
func (c *Call) Close() error { return c.conn.Close() }
