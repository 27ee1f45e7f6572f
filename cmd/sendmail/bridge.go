package main

import (
	"errors"
	"io"
	"net"
	"syscall"
)

// bridge lets the caller speak SMTP with the relay by standard input and output, -bs. All bounds are the relay's, with it
// the one on silence. It ends when the relay has said its last, which it does soon after the input ends.
func bridge(std surroundings) error {
	conn, err := net.Dial("unix", std.socket)
	if err != nil {
		return unreachable(std.socket, err)
	}
	defer conn.Close()
	go func() { // ends with the program at the latest: a read from standard input cannot be called off
		io.Copy(conn, std.in)
		conn.(*net.UnixConn).CloseWrite()
	}()
	_, err = io.Copy(std.out, conn)
	if err == nil || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) {
		return nil // who spoke here has seen what was answered
	}
	return broken(err)
}
