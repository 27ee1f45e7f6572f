//go:build unix

package smtpclient

import (
	"net"
	"syscall"
)

// silent asks the system whether an open connection has nothing to read, not even its end. Connections that are no sockets
// are not known.
func silent(nc net.Conn) (silent, known bool) {
	sc, ok := nc.(syscall.Conn)
	if !ok {
		return false, false
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return false, false
	}
	err = raw.Control(func(fd uintptr) {
		var b [1]byte
		_, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK) // sockets of package net never block
		silent = err == syscall.EAGAIN
	})
	return silent && err == nil, true
}
