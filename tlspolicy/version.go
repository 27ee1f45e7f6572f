package tlspolicy

import (
	"crypto/tls"
	"fmt"
)

// Version is a TLS protocol version as it stands on the wire. The zero Version stands for [MinFloor], so that an empty
// policy is a safe one.
type Version uint16

const (
	SSL20 Version = 0x0002
	SSL30 Version = 0x0300
	TLS10 Version = tls.VersionTLS10
	TLS11 Version = tls.VersionTLS11
	TLS12 Version = tls.VersionTLS12
	TLS13 Version = tls.VersionTLS13

	// MinFloor is the lowest floor there is. No setting goes below it (RFC 8996 deprecates TLS 1.0 and 1.1).
	MinFloor = TLS12
)

// ParseFloor reads "1.2" or "1.3".
func ParseFloor(s string) (Version, error) {
	switch s {
	case "1.2":
		return TLS12, nil
	case "1.3":
		return TLS13, nil
	}
	return 0, fmt.Errorf("TLS floor %q: allowed are 1.2 and 1.3; there is no lower one", s)
}

// String gives "1.2" for TLS 1.2, and "SSL 3.0" for what came before TLS.
func (v Version) String() string {
	switch v {
	case SSL20:
		return "SSL 2.0"
	case SSL30:
		return "SSL 3.0"
	case TLS10, TLS11, TLS12, TLS13:
		return fmt.Sprintf("1.%d", v-TLS10)
	}
	return fmt.Sprintf("0x%04x", uint16(v))
}

// Name gives the version with its protocol: "TLS 1.0".
func (v Version) Name() string {
	if v >= TLS10 && v <= TLS13 {
		return "TLS " + v.String()
	}
	return v.String()
}
