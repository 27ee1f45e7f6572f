package help

import (
	"tlsrelay/queue"
	"tlsrelay/tlspolicy"
)

// topic is what a page says about a cause beside the texts that notices have. Each value names a text in page/*.html:
// "group-tls", "fault-provider", "why-version", "check-tls".
type topic struct {
	Group string // of the index
	Fault string // whose it is
	Why   string // the policy exists; "" where it is none of TLS
	Check string // how anyone can see it; "" if there is no way
}

var topics = map[string]topic{
	"starttls-not-offered": {"tls", "provider", "encryption", "tls"},
	"starttls-refused":     {"tls", "provider", "encryption", "tls"},
	"tls-version":          {"tls", "provider", "version", "tls"},
	"tls-cipher":           {"tls", "provider", "version", "tls"},
	"tls-handshake":        {"tls", "provider", "version", "tls"},

	"certificate-expired":    {"certificate", "provider", "certificate", "certificate"},
	"certificate-name":       {"certificate", "provider", "certificate", "certificate"},
	"certificate-untrusted":  {"certificate", "provider", "certificate", "certificate"},
	"certificate-unreadable": {"certificate", "provider", "encryption", "certificate"},

	"null-mx":         {"address", "address", "", "dns"},
	"no-such-domain":  {"address", "address", "", "dns"},
	"no-mail-host":    {"address", "address", "", "dns"},
	"dns-trouble":     {"address", "dns", "", "dns"},
	"address-refused": {"address", "domain", "", "dns"},

	"connection-refused": {"connection", "network", "", "connection"},
	"connection-timeout": {"connection", "network", "", "connection"},
	"connection-lost":    {"connection", "network", "", "connection"},

	"remote-temporary": {"remote", "decision", "", ""},
	"remote-permanent": {"remote", "decision", "", ""},
	"remote-protocol":  {"remote", "provider", "", "connection"},

	"message-too-large": {"message", "message", "", ""},
	"needs-8bitmime":    {"message", "message", "", ""},
	"needs-smtputf8":    {"message", "message", "", ""},
	"needs-requiretls":  {"message", "message", "", ""},
	"loop":              {"message", "forwarding", "", ""},

	"auth-refused":  {"relay", "operator", "", ""},
	"local-trouble": {"relay", "operator", "", ""},
}

// groupOrder is how the index lists the groups.
var groupOrder = []string{"tls", "certificate", "address", "connection", "remote", "message", "relay"}

// cause is a row of either table.
type cause struct {
	Key        string
	Status     string // "" for the remote's own
	ResultType string // "" for those that are none of TLS
}

// causes lists both tables, the reasons of TLS first.
func causes() []cause {
	var list []cause
	for _, c := range tlspolicy.Causes() {
		list = append(list, cause{c.Key, c.Status, c.ResultType})
	}
	for _, c := range queue.Causes() {
		list = append(list, cause{c.Key, c.Status, ""})
	}
	return list
}
