package dkim

import (
	"bytes"
	"crypto"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"

	"github.com/emersion/go-msgauth/dkim"
)

// maxBlank is how much blank space in a row is signed, in bytes: the library holds it in memory until something follows,
// because at the end of a message it would not count (RFC 6376, 3.4.4).
const maxBlank = 64 << 10

// signature follows one message with all keys of its domain. Each key's part runs in a goroutine of the library, which ends
// with Fields or Discard.
type signature struct {
	unsigned func(error) // hears why there is no signature after all
	signers  []*dkim.Signer
	revoked  atomic.Bool
	blank    int // bytes of blank space that the text so far ends with
}

func (s *signature) add(o *dkim.SignOptions) error {
	signer, err := dkim.NewSigner(o)
	if err == nil {
		s.signers = append(s.signers, signer)
	}
	return err
}

// Write implements [message.Signature]. It never fails: what went wrong is told by Fields.
func (s *signature) Write(p []byte) (int, error) {
	if len(s.signers) > 0 && s.tooBlank(p) {
		s.unsigned(errBlank)
		s.Discard()
	}
	for _, signer := range s.signers {
		signer.Write(p) // its error is that of Close
	}
	return len(p), nil
}

// tooBlank counts the blank space at the end. A run within p alone is short, as p is.
func (s *signature) tooBlank(p []byte) bool {
	const blanks = " \t\r\n"
	if s.blank > 0 {
		s.blank += len(p) - len(bytes.TrimLeft(p, blanks))
	}
	if s.blank > maxBlank {
		return true
	}
	if rest := bytes.TrimRight(p, blanks); len(rest) > 0 {
		s.blank = len(p) - len(rest)
	} else if s.blank == 0 {
		s.blank = len(p)
	}
	return false
}

// Fields implements [message.Signature].
func (s *signature) Fields() (string, error) {
	defer s.Discard()
	var fields strings.Builder
	for _, signer := range s.signers {
		if err := signer.Close(); err != nil {
			return "", fmt.Errorf("DKIM: %w", err)
		}
		fields.WriteString(signer.Signature())
	}
	return fields.String(), nil
}

// Discard implements [message.Signature]. It waits for the goroutines, which have nothing left to do.
func (s *signature) Discard() {
	s.revoked.Store(true)
	for _, signer := range s.signers {
		signer.Close()
	}
	s.signers = nil
}

// revocable is a key that can be taken back, so that a message that broke off costs no RSA signature.
type revocable struct {
	crypto.Signer
	revoked *atomic.Bool
}

var errRevoked = errors.New("the message ended before its signature was asked for")

func (r revocable) Sign(rand io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	if r.revoked.Load() {
		return nil, errRevoked
	}
	return r.Signer.Sign(rand, digest, opts)
}
