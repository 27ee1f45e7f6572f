//go:build linux

package system

import (
	"fmt"
	"net"
	"os"
	"sync"
	"syscall"
)

// hole is a server that accepts connections and never greets: mail for it is held at the cost of one idle connection.
type hole struct {
	listener net.Listener
	mu       sync.Mutex
	closed   bool
	held     []net.Conn
}

func openHole() (*hole, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	h := &hole{listener: l}
	go h.accept()
	return h, nil
}

func (h *hole) address() string { return h.listener.Addr().String() }

func (h *hole) accept() {
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

// close ends what is held. It may be called more than once, and on no hole at all.
func (h *hole) close() {
	if h == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	h.listener.Close()
	for _, c := range h.held {
		c.Close()
	}
	h.held = nil
}

// port is a TCP port of 127.0.0.1 that is bound, so that nobody else gets it. Connections are refused, until a program that
// sets SO_REUSEADDR, as servers do, listens at it.
type port struct{ fd, number int }

func reservePort() (_ *port, err error) {
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
	if err = syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return nil, os.NewSyscallError("bind", err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		return nil, os.NewSyscallError("getsockname", err)
	}
	return &port{fd, name.(*syscall.SockaddrInet4).Port}, nil
}

func (p *port) address() string { return fmt.Sprintf("127.0.0.1:%d", p.number) }

// close gives the port back. It may be called more than once, and on no port at all.
func (p *port) close() {
	if p != nil && p.fd >= 0 {
		syscall.Close(p.fd)
		p.fd = -1
	}
}
