package queue

// Cause is one row of the table of reasons for which mail is not delivered. TLS reasons stand in package tlspolicy.
type Cause struct {
	Key    string
	Status string // enhanced status code (RFC 3463); "" means the remote's own
}

// Causes that have nothing to do with TLS. Each has a text in every language of package notice.
var (
	NullMX            = Cause{"null-mx", "5.1.10"}        // RFC 7505
	NoSuchDomain      = Cause{"no-such-domain", "5.1.2"}  // an authoritative no
	NoMailHost        = Cause{"no-mail-host", "5.4.4"}    // an authoritative no to MX and addresses
	DNSTrouble        = Cause{"dns-trouble", "4.4.3"}     // no answer, or SERVFAIL
	AddressRefused    = Cause{"address-refused", "4.4.4"} // MX points to an address that is not on the public Internet
	ConnectionRefused = Cause{"connection-refused", "4.4.1"}
	ConnectionTimeout = Cause{"connection-timeout", "4.4.1"}
	ConnectionLost    = Cause{"connection-lost", "4.4.2"}
	RemoteTemporary   = Cause{"remote-temporary", ""}
	RemotePermanent   = Cause{"remote-permanent", ""}
	RemoteProtocol    = Cause{"remote-protocol", "4.5.0"} // the remote does not speak SMTP as RFC 5321 has it
	AuthRefused       = Cause{"auth-refused", "4.7.8"}    // a smarthost turned our login down
	Loop              = Cause{"loop", "5.4.6"}
	MessageTooLarge   = Cause{"message-too-large", "5.3.4"}
	Needs8BitMIME     = Cause{"needs-8bitmime", "5.6.3"}
	NeedsSMTPUTF8     = Cause{"needs-smtputf8", "5.6.7"}    // RFC 6531 section 3.5
	NeedsRequireTLS   = Cause{"needs-requiretls", "5.7.30"} // RFC 8689 section 6
	LocalTrouble      = Cause{"local-trouble", "4.3.0"}     // this relay could not read the message or was stopping
)

// Causes lists the table.
func Causes() []Cause {
	return []Cause{
		NullMX, NoSuchDomain, NoMailHost, DNSTrouble, AddressRefused, ConnectionRefused, ConnectionTimeout, ConnectionLost,
		RemoteTemporary, RemotePermanent, RemoteProtocol, AuthRefused, Loop, MessageTooLarge, Needs8BitMIME, NeedsSMTPUTF8, NeedsRequireTLS, LocalTrouble,
	}
}
