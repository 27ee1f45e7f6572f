package delivery

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// bindLate has the system choose the local port when it connects, and not before, when the socket gets its local address: then
// a port would serve one connection alone, instead of one to each remote address, and an address would have no more than 28,000.
// The errors of old systems do not matter.
func bindLate(c syscall.RawConn) {
	c.Control(func(fd uintptr) { unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1) })
}
