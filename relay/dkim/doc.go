// Package dkim signs mail (RFC 6376, RFC 8463) with the keys in a folder, by the domain in the From field:
//
//	DOMAIN/SELECTOR.pem        signs
//	DOMAIN/SELECTOR.pem.off    is kept and does not sign
//
// DOMAIN is in lower case ASCII. Each key is a private key in PKCS#8, RSA of 2048 bits or more, or Ed25519, which nobody but
// its owner may read. All keys of a domain sign: so RSA and Ed25519 stand side by side, and a new key can join an old one.
//
// The domain that signs is that of the first mailbox in From, or else the nearest one above it that has keys; DMARC takes
// that for aligned unless it asks for strict alignment (RFC 7489, 3.1.1). The From field alone decides: who may write which
// From is for the rules of submission to say.
//
// The signature stands on top of the message, above this relay's own Received field, because that is part of the text
// that is stored before the signature is known. So it is also the order in which things happened, and in which RFC 6376,
// 3.5, wants trace fields. Received itself is not signed: it is not for the recipient.
package dkim
