package probe

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"os"

	"tlsrelay/tlspolicy"
)

// answer is what came back for a ClientHello.
type answer struct {
	seen   tlspolicy.Observed
	hello  bool     // a whole ServerHello was among it
	chain  [][]byte // certificates in DER, the server's own first
	silent bool     // the time was over before there was an answer
	lost   error    // there was no connection to ask over
}

const (
	maxAnswer          = 64 << 10 // bytes read of one connection
	maxRecords         = 100      // likewise; each is looked at together with all before it
	recordHeader       = 5
	recordAlert        = 21
	alertFatal         = 2
	messageHello       = 2
	messageCertificate = 11 // RFC 5246 section 7.4.2
)

// readAnswer reads a server's first flight as far as it is of interest: up to its ServerHello, or to its certificate where that
// is in clear text.
func readAnswer(r io.Reader, certificate bool) answer {
	var a answer
	var raw, record []byte
	var err error
	r = io.LimitReader(r, maxAnswer)
	for n := 0; err == nil && n < maxRecords; n++ {
		record, err = readRecord(r)
		raw = append(raw, record...)
		a.seen = tlspolicy.Observe(raw)
		more := false
		a.hello, a.chain, more = readFlight(tlspolicy.Handshake(raw))
		switch {
		case a.hello && !(certificate && more && a.seen.Version < tlspolicy.TLS13), a.seen.NotTLS, isFatal(record):
			return a
		case a.seen.Hello && a.seen.Version == tlspolicy.SSL20:
			return a
		}
	}
	a.silent = errors.Is(err, os.ErrDeadlineExceeded)
	return a
}

// readRecord reads one record of TLS or SSL 2.0, or what there is of it. Of anything else it reads the first bytes alone.
func readRecord(r io.Reader) ([]byte, error) {
	header := make([]byte, recordHeader)
	n, err := io.ReadFull(r, header)
	if err != nil {
		return header[:n], err
	}
	left := 0
	switch {
	case header[0]&0x80 != 0: // SSL 2.0: the length is in front, and three bytes of what it counts are in the header
		left = max(0, int(binary.BigEndian.Uint16(header)&0x7fff)-3)
	case header[1] == 3:
		left = int(binary.BigEndian.Uint16(header[3:]))
	}
	body := make([]byte, left)
	n, err = io.ReadFull(r, body)
	return append(header, body[:n]...), err
}

func isFatal(record []byte) bool {
	return len(record) == recordHeader+2 && record[0] == recordAlert && record[recordHeader] == alertFatal
}

// readFlight looks for a whole ServerHello at the start of the handshake's messages, and for a Certificate right behind it
// (RFC 5246 section 7.3). It tells whether there may be more of that to come.
func readFlight(handshake []byte) (hello bool, chain [][]byte, more bool) {
	kind, _, rest := message(handshake)
	if kind != messageHello {
		return false, nil, false
	}
	if len(rest) == 0 {
		return true, nil, true
	}
	kind, body, _ := message(rest)
	if kind == messageCertificate {
		return true, certificates(body), false
	}
	return true, nil, kind == 0 && rest[0] == messageCertificate
}

// message cuts off the first message. Its kind is 0 if it is not all there.
func message(b []byte) (kind byte, body, rest []byte) {
	if len(b) < 4 {
		return 0, nil, nil
	}
	body = b[4:]
	length := int(binary.BigEndian.Uint32(b) & 0xffffff)
	if len(body) < length {
		return 0, nil, nil
	}
	return b[0], body[:length], body[length:]
}

// maxChain bounds how many certificates are looked at; crypto/x509 has bounds of its own for what to try with them.
const maxChain = 16

// certificates takes a Certificate message apart, as far as it makes sense.
func certificates(b []byte) [][]byte {
	var chain [][]byte
	if len(b) < 3 {
		return nil
	}
	for b = b[3:]; len(b) >= 3 && len(chain) < maxChain; {
		length := int(b[0])<<16 | int(b[1])<<8 | int(b[2])
		if b = b[3:]; length > len(b) {
			break
		}
		chain = append(chain, b[:length])
		b = b[length:]
	}
	return chain
}

// about says what an answer means for the version that was asked for. Alerts that refuse a ClientHello which leaves all choice
// refuse the version: 40 (handshake failure), 70 (protocol version), 71 (insufficient security).
func (a answer) about(v tlspolicy.Version) Answer {
	switch {
	case a.lost != nil:
	case a.hello && a.seen.Version == v:
		return Yes
	case a.hello && a.seen.Version < v, a.seen.Hello && a.seen.Version == tlspolicy.SSL20:
		return No
	case a.refused(), !a.hello && a.seen.Alert == 70:
		return No
	}
	return Unknown
}

// refused reports whether the server found nothing in the ClientHello that it takes, whatever that was for.
func (a answer) refused() bool {
	return a.lost == nil && !a.hello && (a.seen.Alert == 40 || a.seen.Alert == 71)
}

// turnedDown reports whether the server ended the connection, or said an alert, instead of an answer.
func (a answer) turnedDown() bool {
	return a.lost == nil && !a.silent && !a.hello && !a.seen.NotTLS && !a.seen.Hello
}

// notAnswered is for questions that there was no time for, or not enough.
const notAnswered = "not answered in time"

// String says what was seen, in words of our own.
func (a answer) String() string {
	switch {
	case errors.Is(a.lost, context.Canceled), errors.Is(a.lost, context.DeadlineExceeded):
		return notAnswered
	case a.lost != nil:
		return "no connection"
	case a.seen.Bytes == 0 && a.silent:
		return "silence"
	case a.seen.Bytes == 0:
		return "the connection was closed"
	}
	return a.seen.String()
}
