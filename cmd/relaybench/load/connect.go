//go:build linux

package load

import (
	"context"
	"fmt"
	"net"
	"net/textproto"
	"os"
	"strings"
	"syscall"
	"time"
)

// connectTimeout bounds everything up to the answer to EHLO.
const connectTimeout = 30 * time.Second

// connect opens a connection, reads the greeting and says EHLO. It gives a non-blocking socket.
func connect(ctx context.Context, o Options) (fd int, err error) {
	dialer := net.Dialer{Timeout: connectTimeout}
	c, err := dialer.DialContext(ctx, "tcp", o.Address)
	if err != nil {
		return -1, err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(connectTimeout))
	stop := context.AfterFunc(ctx, func() { c.SetDeadline(time.Now()) })
	defer stop()
	if err := hello(c, o.Pipelining); err != nil {
		return -1, err
	}
	return detach(c.(*net.TCPConn))
}

// hello speaks to the server without reading ahead: behind the last reply it is silent.
func hello(c net.Conn, pipelining bool) error {
	t := textproto.NewConn(c)
	if _, _, err := t.ReadResponse(220); err != nil {
		return fmt.Errorf("greeting: %w", err)
	}
	if err := t.PrintfLine("EHLO client.bench.test"); err != nil {
		return err
	}
	_, offers, err := t.ReadResponse(250)
	if err != nil {
		return fmt.Errorf("EHLO: %w", err)
	}
	if pipelining && !strings.Contains("\n"+offers+"\n", "\nPIPELINING\n") {
		return fmt.Errorf("the server does not offer PIPELINING")
	}
	return nil
}

// detach takes the socket away from Go's poller; c is closed by the caller.
func detach(c *net.TCPConn) (int, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return -1, err
	}
	fd := -1
	var failed error
	err = raw.Control(func(old uintptr) {
		syscall.ForkLock.RLock()
		defer syscall.ForkLock.RUnlock()
		if fd, failed = syscall.Dup(int(old)); failed == nil {
			syscall.CloseOnExec(fd)
		}
	})
	if err == nil {
		err = failed
	}
	if err != nil {
		return -1, os.NewSyscallError("dup", err)
	}
	return fd, nil // O_NONBLOCK belongs to the socket, not to the number: it stays on
}
