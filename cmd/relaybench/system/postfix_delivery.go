//go:build linux

package system

import (
	"fmt"
	"strings"
)

// postfixDelivers has Postfix deliver at its best. A destination gets at once the connections that it otherwise gets step by
// step; for their number see below. Connections are kept for the next message, whatever the destination, and without the
// limit of messages on one; in TLS that takes connection reuse through tlsproxy. Hosts are known by their address, in a table that
// is read into memory: nothing is asked of the DNS. Processes serve more than a hundred clients before they make way for new ones.
const postfixDelivers = `transport_maps = texthash:%s
minimal_backoff_time = %[2]s
maximal_backoff_time = %[2]s
queue_run_delay = %[2]s
initial_destination_concurrency = %[3]d
default_destination_concurrency_limit = %[3]d
smtp_connection_cache_on_demand = yes
smtp_connection_cache_destinations = static:all
smtp_connection_reuse_count_limit = 0
smtp_connection_reuse_time_limit = 1h
max_use = 10000
`

// postfixTLS: sessions are resumed where a connection is not kept.
const postfixTLS = `smtp_tls_security_level = encrypt
smtp_tls_mandatory_protocols = >=TLSv1.2
smtp_tls_connection_reuse = yes
smtp_tls_session_cache_database = btree:${data_directory}/smtp_scache
`

// How many connections one destination gets: 20 are Postfix's default and tlsrelay's, and where connections are clear more make
// Postfix no faster. On a TLS connection that is used again, each message waits 40 ms: tlsproxy sends what is left of it when what
// went before is acknowledged, and the receiver's kernel delays that. With three times the connections Postfix has always work.
const perHost, perHostTLS = 20, 60

// postfix writes it for Postfix's main.cf; transport is the table of [Delivery.transport].
func (d *Delivery) postfix(transport string) string {
	connections := perHost
	switch {
	case d.PerHost > 0:
		connections = d.PerHost
	case d.TLS:
		connections = perHostTLS
	}
	text := fmt.Sprintf(postfixDelivers, transport, seconds(d.Retry), connections)
	if d.Host.IsValid() {
		text += fmt.Sprintf("relayhost = [%v]:%d\n", d.Host.Addr(), d.Host.Port())
	}
	if d.TLS {
		return text + postfixTLS
	}
	return text + "smtp_tls_security_level = none\n"
}

// transport lists the hosts of the domains; see transport(5).
func (d *Delivery) transport() string {
	var b strings.Builder
	for _, domain := range d.Domains {
		fmt.Fprintf(&b, "%s smtp:[%v]:%d\n", domain.Name, domain.Address, d.Port)
	}
	return b.String()
}
