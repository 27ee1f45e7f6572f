package delivery

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"strings"

	"golang.org/x/crypto/chacha20poly1305"
)

// Types of TLS records, and messages of TLS 1.3 that may come after the handshake (RFC 8446, 4.6).
const (
	recordAlert     = 21
	recordHandshake = 22
	recordData      = 23

	// a ticket of eight bytes, good for an hour
	ticket = "\x04\x00\x00\x17\x00\x00\x0e\x10\x00\x00\x00\x00\x02\x00\x00\x00\x08TICKETXX\x00\x00"
	// certificate request without extensions
	certificateRequest = "\x0d\x00\x00\x03\x00\x00\x00"
	warning            = "\x01\x5a" // user_canceled
)

// forger is the server's side of TLS 1.3, which sends what records it likes. Package tls would not.
type forger struct {
	*tls.Conn // to read from
	out       io.Writer
	secret    []byte
	aead      cipher.AEAD
	iv        []byte
	seq       uint64
	suite     uint16
}

// forgeTLS shakes hands and then takes over the server's keys.
func forgeTLS(w wire, cfg *tls.Config) (*forger, error) {
	var log bytes.Buffer
	cfg = cfg.Clone()
	cfg.MinVersion, cfg.SessionTicketsDisabled, cfg.KeyLogWriter = tls.VersionTLS13, true, &log
	c := &cutter{wire: w, left: 1 << 20}
	f := &forger{Conn: tls.Server(c, cfg), out: w}
	if err := f.Handshake(); err != nil {
		return f, err
	}
	c.left = 0 // what package tls may want to say from now on would be in the way
	f.suite = f.ConnectionState().CipherSuite
	for line := range strings.Lines(log.String()) {
		if words := strings.Fields(line); words[0] == "SERVER_TRAFFIC_SECRET_0" {
			secret, err := hex.DecodeString(words[2])
			return f, errors.Join(err, f.use(secret))
		}
	}
	return f, errors.New("no secret")
}

func (f *forger) use(secret []byte) (err error) {
	f.secret, f.seq, f.iv = secret, 0, expandLabel(secret, "iv", 12)
	switch f.suite {
	case tls.TLS_AES_128_GCM_SHA256:
		var block cipher.Block
		if block, err = aes.NewCipher(expandLabel(secret, "key", 16)); err == nil {
			f.aead, err = cipher.NewGCM(block)
		}
	case tls.TLS_CHACHA20_POLY1305_SHA256:
		f.aead, err = chacha20poly1305.New(expandLabel(secret, "key", 32))
	default:
		err = errors.New("no keys for " + tls.CipherSuiteName(f.suite))
	}
	return err
}

// expandLabel is HKDF-Expand-Label (RFC 8446, 7.1).
func expandLabel(secret []byte, label string, n int) []byte {
	label = "tls13 " + label
	info := string([]byte{0, byte(n), byte(len(label))}) + label + "\x00"
	key, err := hkdf.Expand(sha256.New, secret, info, n)
	if err != nil {
		panic(err)
	}
	return key
}

// seal makes a record.
func (f *forger) seal(kind byte, text string) []byte {
	header := []byte{recordData, 3, 3, 0, 0}
	binary.BigEndian.PutUint16(header[3:], uint16(len(text)+1+f.aead.Overhead()))
	nonce := bytes.Clone(f.iv)
	for i, b := range binary.BigEndian.AppendUint64(nil, f.seq) {
		nonce[4+i] ^= b
	}
	f.seq++
	return f.aead.Seal(header, nonce, append([]byte(text), kind), header)
}

// send sends a record.
func (f *forger) send(kind byte, text string) error {
	_, err := f.out.Write(f.seal(kind, text))
	return err
}

// Write sends data as it should be.
func (f *forger) Write(b []byte) (int, error) {
	for rest := b; len(rest) > 0; {
		n := min(len(rest), 1<<14)
		if err := f.send(recordData, string(rest[:n])); err != nil {
			return 0, err
		}
		rest = rest[n:]
	}
	return len(b), nil
}

// update changes the keys, and asks the client to do so, too.
func (f *forger) update() error {
	if err := f.send(recordHandshake, "\x18\x00\x00\x01\x01"); err != nil {
		return err
	}
	return f.use(expandLabel(f.secret, "traffic upd", 32))
}
