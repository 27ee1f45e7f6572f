package probe

import (
	"slices"

	"tlsrelay/tlspolicy"
)

// Names of the families of key exchange.
const (
	ecdhe = "ECDHE"
	dhe   = "DHE"
	rsa   = "RSA"
)

// family is the cipher suites with one kind of key exchange, by their numbers in the IANA registry of TLS cipher suites. All that
// OpenSSL and GnuTLS ever had are here but those without encryption or certificate: the answer about a version must not depend
// on the cipher. What is common comes first, for there were servers that read only so far.
type family struct {
	name   string
	old    []uint16 // for any version
	oldest []uint16 // likewise; nobody should have them any more
	tls12  []uint16
}

var families = []family{
	{
		name: ecdhe,
		old:  []uint16{0xc013, 0xc014, 0xc009, 0xc00a, 0xc012, 0xc011, 0xc008, 0xc007}, // AES, 3DES, RC4
		tls12: []uint16{
			0xc02f, 0xc030, 0xc02b, 0xc02c, 0xcca8, 0xcca9, 0xc027, 0xc028, 0xc023, 0xc024, // AES-GCM, ChaCha20, AES-CBC with SHA-2
			0xcc13, 0xcc14, 0xc0ac, 0xc0ad, 0xc0ae, 0xc0af, // ChaCha20 of the drafts, CCM
			0xc060, 0xc061, 0xc05c, 0xc05d, 0xc08a, 0xc08b, 0xc086, 0xc087, 0xc076, 0xc077, 0xc072, 0xc073, // ARIA, CAMELLIA
		},
	},
	{
		name:   dhe,
		old:    []uint16{0x0033, 0x0039, 0x0016, 0x0032, 0x0038, 0x0013, 0x0045, 0x0088, 0x0044, 0x0087, 0x009a, 0x0099, 0x0066},
		oldest: []uint16{0x0015, 0x0012, 0x0014, 0x0011, 0x0063, 0x0065},
		tls12: []uint16{
			0x009e, 0x009f, 0x00a2, 0x00a3, 0xccaa, 0x0067, 0x006b, 0x0040, 0x006a,
			0xcc15, 0xc09e, 0xc09f, 0xc0a2, 0xc0a3,
			0xc052, 0xc053, 0xc056, 0xc057, 0xc07c, 0xc07d, 0xc080, 0xc081, 0x00be, 0x00c4, 0x00bd, 0x00c3,
		},
	},
	{
		name:   rsa,
		old:    []uint16{0x002f, 0x0035, 0x000a, 0x0005, 0x0004, 0x0041, 0x0084, 0x0096, 0x0007},
		oldest: []uint16{0x0009, 0x0062, 0x0064, 0x0003, 0x0006, 0x0008, 0xfeff, 0xfefe},
		tls12: []uint16{
			0x009c, 0x009d, 0x003c, 0x003d,
			0xc09c, 0xc09d, 0xc0a0, 0xc0a1, 0xc050, 0xc051, 0xc07a, 0xc07b, 0x00ba, 0x00c0,
		},
	},
}

// fixedECDH is ECDH with the key of the certificate. It counts as none of the families.
var fixedECDH = []uint16{0xc00e, 0xc00f, 0xc004, 0xc005, 0xc00d, 0xc003, 0xc00c, 0xc002}

var tls13Suites = []uint16{0x1301, 0x1302, 0x1303, 0x1304, 0x1305}

// noRenegotiation stands for the renegotiation_info extension (RFC 5746 section 3.3): some servers insist on it.
const noRenegotiation = 0x00ff

// of gives the suites of a family that a version can have.
func (f family) of(v tlspolicy.Version) []uint16 {
	if v < tlspolicy.TLS12 {
		return slices.Concat(f.old, f.oldest)
	}
	return slices.Concat(f.tls12, f.old, f.oldest)
}

// common gives a few suites of a family, for a ClientHello that is small.
func (f family) common(v tlspolicy.Version) []uint16 {
	if v < tlspolicy.TLS12 {
		return f.old[:min(len(f.old), 5)]
	}
	return slices.Concat(f.tls12[:4], f.old[:4])
}

// suitesOf lists what a ClientHello for a version offers.
func suitesOf(v tlspolicy.Version, small bool) []uint16 {
	if v == tlspolicy.TLS13 {
		return tls13Suites
	}
	var suites, behind []uint16
	for _, f := range families {
		if small {
			suites = append(suites, f.common(v)...)
			continue
		}
		if v >= tlspolicy.TLS12 {
			suites = append(suites, f.tls12[:4]...)
			behind = append(behind, f.tls12[4:]...)
		}
		suites = append(suites, f.old...)
		behind = append(behind, f.oldest...)
	}
	if !small {
		behind = append(behind, fixedECDH...)
	}
	return slices.Concat(suites, behind)
}

// familyOf names the family that a suite is of, "" for none.
func familyOf(suite uint16) string {
	for _, f := range families {
		if slices.Contains(f.of(tlspolicy.TLS12), suite) {
			return f.name
		}
	}
	return ""
}
