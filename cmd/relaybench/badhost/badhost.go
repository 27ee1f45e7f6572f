//go:build linux

// Package badhost is the hosts that mail is not delivered to: one that accepts connections and never speaks, one that does not
// even accept them, and one where nobody listens.
package badhost

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
)

// Hole is a server that accepts connections and never greets: mail for it is held at the cost of idle connections.
type Hole struct {
	listener net.Listener
	mu       sync.Mutex
	closed   bool
	held     []net.Conn
}

// OpenHole listens at an address such as "127.0.0.1:0".
func OpenHole(address string) (*Hole, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	h := &Hole{listener: l}
	go h.accept()
	return h, nil
}

// Address is where it listens.
func (h *Hole) Address() string { return h.listener.Addr().String() }

func (h *Hole) accept() {
	for {
		c, err := h.listener.Accept()
		if err != nil {
			return
		}
		h.mu.Lock()
		if h.closed {
			c.Close()
		} else {
			h.held = append(h.held, c)
		}
		h.mu.Unlock()
	}
}

// Close ends what is held. It may be called more than once, and on no hole at all.
func (h *Hole) Close() error {
	if h == nil {
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	h.listener.Close()
	for _, c := range h.held {
		c.Close()
	}
	h.held = nil
	return nil
}

// Port is a TCP port that is bound, so that nobody else gets it. Connections are refused, until a program that sets
// SO_REUSEADDR, as servers do, listens at it.
type Port struct {
	fd int
	at netip.AddrPort
}

// Loopback has the kernel choose a port of 127.0.0.1.
var Loopback = netip.MustParseAddrPort("127.0.0.1:0")

// Reserve binds an IPv4 address and port. Port 0: the kernel chooses.
func Reserve(at netip.AddrPort) (_ *Port, err error) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	defer func() {
		if err != nil {
			syscall.Close(fd)
		}
	}()
	if err = syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1); err != nil {
		return nil, os.NewSyscallError("setsockopt", err)
	}
	if err = syscall.Bind(fd, &syscall.SockaddrInet4{Addr: at.Addr().As4(), Port: int(at.Port())}); err != nil {
		return nil, fmt.Errorf("%v: %w", at, os.NewSyscallError("bind", err))
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		return nil, os.NewSyscallError("getsockname", err)
	}
	return &Port{fd, netip.AddrPortFrom(at.Addr(), uint16(name.(*syscall.SockaddrInet4).Port))}, nil
}

// Address is what is bound.
func (p *Port) Address() string { return p.at.String() }

// Number is the port.
func (p *Port) Number() int { return int(p.at.Port()) }

// Close gives the port back. It may be called more than once, and on no port at all.
func (p *Port) Close() error {
	if p != nil && p.fd >= 0 {
		syscall.Close(p.fd)
		p.fd = -1
	}
	return nil
}
