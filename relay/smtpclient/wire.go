package smtpclient

import "net"

const (
	maxRead = 1 << 20 // bytes a server may send until it has taken a message
	maxTap  = 8 << 10 // bytes kept of the server's part of a handshake
)

// wire is the network connection below TLS. It limits what the remote may send, and keeps a copy of the first bytes of
// a handshake: Go's TLS errors do not tell what a server offered, its bytes do.
type wire struct {
	net.Conn
	left   int64 // bytes that may still be read
	tapped []byte
	tap    bool
}

// Read implements io.Reader.
func (w *wire) Read(b []byte) (int, error) {
	if w.left <= 0 {
		return 0, protocolError("more than %d bytes in one session", maxRead)
	}
	if int64(len(b)) > w.left {
		b = b[:w.left]
	}
	n, err := w.Conn.Read(b)
	w.left -= int64(n)
	if w.tap {
		w.tapped = append(w.tapped, b[:min(n, maxTap-len(w.tapped))]...)
	}
	return n, err
}
