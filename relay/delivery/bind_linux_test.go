package delivery

import (
	"errors"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A port of a source address serves a connection to each remote address: here there is only one port to choose from.
func TestPortsOfASourceAreShared(t *testing.T) {
	var plain net.ListenConfig
	plain.SetMultipathTCP(false) // its ports are free some time after Close
	spare, err := plain.Listen(t.Context(), "tcp", "127.0.0.2:0")
	if err != nil {
		t.Fatal(err)
	}
	port := spare.Addr().(*net.TCPAddr).Port
	spare.Close()
	dialer := func(control func(syscall.RawConn)) *net.Dialer {
		return &net.Dialer{
			Timeout: 5 * time.Second, LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)},
			Control: func(_, _ string, c syscall.RawConn) (err error) {
				control(c)
				c.Control(func(fd uintptr) {
					err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_LOCAL_PORT_RANGE, port<<16|port)
				})
				return err
			},
		}
	}
	connect := func(d *net.Dialer, remote string) error {
		l, err := net.Listen("tcp", remote)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		c, err := d.DialContext(t.Context(), "tcp", l.Addr().String())
		if err == nil {
			t.Cleanup(func() { c.Close() })
		}
		return err
	}
	for _, remote := range []string{"127.0.0.11:0", "127.0.0.12:0", "127.0.0.13:0"} {
		err := connect(dialer(bindLate), remote)
		if errors.Is(err, unix.ENOPROTOOPT) {
			t.Skip("the kernel is older than 6.3: no range of ports for a socket")
		}
		if err != nil {
			t.Errorf("to %s: %v", remote, err)
		}
	}
	if err := connect(dialer(func(syscall.RawConn) {}), "127.0.0.14:0"); !errors.Is(err, unix.EADDRINUSE) {
		t.Errorf("the test shows nothing: bound early, the error is %v", err)
	}
}

func TestSourcesAreBoundLate(t *testing.T) {
	for _, ip := range []string{"127.0.0.1", "::1"} {
		t.Run(ip, func(t *testing.T) {
			addr := netip.MustParseAddr(ip)
			l, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(netip.AddrPortFrom(addr, 0)))
			if addr.Is6() && errors.Is(err, unix.EADDRNOTAVAIL) {
				t.Skip("this machine has no IPv6")
			}
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			d := New(Options{Source: []netip.Addr{addr}, PrivateAddresses: true})
			c, err := d.dial(t.Context(), "dest.test", host{port: l.Addr().(*net.TCPAddr).AddrPort().Port()}, addr)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			raw, err := c.(*net.TCPConn).SyscallConn()
			if err != nil {
				t.Fatal(err)
			}
			raw.Control(func(fd uintptr) {
				if on, err := unix.GetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT); on != 1 || err != nil {
					t.Errorf("%d, %v", on, err)
				}
			})
		})
	}
}

// Whatever the source, an address that is not public is refused.
func TestSourceDoesNotHideThePrivateAddress(t *testing.T) {
	d := New(Options{Source: addrsOf("127.0.0.2")})
	if _, err := d.dial(t.Context(), "dest.test", host{port: 25}, netip.MustParseAddr("127.0.0.11")); !errors.Is(err, errNotPublic) {
		t.Errorf("error %v", err)
	}
}
