package dkim

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"strings"
)

// maxString is the longest string in a TXT record, in octets (RFC 1035, 3.3).
const maxString = 255

// Record is the DNS record with which others check the signatures of a key. Its JSON form is for scripts; names stay.
type Record struct {
	Domain   string   `json:"domain"`
	Selector string   `json:"selector"`
	Type     Type     `json:"type"`
	Bits     int      `json:"bits,omitempty"` // of an RSA key
	Signs    bool     `json:"signs"`          // false: the key is kept and does not sign
	File     string   `json:"file"`
	Name     string   `json:"name"`    // of the TXT record, without a dot at the end
	Value    string   `json:"value"`   // of the TXT record
	Strings  []string `json:"strings"` // Value in pieces as DNS has them
}

// Record makes the DNS record for the key (RFC 6376, 3.6.1; RFC 8463, 4.2).
func (k *Key) Record() (Record, error) {
	private, err := k.private()
	if err != nil {
		return Record{}, err
	}
	r := Record{Domain: k.Domain, Selector: k.Selector, Type: k.Type, Bits: k.Bits, Signs: !k.Off, File: k.File,
		Name: recordName(k.Selector, k.Domain)}
	public, raw := private.Public().(ed25519.PublicKey)
	if !raw {
		if public, err = x509.MarshalPKIXPublicKey(private.Public()); err != nil {
			return Record{}, fmt.Errorf("%s: %w", k.File, err)
		}
	}
	r.Value = "v=DKIM1; k=" + string(k.Type) + "; p=" + base64.StdEncoding.EncodeToString(public)
	for rest := r.Value; rest != ""; {
		n := min(len(rest), maxString)
		r.Strings = append(r.Strings, rest[:n])
		rest = rest[n:]
	}
	return r, nil
}

// Zone is the record as a line of a zone file (RFC 1035, 5.1).
func (r Record) Zone() string {
	value := `"` + strings.Join(r.Strings, `" "`) + `"`
	if len(r.Strings) > 1 {
		value = "( " + value + " )"
	}
	return r.Name + ". IN TXT " + value
}

// List calls fn with the record of each key below dir in order of domain and selector, also of those that do not sign. It
// goes on behind a file that cannot be used; the error names all of them, as that of [Load].
func List(dir string, fn func(Record) error) error {
	return walk(dir, func(k *Key) error {
		r, err := k.Record()
		if err != nil {
			return err
		}
		return fn(r)
	})
}
