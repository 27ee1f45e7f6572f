package submission

import (
	"net"
	"syscall"
)

// canTellPeers is why there can be no sockets here, or nil.
var canTellPeers error

// peerUID asks the kernel which user connected, unix(7): SO_PEERCRED.
func peerUID(conn *net.UnixConn) (uint32, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, err
	}
	var peer *syscall.Ucred
	var failed error
	err = raw.Control(func(fd uintptr) {
		peer, failed = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	})
	if err == nil {
		err = failed
	}
	if err != nil {
		return 0, err
	}
	return peer.Uid, nil
}
