package queue

import (
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

// ID names one queued message. IDs of one relay rise with time; their text form is 13 letters and digits that sort the
// same way. The zero ID names nothing.
type ID uint64

// idText is base 32 in ascending ASCII order without letters that are read for digits (i, l, o) and without u.
var idText = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// String gives the text form, for example "0e9xq2v7c4k1g".
func (id ID) String() string {
	return idText.EncodeToString(binary.BigEndian.AppendUint64(nil, uint64(id)))
}

// ParseID reads the text form of an ID.
func ParseID(s string) (ID, error) {
	b, err := idText.DecodeString(s)
	if err != nil || len(b) != 8 || binary.BigEndian.Uint64(b) == 0 {
		return 0, fmt.Errorf("%q is not a queue ID (13 letters and digits, as the list prints them)", s)
	}
	return ID(binary.BigEndian.Uint64(b)), nil
}

// MarshalText implements [encoding.TextMarshaler].
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (id *ID) UnmarshalText(b []byte) error {
	v, err := ParseID(string(b))
	*id = v
	return err
}

// IDSource makes IDs: microseconds since 1970 in the upper 52 bits, and chance below, so that two relays do not collide.
// A clock that steps back does not make an ID twice. The zero value is ready.
type IDSource struct {
	mu   sync.Mutex
	last ID
}

// Next gives an ID greater than all it gave before.
func (s *IDSource) Next(now time.Time) ID {
	id := ID(now.UnixMicro())<<12 | ID(rand.Uint32N(1<<12))
	s.mu.Lock()
	defer s.mu.Unlock()
	if id <= s.last {
		id = s.last + 1
	}
	s.last = id
	return id
}
