package delivery

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"

	"tlsrelay/queue"
	"tlsrelay/relay/smtpclient"
	"tlsrelay/tlspolicy"
	"tlsrelay/tlspolicy/probe"
)

// Reach leads a new connection to the point where the server at t waits for a ClientHello, as an attempt would, and without a
// word about mail. It is the way of a [probe.Prober]. The error is [probe.ErrNotOffered] where STARTTLS is not, and
// else a [*ReachError], which is [probe.ErrRefused] where STARTTLS is refused for good.
func (d *Deliverer) Reach(ctx context.Context, t probe.Target) (net.Conn, error) {
	h := host{name: t.Name, port: t.Addr.Port()}
	if t.Anywhere {
		h.route = &Route{}
	}
	nc, err := d.dial(ctx, "", h, t.Addr.Addr())
	if err != nil {
		return nil, &ReachError{dialTrouble(err).Outcome, err}
	}
	if t.Implicit {
		return nc, nil
	}
	c := smtpclient.New(nc, smtpclient.Options{Timeouts: d.opts.Timeouts})
	ready, err := askTLS(ctx, c, d.helloFrom(nc.LocalAddr()))
	if err != nil {
		c.Quit(ctx)
		if err != probe.ErrNotOffered {
			err = &ReachError{sessionTrouble(err).Outcome, forGood(err)}
		}
		return nil, err
	}
	return ready, nil
}

// forGood adds [probe.ErrRefused] to the error of a server that refused STARTTLS for good.
func forGood(err error) error {
	var e *smtpclient.Error
	if errors.As(err, &e) && e.Stage == smtpclient.StageSTARTTLS && e.Err == nil && e.Reply != nil && e.Reply.Code >= 500 {
		return errors.Join(probe.ErrRefused, err)
	}
	return err
}

func askTLS(ctx context.Context, c *smtpclient.Conn, hello string) (net.Conn, error) {
	if _, err := c.Greeting(ctx); err != nil {
		return nil, err
	}
	ext, err := c.Hello(ctx, hello)
	switch {
	case err != nil:
		return nil, err
	case !ext.STARTTLS:
		return nil, probe.ErrNotOffered
	}
	return c.AskTLS(ctx)
}

// Trial gives what to ask of one address of a host so that mail for a destination may go there: the target and the decision of an
// attempt at this moment. host and remote are as in [queue.Evidence]; false: mail does not go there by now.
func (d *Deliverer) Trial(destination, hostname, remote string) (probe.Target, tlspolicy.Decision, bool) {
	at, err := netip.ParseAddrPort(remote)
	if err != nil {
		return probe.Target{}, tlspolicy.Decision{}, false
	}
	h := host{name: hostname, port: at.Port()}
	if route := routeFor(d.opts.Routes, destination); route != nil {
		hosts := route.hosts()
		i := slices.IndexFunc(hosts, func(one host) bool { return one.name == hostname && one.port == at.Port() })
		if i < 0 {
			return probe.Target{}, tlspolicy.Decision{}, false
		}
		h = hosts[i]
	}
	return h.target(at.Addr()), h.asks(d.opts.Policy.Decide(destination, d.opts.Now())), true
}

// ReachError is why a server could not be asked about its TLS.
type ReachError struct {
	Outcome queue.Outcome // what the same trouble would be for a mail
	Err     error         // what went wrong
}

// Error gives the trouble in the words that attempts have for it, without control characters.
func (e *ReachError) Error() string {
	if e.Outcome.Reply != "" {
		return "the server answers " + queue.Printable(clip(e.Outcome.Reply))
	}
	return queue.Printable(clip(e.Outcome.Detail))
}

// Unwrap gives Err.
func (e *ReachError) Unwrap() error { return e.Err }
