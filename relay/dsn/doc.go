// Package dsn is the spelling of what a sender may say about notices in SMTP (RFC 3461): values in xtext, and addresses
// with their type (RFC 3461, 4.2 and RFC 6533, 3). What is decoded here has no control characters, whatever was encoded
// in it, so that it can stand in a header and in a command.
package dsn
