// Package ledger remembers what TLS was seen at the mail hosts of destinations where mail failed: for help pages, which show
// it to anyone who asks for a domain. So it holds facts about TLS and nothing else: no addresses of hosts, no mail addresses,
// nothing about who sent.
//
// It is bounded in domains, hosts, text and time, and outlives a restart in a file of JSON lines.
package ledger
