// Package probe finds out what TLS a mail server offers, over connections that carry no mail.
//
// A failed handshake often has several meanings, and tells of one version alone. The probe asks once for each version, key
// exchange and size of ClientHello, reads the first answer and hangs up: weak cryptography is never completed. It leads one
// connection at a time to an address, and what it found is kept for hours and shared by all who ask.
package probe
