package submission

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"time"

	"github.com/pires/go-proxyproto"
)

// Bounds of a PROXY header in bytes, as in the protocol's specification and in the library.
const (
	maxProxyLine = 107  // version 1
	maxProxyRest = 4096 // version 2: what follows the fixed part, a client certificate among it
)

var errNoProxyHeader = errors.New("it does not begin with a PROXY header")

// isProxy reports whether connections from this address begin with a PROXY header. From all others one is a bad command.
func (l *Listener) isProxy(peer netip.Addr) bool {
	return slices.ContainsFunc(l.Proxy, func(p netip.Prefix) bool { return p.Contains(peer) })
}

// readProxy takes the client's address from the header that a proxy sends first. What follows the header stays in the
// connection, so there is no need to wrap it.
func (s *Server) readProxy(g *guard) error {
	peer := g.client
	g.wire.SetReadDeadline(time.Now().Add(s.opts.times.proxy))
	defer g.wire.SetReadDeadline(time.Time{})
	stop := context.AfterFunc(s.running, func() { g.wire.SetReadDeadline(longAgo) })
	defer stop()
	client, err := proxyClient(g.wire)
	switch {
	case err == io.EOF, s.running.Err() != nil: // a health check that only connects, or the end
		g.wire.Close()
		return err
	case err != nil:
		s.opts.Log.Warn("connection refused: no good PROXY header", "proxy", peer.String(), "error", err)
		s.turnAway(g.wire, g.on, "421 4.3.5 "+s.opts.Hostname+" wants a PROXY header (version 1 or 2) first from your address")
		return err
	case client.IsValid():
		g.client = client
	}
	return nil
}

// proxyClient reads a header and gives the client in it, or no address if the proxy speaks for itself, as in its health
// checks.
func proxyClient(r io.Reader) (netip.Addr, error) {
	text, err := readProxyHeader(r)
	if err != nil {
		return netip.Addr{}, err
	}
	h, err := proxyproto.Read(bufio.NewReaderSize(bytes.NewReader(text), len(text)))
	if err != nil || h.Command.IsLocal() {
		return netip.Addr{}, err
	}
	source, _, ok := h.TCPAddrs()
	if !ok {
		return netip.Addr{}, errors.New("the client in the PROXY header does not come by TCP")
	}
	client := source.AddrPort().Addr().Unmap()
	if !client.IsValid() || client.IsUnspecified() || client.IsMulticast() {
		return netip.Addr{}, fmt.Errorf("the client in the PROXY header is %v", client)
	}
	return client, nil
}

// readProxyHeader reads exactly one header. The error is io.EOF only if there is nothing at all.
func readProxyHeader(r io.Reader) ([]byte, error) {
	text := make([]byte, len(proxyproto.SIGV2), maxProxyLine)
	if _, err := io.ReadFull(r, text); err != nil {
		return nil, err
	}
	switch {
	case bytes.Equal(text, proxyproto.SIGV2):
		return readProxyRest(r, text)
	case !bytes.HasPrefix(text, append(proxyproto.SIGV1, ' ')):
		return nil, errNoProxyHeader
	}
	for text[len(text)-1] != '\n' { // a byte at a time, since what follows is not ours
		if len(text) == maxProxyLine {
			return nil, proxyproto.ErrVersion1HeaderTooLong
		}
		text = text[:len(text)+1]
		if _, err := io.ReadFull(r, text[len(text)-1:]); err != nil {
			return nil, cutShort(err)
		}
	}
	return text, nil
}

// readProxyRest reads what follows the signature of version 2: version and command, family, length, and that many bytes.
func readProxyRest(r io.Reader, text []byte) ([]byte, error) {
	var fixed [4]byte
	if _, err := io.ReadFull(r, fixed[:]); err != nil {
		return nil, cutShort(err)
	}
	n := int(binary.BigEndian.Uint16(fixed[2:]))
	if n > maxProxyRest {
		return nil, fmt.Errorf("the PROXY header has %d bytes behind its fixed part, at most %d are taken", n, maxProxyRest)
	}
	rest := make([]byte, n)
	if _, err := io.ReadFull(r, rest); err != nil {
		return nil, cutShort(err)
	}
	return slices.Concat(text, fixed[:], rest), nil
}

func cutShort(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
