//go:build !linux

package submission

import (
	"errors"
	"net"
)

// canTellPeers is why there can be no sockets here.
var canTellPeers = errors.New("listening on a unix socket needs Linux, which tells who connects; use a TCP address of 127.0.0.1")

func peerUID(*net.UnixConn) (uint32, error) { return 0, canTellPeers }
