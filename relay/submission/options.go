package submission

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"github.com/xdg-go/scram"

	"tlsrelay/queue"
	"tlsrelay/relay/message"
	"tlsrelay/relay/submission/dovecot"
	"tlsrelay/relay/submission/tenant"
)

// TLSMode says how TLS comes to a listener.
type TLSMode uint8

const (
	TLSOff      TLSMode = iota // none
	TLSStartTLS                // offered by STARTTLS (RFC 3207)
	TLSImplicit                // from the first byte (RFC 8314)
)

// AuthMode says who may log in at a listener. Without TLS nobody can.
type AuthMode uint8

const (
	AuthOff      AuthMode = iota // nobody: only listed networks relay
	AuthOptional                 // clients outside the listed networks must
	AuthRequired                 // all must
)

// Listener is one address at which mail comes in.
type Listener struct {
	Address  string       // "127.0.0.1:2525", or "unix:/run/tlsrelay/submission.sock" for the users of this machine
	Net      net.Listener // if not nil, it is used instead of Address
	TLS      TLSMode
	Auth     AuthMode
	Networks []netip.Prefix // clients that may relay without AUTH
	Proxy    []netip.Prefix // peers that begin with a PROXY header, which names the client

	// ClientCAs gives the authorities whose client certificates are taken for AUTH EXTERNAL; nil: no client is asked for one.
	ClientCAs func() *x509.CertPool
}

// Accounts knows the accounts and their passwords. An error says that it could not tell.
type Accounts interface {
	Verify(name, password string) (bool, error)
	Has(name string) (bool, error)
	SCRAM() bool                                       // SCRAM-SHA-256 works for all of them
	Keys(name string) (scram.StoredCredentials, error) // for SCRAM-SHA-256; of an unknown account, some that fit nothing
}

// Dovecot knows passwords of accounts that are kept elsewhere. user is the account that a password belongs to, which may be
// spelt otherwise than it was asked for. The only error is [dovecot.ErrUnavailable]; it is logged already.
type Dovecot interface {
	Check(ctx context.Context, l dovecot.Login) (user string, ok bool, err error)
}

// Queue takes messages over. When Enqueue returns nil, the message is on stable storage. All methods return soon after
// ctx ends; Enqueue and NewBody answer with [queue.ErrFull] when there is no room.
type Queue interface {
	NewBody(ctx context.Context) (queue.Body, error)
	NextID() queue.ID
	Enqueue(ctx context.Context, item queue.Item, body queue.Body) error
}

// Options is what a [Server] needs. All but TLSConfig, Accounts, Dovecot, Tenants, Tally and Signer must be set; the first two if a listener asks
// for them.
type Options struct {
	Hostname    string // in greeting, EHLO and trace fields; domain of <postmaster>
	Listeners   []Listener
	TLSConfig   *tls.Config // with a certificate; below TLS 1.2 nothing is ever spoken
	MessageSize int64       // largest message in bytes
	Recipients  int         // most of one message
	Connections int         // most at once, over all listeners

	// ConnectionsPerAddress is the most at once of one IPv4 address or IPv6 /64. It does not hold for the networks of a
	// listener.
	ConnectionsPerAddress int

	Accounts Accounts      // for AUTH
	Dovecot  Dovecot       // for AUTH with names that are not in Accounts; nil: there are no others
	Queue    Queue         // takes the messages
	Lifetime time.Duration // of a message in the queue
	Log      *slog.Logger
	Now      func() time.Time // the time of arrival

	Signer     message.Signer // nil: nothing is signed
	RequireTLS bool           // offer REQUIRETLS (RFC 8689) over TLS; whether it is honoured is up to delivery

	times times // zero: standardTimes

	Tenants *tenant.Tenants // nil: no rules for single accounts and networks
	Tally   Tally           // nil: nobody counts
}

// check finds options that cannot work.
func (o *Options) check() error {
	switch {
	case o.Hostname == "":
		return errors.New("submission: the hostname is missing")
	case o.MessageSize <= 0 || o.Recipients <= 0 || o.Connections <= 0 || o.ConnectionsPerAddress <= 0 || o.Lifetime <= 0:
		return errors.New("submission: message size, recipients, connections (also per address) and lifetime must be above zero")
	case o.Queue == nil || o.Log == nil || o.Now == nil:
		return errors.New("submission: queue, log and clock must be given")
	}
	for i := range o.Listeners {
		l := &o.Listeners[i]
		switch {
		case l.TLS > TLSImplicit || l.Auth > AuthRequired:
			return fmt.Errorf("listener %s: unknown mode of TLS or AUTH", l.name())
		case l.TLS != TLSOff && o.TLSConfig == nil:
			return fmt.Errorf("listener %s: TLS needs a certificate", l.name())
		case l.TLS == TLSOff && l.Auth == AuthRequired:
			return fmt.Errorf("listener %s: AUTH is required but never possible without TLS", l.name())
		case isSocket(l.Address) && (l.TLS != TLSOff || l.Auth != AuthOff):
			return fmt.Errorf("listener %s: a socket has neither TLS nor AUTH", l.name())
		case l.ClientCAs != nil && !l.canLogin():
			return fmt.Errorf("listener %s: client certificates are for AUTH, over TLS", l.name())
		case l.Auth != AuthOff && o.Accounts == nil:
			return fmt.Errorf("listener %s: AUTH needs accounts", l.name())
		}
	}
	return nil
}

func (l *Listener) name() string {
	if l.Net != nil {
		return l.Net.Addr().String()
	}
	return l.Address
}

// lists reports whether a client may relay without AUTH.
func (l *Listener) lists(client netip.Addr) bool {
	if l.Auth == AuthRequired {
		return false
	}
	for _, p := range l.Networks {
		if p.Contains(client) {
			return true
		}
	}
	return false
}

// canLogin reports whether AUTH is possible, once there is TLS.
func (l *Listener) canLogin() bool { return l.Auth != AuthOff && l.TLS != TLSOff }
