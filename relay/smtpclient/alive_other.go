//go:build !unix

package smtpclient

import "net"

// silent knows nothing here.
func silent(net.Conn) (silent, known bool) { return false, false }
