package dns

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	miekg "github.com/miekg/dns"
)

const (
	rounds  = 2    // how often each server is asked
	udpSize = 1232 // what we announce (DNS flag day 2020): no fragments on any usual path
)

// ask puts one question to the servers in turn until one gives an answer: records, no records, or NXDOMAIN.
// The error is a *TroubleError.
func (c *Client) ask(ctx context.Context, name string, qtype uint16) (*miekg.Msg, error) {
	trouble := &TroubleError{Question: question(name, qtype)}
	first := int(c.good.Load())
	for n := range rounds * len(c.servers) {
		if trouble.Err = context.Cause(ctx); trouble.Err != nil {
			break
		}
		i := (first + n) % len(c.servers)
		answer, err := c.try(ctx, c.servers[i], name, qtype)
		if err == nil {
			c.good.Store(uint32(i))
			return answer, nil
		}
		if trouble.Err = context.Cause(ctx); trouble.Err != nil {
			break // the server is not at fault
		}
		trouble.note(c.servers[i], err)
	}
	return nil, trouble
}

// try asks one server, and again over TCP when the answer is cut short, or without EDNS when the server does not know
// it.
func (c *Client) try(ctx context.Context, server, name string, qtype uint16) (*miekg.Msg, error) {
	q := new(miekg.Msg).SetQuestion(miekg.Fqdn(name), qtype)
	q.AuthenticatedData = c.trustAD // RFC 6840 section 5.7: tell us
	q.SetEdns0(udpSize, false)
	answer, err := c.exchangeBoth(ctx, server, q)
	if err == nil && knowsNoEDNS(answer) {
		q.Id, q.Extra = miekg.Id(), nil
		answer, err = c.exchangeBoth(ctx, server, q)
	}
	if err != nil {
		return nil, err
	}
	return answer, usable(answer)
}

func knowsNoEDNS(m *miekg.Msg) bool {
	return (m.Rcode == miekg.RcodeFormatError || m.Rcode == miekg.RcodeNotImplemented) && m.IsEdns0() == nil
}

// usable sorts out what is not an answer.
func usable(m *miekg.Msg) error {
	switch {
	case m.Rcode != miekg.RcodeSuccess && m.Rcode != miekg.RcodeNameError:
		if s, ok := miekg.RcodeToString[m.Rcode]; ok {
			return errors.New("answered " + s)
		}
		return fmt.Errorf("answered with code %d", m.Rcode)
	case !m.Authoritative && !m.RecursionAvailable && (len(m.Answer) == 0 || m.Rcode == miekg.RcodeNameError):
		// It knows nothing itself and asks nobody: its "no" means nothing.
		return errors.New("does not resolve names for us (lame answer)")
	}
	return nil
}

func (c *Client) exchangeBoth(ctx context.Context, server string, q *miekg.Msg) (*miekg.Msg, error) {
	answer, err := c.exchange(ctx, "udp", server, q)
	if err == nil && answer.Truncated {
		if answer, err = c.exchange(ctx, "tcp", server, q); err != nil {
			return nil, fmt.Errorf("gave a truncated answer, and over TCP %w", err)
		}
		if answer.Truncated {
			return nil, errors.New("gave a truncated answer over TCP")
		}
	}
	return answer, err
}

// exchange sends q and waits for its answer. The kernel picks a new source port for each call.
func (c *Client) exchange(ctx context.Context, network, server string, q *miekg.Msg) (*miekg.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	nc, err := new(net.Dialer).DialContext(ctx, network, server)
	if err != nil {
		return nil, c.reason(err)
	}
	defer nc.Close()
	deadline, _ := ctx.Deadline()
	nc.SetDeadline(deadline)
	defer context.AfterFunc(ctx, func() { nc.SetDeadline(time.Unix(1, 0)) })()

	conn := &miekg.Conn{Conn: nc, UDPSize: 4096}
	if err := conn.WriteMsg(q); err != nil {
		return nil, c.reason(err)
	}
	var stray error
	for {
		packet, err := conn.ReadMsgHeader(nil)
		if err != nil && stray != nil && errors.Is(err, os.ErrDeadlineExceeded) {
			return nil, stray
		}
		if err != nil && !errors.Is(err, miekg.ErrShortRead) {
			return nil, c.reason(err)
		}
		answer, err := parseAnswer(packet, q)
		if err == nil {
			return answer, nil
		}
		if network == "tcp" {
			return nil, err
		}
		stray = err // not the answer, perhaps forged: it may still come
	}
}

// parseAnswer reads a packet and checks that it answers q.
func parseAnswer(packet []byte, q *miekg.Msg) (*miekg.Msg, error) {
	m := new(miekg.Msg)
	err := m.Unpack(packet)
	if err != nil && !(m.Truncated && len(m.Question) == 1) {
		return nil, errors.New("sent a malformed answer")
	}
	if !m.Response || m.Id != q.Id || !sameQuestion(m, q.Question[0]) {
		return nil, errors.New("sent the answer to another question")
	}
	return m, nil
}

// sameQuestion reports whether m repeats the question. A server that reports an error may leave it out.
func sameQuestion(m *miekg.Msg, q miekg.Question) bool {
	if len(m.Question) == 0 {
		return m.Rcode != miekg.RcodeSuccess && m.Rcode != miekg.RcodeNameError
	}
	r := m.Question[0]
	return len(m.Question) == 1 && r.Qtype == q.Qtype && r.Qclass == q.Qclass && strings.EqualFold(r.Name, q.Name)
}

// reason words a network error as what the server did.
func (c *Client) reason(err error) error {
	var nerr net.Error
	if errors.As(err, &nerr) && nerr.Timeout() {
		return fmt.Errorf("gave no answer within %v", c.timeout)
	}
	var op *net.OpError
	if errors.As(err, &op) {
		err = op.Err // without the addresses, which the caller names
	}
	return fmt.Errorf("cannot be reached (%w)", err)
}
