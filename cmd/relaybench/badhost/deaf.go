//go:build linux

package badhost

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"
)

// Deaf is a host where connections are never completed: the queue of its listening socket is full, and Linux answers no SYN then.
type Deaf struct {
	port    *Port
	fillers []net.Conn
}

// Deafen makes one at an address and port.
func Deafen(at netip.AddrPort) (_ *Deaf, err error) {
	d := &Deaf{}
	if d.port, err = Reserve(at); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			d.Close()
		}
	}()
	if err = syscall.Listen(d.port.fd, 0); err != nil {
		return nil, os.NewSyscallError("listen", err)
	}
	const most, patience = 8, 100 * time.Millisecond
	for range most {
		c, err := net.DialTimeout("tcp", d.Address(), patience)
		if os.IsTimeout(err) {
			return d, nil
		}
		if err != nil {
			return nil, err
		}
		d.fillers = append(d.fillers, c)
	}
	return nil, errors.New(d.Address() + " still takes connections: this kernel has another idea of a full queue")
}

// Address is where nobody gets through.
func (d *Deaf) Address() string { return d.port.Address() }

// Close gives the port back.
func (d *Deaf) Close() error {
	for _, c := range d.fillers {
		c.Close()
	}
	return d.port.Close()
}
