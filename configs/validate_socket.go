package configs

import (
	"fmt"
	"strings"
)

// SocketPrefix stands before the path in the address of a listener for the programs of this machine: "unix:/run/x.sock".
const SocketPrefix = "unix:"

// maxSocketPath is what Linux and BSD both have room for.
const maxSocketPath = 103

// socket judges a listener on a unix socket, and makes its path absolute.
func (k check) socket(path string, l *Listener, known map[string]bool) {
	at := path + ".address"
	file := strings.TrimPrefix(l.Address, SocketPrefix)
	k.path(&file)
	l.Address = SocketPrefix + file
	switch {
	case file == "" || file == "/":
		k.problem(at, "names no file; write the socket's path, such as \"unix:/run/tlsrelay/submission.sock\"")
	case len(file) > maxSocketPath:
		k.problem(at, "the path of a socket has room for %d bytes, this one has %d", maxSocketPath, len(file))
	case known[file]:
		k.problem(at, "%s is another listener's address already; give each listener its own", l.Address)
	}
	known[file] = true
	k.without(path+".tls", string(l.TLS), string(TLSOff), "nothing leaves this machine")
	k.without(path+".auth", string(l.Auth), string(AuthOff), "the system tells which user connects")
	if len(l.Networks) > 0 && k.ok(path+".networks") {
		k.problem(path+".networks", "has no effect at a socket: every user who can open it may send; leave networks out")
	}
	if l.ClientCA != "" && k.ok(path+".client_ca") {
		k.problem(path+".client_ca", "has no effect at a socket, where there is no TLS; leave client_ca out")
	}
	if len(l.Proxy) > 0 && k.ok(path+".proxy") {
		k.problem(path+".proxy", "has no effect at a socket, where no load balancer connects; leave proxy out")
	}
}

// without refuses a value other than off.
func (k check) without(path, value, off, why string) {
	if k.given(path, value, fmt.Sprintf("write %q", off)) && value != off {
		k.problem(path, "%q is not for a socket: %s; write %q", value, why, off)
	}
}
