package probe

import (
	"crypto/ecdh"
	"crypto/mlkem"
	"crypto/rand"
	"encoding/binary"
	"net/netip"
	"strings"

	"tlsrelay/tlspolicy"
)

// hello is a ClientHello that offers one version. Up to TLS 1.2 that means that the server may choose an older one, which says
// as much (RFC 5246 appendix E.1).
type hello struct {
	version tlspolicy.Version
	suites  []uint16
	groups  []uint16
	shares  []share // of TLS 1.3
	name    string  // for SNI; "" for none
	size    int     // in bytes, at least
}

// share is a public key for a group (RFC 8446 section 4.2.8).
type share struct {
	group uint16
	key   []byte
}

// Numbers of the IANA registries of TLS.
const (
	extServerName = 0
	extGroups     = 10
	extFormats    = 11
	extSignatures = 13
	extPadding    = 21
	extMaster     = 23
	extVersions   = 43
	extShares     = 51

	groupP256   = 23
	groupX25519 = 29
	groupPQ     = 0x11ec // X25519MLKEM768
)

var (
	smallGroups = []uint16{groupX25519, groupP256, 24, 25}
	// The further ones are X448, brainpool for any version and for TLS 1.3, secp256k1, what came before P-256, curves over
	// binary fields, and finite fields (RFC 7919), without which GnuTLS may have no DHE.
	allGroups = []uint16{groupX25519, groupP256, 24, 25, 30, 26, 27, 28, 31, 32, 33, 22, 21, 19, 14, 13, 12, 11, 10, 9, 256, 257, 258, 259, 260}
	// ECDSA, EdDSA, RSA-PSS and RSA with SHA-2; then with what is weaker; ML-DSA; DSA.
	signatures = []uint16{
		0x0403, 0x0503, 0x0603, 0x0807, 0x0808, 0x0804, 0x0805, 0x0806, 0x0809, 0x080a, 0x080b, 0x0401, 0x0501, 0x0601,
		0x081a, 0x081b, 0x081c, 0x0303, 0x0203, 0x0301, 0x0201, 0x0101, 0x0904, 0x0905, 0x0906, 0x0402, 0x0502, 0x0602, 0x0302, 0x0202,
	}
)

const (
	bigHello = 1700 // bytes, more than an Ethernet frame

	// There are load balancers that hang on a ClientHello of a size between (RFC 7685 section 1).
	riskyFrom, riskyTo = 256, 512
)

// newHello makes the ClientHello that asks for a version: one that leaves the server all choice, or a small one for servers
// that do not get over it.
func newHello(v tlspolicy.Version, name string, small bool) hello {
	h := hello{version: v, suites: suitesOf(v, small), groups: allGroups, name: serverName(name)}
	if small {
		h.groups = smallGroups
	}
	if v == tlspolicy.TLS13 {
		h.shares = shares(small)
	}
	return h
}

// shares makes the keys that most servers of TLS 1.3 take; others ask for another one, which says as much.
func shares(small bool) []share {
	key, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		panic(err) // crypto/rand does not fail
	}
	all := []share{{groupX25519, key.PublicKey().Bytes()}}
	if small {
		return all
	}
	if key, err = ecdh.P256().GenerateKey(rand.Reader); err != nil {
		panic(err)
	}
	return append(all, share{groupP256, key.PublicKey().Bytes()})
}

// quantumHello asks for TLS 1.3 with no other group than X25519MLKEM768 (draft-ietf-tls-ecdhe-mlkem).
func quantumHello(name string) hello {
	h := newHello(tlspolicy.TLS13, name, true)
	lattice, err := mlkem.GenerateKey768()
	if err != nil {
		panic(err)
	}
	h.groups = []uint16{groupPQ}
	h.shares = []share{{groupPQ, append(lattice.EncapsulationKey().Bytes(), h.shares[0].key...)}}
	return h
}

// serverName gives the name for SNI (RFC 6066 section 3): a DNS name without the dot at its end.
func serverName(name string) string {
	name = strings.TrimSuffix(name, ".")
	if _, err := netip.ParseAddr(name); err == nil || len(name) > 253 {
		return ""
	}
	return name
}

// record gives the ClientHello in its record.
func (h hello) record() []byte {
	body := h.body(0)
	switch n := 4 + len(body); {
	case h.version == tlspolicy.SSL30: // has no extensions to fill it with
	case n < h.size:
		body = h.body(h.size - n)
	case n >= riskyFrom && n < riskyTo:
		body = h.body(riskyTo - n)
	}
	message := append([]byte{1, 0, byte(len(body) >> 8), byte(len(body))}, body...)
	b := binary.BigEndian.AppendUint16([]byte{22}, uint16(min(h.version, tlspolicy.TLS10)))
	return vector(b, message)
}

// body gives what is inside (RFC 8446 section 4.1.2, RFC 6101 section 5.6.1.2), with so many bytes to fill it at least.
func (h hello) body(fill int) []byte {
	random := make([]byte, 64)
	rand.Read(random)
	b := binary.BigEndian.AppendUint16(nil, uint16(min(h.version, tlspolicy.TLS12)))
	b = append(b, random[:32]...)
	suites := h.suites
	if h.version == tlspolicy.TLS13 { // looks like a session of TLS 1.2 to things on the way
		b = append(append(b, 32), random[32:]...)
	} else {
		b = append(b, 0)
		suites = append(suites[:len(suites):len(suites)], noRenegotiation)
	}
	b = vector(b, numbers(suites))
	b = append(b, 1, 0) // no compression
	if h.version == tlspolicy.SSL30 {
		return b
	}
	extensions := h.extensions()
	if fill > 0 {
		extensions = extension(extensions, extPadding, make([]byte, max(0, fill-4)))
	}
	return vector(b, extensions)
}

func (h hello) extensions() []byte {
	var b []byte
	if h.name != "" {
		b = extension(b, extServerName, vector(nil, vector([]byte{0}, []byte(h.name))))
	}
	b = extension(b, extGroups, vector(nil, numbers(h.groups)))
	b = extension(b, extFormats, []byte{1, 0}) // points uncompressed
	b = extension(b, extMaster, nil)
	if h.version >= tlspolicy.TLS12 {
		b = extension(b, extSignatures, vector(nil, numbers(signatures)))
	}
	if h.version == tlspolicy.TLS13 {
		b = extension(b, extVersions, []byte{2, 3, 4})
		var keys []byte
		for _, s := range h.shares {
			keys = vector(binary.BigEndian.AppendUint16(keys, s.group), s.key)
		}
		b = extension(b, extShares, vector(nil, keys))
	}
	return b
}

// vector appends content with its length in two bytes before it.
func vector(b, content []byte) []byte {
	return append(binary.BigEndian.AppendUint16(b, uint16(len(content))), content...)
}

func extension(b []byte, kind uint16, content []byte) []byte {
	return vector(binary.BigEndian.AppendUint16(b, kind), content)
}

func numbers(list []uint16) []byte {
	var b []byte
	for _, n := range list {
		b = binary.BigEndian.AppendUint16(b, n)
	}
	return b
}
