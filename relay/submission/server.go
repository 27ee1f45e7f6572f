package submission

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/emersion/go-smtp"

	"tlsrelay/relay/submission/guess"
)

// Server takes mail in. Make one with [New]; it serves once.
type Server struct {
	opts Options
	tls  *tls.Config
	open []net.Listener // in the order of opts.Listeners; nil before Listen

	guesses *guess.Watch
	handOff handOff   // the way from the listeners to go-smtp
	users   userNames // of this machine, for sockets
	buffers sync.Pool // of *[]byte, bodyBuffer long

	places *places // of single clients
	turns  turns   // of TLS handshakes

	running context.Context // ends with the order to stop
	work    context.Context // ends when StopGrace is over

	mu       sync.Mutex
	stopping bool
	count    int                 // connections
	guards   map[*guard]struct{} // those that are with go-smtp
	wg       sync.WaitGroup      // of connections
}

// New makes a server. Options are checked by [Server.Listen].
func New(o Options) *Server {
	s := &Server{
		opts: o, handOff: newHandOff(), guards: map[*guard]struct{}{}, turns: newTurns(), guesses: guess.New(o.Now),
	}
	s.places = newPlaces()
	if s.opts.Tally == nil {
		s.opts.Tally = noTally{}
	}
	if s.opts.times == (times{}) {
		s.opts.times = standardTimes
	}
	s.buffers.New = func() any { b := make([]byte, bodyBuffer); return &b }
	if o.TLSConfig != nil {
		s.tls = o.TLSConfig.Clone()
		s.tls.MinVersion = max(s.tls.MinVersion, tls.VersionTLS12)
	}
	return s
}

// Listen checks the options and opens the listeners. An error names the listener, for example one whose port is busy;
// then none is open. Who does not go on to Serve calls Close.
func (s *Server) Listen() error {
	if err := s.opts.check(); err != nil {
		return err
	}
	for i := range s.opts.Listeners {
		l := &s.opts.Listeners[i]
		open := l.Net
		if open == nil {
			var err error
			if open, err = listen(l.Address); err != nil {
				s.Close()
				return fmt.Errorf("listener %s: %w", l.Address, err)
			}
		}
		s.open = append(s.open, open)
	}
	return nil
}

// Addresses gives where the server listens, in the order of Options.Listeners.
func (s *Server) Addresses() []net.Addr {
	var addresses []net.Addr
	for _, l := range s.open {
		addresses = append(addresses, l.Addr())
	}
	return addresses
}

// Close closes the listeners.
func (s *Server) Close() error {
	var errs []error
	for _, l := range s.open {
		if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// Serve takes mail at what Listen opened until ctx ends. Then idle clients are told 421 4.3.2, messages in transfer may
// finish within 30 seconds, and after that the rest is cut off. The error says that a listener broke; it is nil after
// an orderly stop.
func (s *Server) Serve(ctx context.Context) error {
	if len(s.open) == 0 {
		return errors.New("submission: there is no open listener")
	}
	running, stop := context.WithCancel(ctx)
	defer stop()
	work, abort := context.WithCancel(context.WithoutCancel(ctx))
	defer abort()
	s.running, s.work = running, work
	backend := s.newSMTP()

	broken := make(chan error, len(s.open))
	var loops sync.WaitGroup
	for i, l := range s.open {
		loops.Go(func() { broken <- s.accept(l, &s.opts.Listeners[i]) })
	}
	loops.Go(func() { backend.Serve(s.handOff) }) // its error is that handOff was closed

	var err error
	select {
	case <-ctx.Done():
	case err = <-broken:
	}
	stop()
	err = errors.Join(err, s.Close())
	s.drain(abort)
	s.handOff.Close()
	loops.Wait()
	backend.Shutdown(context.Background())
	return err
}

// drain waits for the connections to end, and ends them when that takes too long.
func (s *Server) drain(abort func()) {
	s.mu.Lock()
	s.stopping = true
	for g := range s.guards {
		g.stop()
	}
	s.mu.Unlock()

	late := time.AfterFunc(StopGrace, func() {
		abort()
		s.mu.Lock()
		defer s.mu.Unlock()
		for g := range s.guards {
			g.wire.Close()
		}
	})
	defer late.Stop()
	s.wg.Wait()
}

// newSMTP makes the go-smtp server. It knows neither TLS nor limits nor timeouts: the guard does.
func (s *Server) newSMTP() *smtp.Server {
	srv := smtp.NewServer(smtp.BackendFunc(newSession))
	srv.Domain = s.opts.Hostname
	srv.AllowInsecureAuth = true
	srv.MaxLineLength = maxAuthLine + 2
	srv.ErrorLog = slog.NewLogLogger(s.opts.Log.Handler(), slog.LevelError)
	return srv
}
