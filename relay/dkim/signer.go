package dkim

import (
	"fmt"
	"log/slog"
	"sync/atomic"

	"github.com/emersion/go-msgauth/dkim"

	"tlsrelay/relay/message"
)

// Signer signs messages with keys that can be exchanged while it works. It implements [message.Signer].
type Signer struct {
	keys atomic.Pointer[Keys]
	log  *slog.Logger
}

var _ message.Signer = (*Signer)(nil)

// NewSigner makes a signer without keys. The log hears of messages that cannot be signed.
func NewSigner(log *slog.Logger) *Signer {
	s := &Signer{log: log}
	s.Use(&Keys{})
	return s
}

// Use has all messages that begin from now on signed with these keys.
func (s *Signer) Use(keys *Keys) { s.keys.Store(keys) }

// Begin implements [message.Signer]. A message from a domain without keys is not followed, and costs no more than a look at
// its From field. The error is that of a key that turns out to be damaged: better that the client tries again than that its mail
// goes unsigned to where only signed mail is taken.
func (s *Signer) Begin(id string, h message.Header) (message.Signature, error) {
	keys := s.keys.Load()
	if keys.Len() == 0 {
		return nil, nil
	}
	domain, err := authorDomain(h)
	if err != nil {
		s.unsigned(id, err)
		return nil, nil
	}
	signing := keys.of(domain)
	if signing == nil {
		return nil, nil
	}
	names, err := namesOf(h)
	if err != nil {
		s.unsigned(id, err)
		return nil, nil
	}
	return s.begin(id, signing, names)
}

func (s *Signer) begin(id string, keys []*Key, names []string) (message.Signature, error) {
	sig := &signature{unsigned: func(err error) { s.unsigned(id, err) }}
	for _, k := range keys {
		private, err := k.private()
		if err == nil {
			err = sig.add(&dkim.SignOptions{
				Domain: k.Domain, Selector: k.Selector, Signer: revocable{private, &sig.revoked}, HeaderKeys: names,
				HeaderCanonicalization: dkim.CanonicalizationRelaxed, BodyCanonicalization: dkim.CanonicalizationRelaxed,
			})
		}
		if err != nil {
			sig.Discard()
			return nil, fmt.Errorf("DKIM: %w", err)
		}
	}
	return sig, nil
}

// Sign gives the header fields that sign a whole message, whose lines end in CRLF; "" if it is not to be signed.
func (s *Signer) Sign(id string, text []byte) (string, error) {
	sig, err := s.Begin(id, message.HeaderOf(text))
	if err != nil || sig == nil {
		return "", err
	}
	sig.Write(text)
	return sig.Fields()
}

func (s *Signer) unsigned(id string, why error) {
	s.log.Warn("not signed with DKIM", "id", id, "reason", why.Error())
}
