package submission

import (
	"crypto"
	"crypto/tls"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// slowSigner is a private key that shows how many handshakes compute.
type slowSigner struct {
	crypto.Signer
	now, most atomic.Int32
}

func (s *slowSigner) Sign(random io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	n := s.now.Add(1)
	defer s.now.Add(-1)
	for {
		most := s.most.Load()
		if n <= most || s.most.CompareAndSwap(most, n) {
			break
		}
	}
	time.Sleep(time.Second)
	return s.Signer.Sign(random, digest, opts)
}

func TestHandshakesTakeTurns(t *testing.T) {
	inTime(t, func(t *testing.T) {
		certificate := testCertificate()
		signer := &slowSigner{Signer: certificate.PrivateKey.(crypto.Signer)}
		certificate.PrivateKey = signer
		r := start(t, Listener{TLS: TLSImplicit}, func(o *Options) {
			o.TLSConfig = &tls.Config{Certificates: []tls.Certificate{certificate}}
		})
		r.server.turns = make(turns, 2)
		var wg sync.WaitGroup
		begin := time.Now()
		for range 6 {
			c := r.connect()
			wg.Go(c.handshake)
		}
		wg.Wait()
		if took, most := time.Since(begin), signer.most.Load(); took != 3*time.Second || most != 2 {
			t.Errorf("6 handshakes in %v, %d at once", took, most)
		}
	})
}

// Clients that stop within the handshake do not keep others from theirs.
func TestStalledHandshakesHoldNoTurn(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := start(t, Listener{TLS: TLSImplicit})
		r.server.turns = make(turns, 1)
		for range 5 {
			r.connect()
		}
		for range 5 { // these have said hello, and read nothing of the answer
			meanwhile(t, func() { tls.Client(r.connect().conn, &tls.Config{InsecureSkipVerify: true}).Write([]byte("x")) })
		}
		synctest.Wait()
		begin := time.Now()
		c := r.connect()
		c.handshake()
		c.expect("220")
		if took := time.Since(begin); took != 0 {
			t.Errorf("the handshake took %v", took)
		}
		r.stop()
		if n := len(r.server.turns); n != 0 {
			t.Errorf("%d turns are not given back", n)
		}
	})
}
