package tlspolicy

import (
	"crypto/tls"
	"encoding/binary"
	"fmt"
)

// Observed is what the remote's first bytes of a handshake show, whether or not the handshake came to anything.
type Observed struct {
	Bytes   int     // how many there were
	NotTLS  bool    // they are no TLS record
	Hello   bool    // a ServerHello was among them, or they are SSL 2.0
	Version Version // that the ServerHello chose
	Cipher  uint16  // likewise
	Alert   int     // description of the first readable alert that is fatal, else of the first one; -1 without any
}

const (
	recordAlert        = 21
	recordHandshake    = 22
	alertFatal         = 2            // level, RFC 5246 section 7.2
	maxRecord          = 1<<14 + 2048 // RFC 5246 section 6.2.3
	handshakeHello     = 2
	ssl2Error          = 0
	ssl2ServerHello    = 4
	extensionVersions  = 43 // supported_versions, RFC 8446 section 4.2.1
	serverHelloMinimum = 2 + 32 + 1 + 2 + 1
)

// Observe reads the raw bytes that a server sent from the start of the handshake on. Any input is fine, cut off or hostile.
func Observe(raw []byte) Observed {
	o := Observed{Bytes: len(raw), Alert: -1}
	if isSSL2(raw) {
		o.Hello, o.Version = true, SSL20
		return o
	}
	o.readHandshake(o.readRecords(raw))
	return o
}

// Handshake gives what the handshake records at the start of the server's raw bytes hold: its messages, one behind the other,
// as far as they were read and are in clear text.
func Handshake(raw []byte) []byte { return new(Observed).readRecords(raw) }

// readRecords looks at the records, and gives what those of the handshake hold, which may cut a message in pieces. A fatal alert
// tells more than a warning before it.
func (o *Observed) readRecords(raw []byte) (handshake []byte) {
	fatal := false
	o.NotTLS = len(raw) > 0 && len(raw) < 5
	for len(raw) >= 5 {
		kind, length := raw[0], int(binary.BigEndian.Uint16(raw[3:]))
		if kind < 20 || kind > 24 || raw[1] != 3 || length > maxRecord {
			o.NotTLS = len(handshake) == 0 && o.Alert < 0
			break
		}
		body := raw[5:min(len(raw), 5+length)]
		switch {
		case kind == recordAlert && len(body) == 2: // an encrypted one is longer
			if isFatal := body[0] == alertFatal; o.Alert < 0 || isFatal && !fatal {
				o.Alert, fatal = int(body[1]), isFatal
			}
		case kind == recordHandshake:
			handshake = append(handshake, body...)
		}
		raw = raw[5+len(body):]
	}
	return handshake
}

// isSSL2 knows what a server sends that speaks SSL 2.0 to us: a SERVER-HELLO, or an ERROR (draft-hickman-netscape-ssl-00,
// sections 2.6 and 2.7).
func isSSL2(raw []byte) bool {
	if len(raw) < 3 || raw[0]&0x80 == 0 {
		return false
	}
	length := int(binary.BigEndian.Uint16(raw) & 0x7fff)
	body := raw[2:min(len(raw), 2+length)]
	switch {
	case len(body) >= 5 && body[0] == ssl2ServerHello:
		return Version(binary.BigEndian.Uint16(body[3:])) == SSL20
	case len(body) == 3 && length == 3:
		return body[0] == ssl2Error
	}
	return false
}

// readHandshake looks for a ServerHello at the start of the server's messages.
func (o *Observed) readHandshake(b []byte) {
	if len(b) <= 4 || b[0] != handshakeHello {
		return
	}
	length := int(binary.BigEndian.Uint32(b) & 0xffffff)
	o.readServerHello(b[4:min(len(b), 4+length)])
}

// readServerHello takes version and cipher suite from a ServerHello (RFC 8446 section 4.1.3).
func (o *Observed) readServerHello(b []byte) {
	if len(b) < serverHelloMinimum {
		return
	}
	version := Version(binary.BigEndian.Uint16(b))
	sessionID := int(b[34])
	if len(b) < serverHelloMinimum+sessionID {
		return
	}
	b = b[35+sessionID:]
	o.Hello, o.Version, o.Cipher = true, version, binary.BigEndian.Uint16(b)
	if b = b[3:]; len(b) < 2 {
		return
	}
	for b = b[2:]; len(b) >= 4; {
		kind, length := binary.BigEndian.Uint16(b), int(binary.BigEndian.Uint16(b[2:]))
		if b = b[4:]; length > len(b) {
			return
		}
		if kind == extensionVersions && length == 2 {
			o.Version = Version(binary.BigEndian.Uint16(b))
		}
		b = b[length:]
	}
}

// String says in a few words what was seen, for notices and logs: "ServerHello TLS 1.0", "alert 70 (protocol version not
// supported)", "no TLS", "nothing".
func (o Observed) String() string {
	switch {
	case o.Bytes == 0:
		return "nothing"
	case o.NotTLS:
		return "no TLS"
	case o.Hello && o.Version == SSL20:
		return "an answer in SSL 2.0"
	case o.Hello && o.Alert >= 0:
		return o.hello() + ", then " + alertText(o.Alert)
	case o.Hello:
		return o.hello()
	case o.Alert >= 0:
		return alertText(o.Alert)
	}
	return "an incomplete TLS record"
}

func (o Observed) hello() string {
	return fmt.Sprintf("ServerHello %s, %s", o.Version.Name(), tls.CipherSuiteName(o.Cipher))
}

func alertText(n int) string {
	text := tls.AlertError(uint8(n)).Error()
	const prefix = "tls: "
	if len(text) > len(prefix) && text[:len(prefix)] == prefix {
		text = text[len(prefix):]
	}
	return fmt.Sprintf("alert %d (%s)", n, text)
}
