//go:build linux

package system

import (
	"fmt"
	"net"
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

// refusal is a port that refuses connections: it is bound, so that nobody else gets it, but nobody listens.
type refusal struct{ fd, port int }

func openRefusal() (*refusal, error) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	err = syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}})
	if err != nil {
		syscall.Close(fd)
		return nil, err
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		syscall.Close(fd)
		return nil, err
	}
	return &refusal{fd, name.(*syscall.SockaddrInet4).Port}, nil
}

func (r *refusal) address() string { return fmt.Sprintf("127.0.0.1:%d", r.port) }

func (r *refusal) close() { syscall.Close(r.fd) }

// freePort gives a port that nobody uses now, for programs that cannot choose one themselves.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
