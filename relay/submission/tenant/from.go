package tenant

import (
	"io"
	"mime"
	"net/mail"

	"tlsrelay/relay/address"
)

// Bounds of the From fields of a message.
const (
	maxFrom        = 10_000 // bytes in all
	maxFromAddress = 100
)

// fromParser leaves the names in any character set: only the addresses matter.
var fromParser = mail.AddressParser{WordDecoder: &mime.WordDecoder{
	CharsetReader: func(_ string, in io.Reader) (io.Reader, error) { return in, nil },
}}

// ChecksFrom reports whether CheckFrom has anything to check.
func (m *Mail) ChecksFrom() bool { return m != nil && m.rule.senders != nil }

// CheckFrom judges the values of the From fields of a message, one for each field: all their addresses must be allowed.
// A field that cannot be read is refused, since others may read an address in it. No field at all is fine.
func (m *Mail) CheckFrom(values []string) *Refusal {
	if !m.ChecksFrom() {
		return nil
	}
	size, n := 0, 0
	for _, value := range values {
		if size += len(value); size > maxFrom {
			return m.unreadable()
		}
		list, err := fromParser.ParseList(value)
		if n += len(list); err != nil || n > maxFromAddress {
			return m.unreadable()
		}
		for _, one := range list {
			bare := mail.Address{Address: one.Address}              // String quotes the local part as needed
			a, _, rest, err := address.ParsePathUTF8(bare.String()) // whether UTF-8 may stand here is for package message to say
			if err != nil || rest != "" {
				return m.unreadable()
			}
			if !m.rule.senders.allow(a) {
				return m.refuse(From, 550, "5.7.1", "You may not write From: %s: the %s may use %s",
					short(a.String()), m.name(), m.rule.senders)
			}
		}
	}
	return nil
}

func (m *Mail) unreadable() *Refusal {
	return m.refuse(From, 550, "5.7.1", `The From field cannot be read, and the %s may use only %s: `+
		`write From: "Name" <user@example.org>`, m.name(), m.rule.senders)
}
