package relay

import (
	"net/netip"
	"slices"

	"tlsrelay/configs"
	"tlsrelay/relay/delivery"
)

// domainsOf gives what is set for single domains.
func domainsOf(cfg *configs.Config) []delivery.Domain {
	var domains []delivery.Domain
	for _, d := range cfg.Delivery.Domains {
		domains = append(domains, delivery.Domain{
			Name:                  d.Name,
			Connections:           d.Connections,
			MessagesPerConnection: d.MessagesPerConnection,
			MessagesPerMinute:     d.MessagesPerMinute,
			Source:                slices.Clone(d.Source),
		})
	}
	return domains
}

// sourceNamesOf gives the EHLO names that belong to local addresses.
func sourceNamesOf(cfg *configs.Config) map[netip.Addr]string {
	names := map[netip.Addr]string{}
	for _, s := range cfg.Delivery.SourceNames {
		names[s.Address] = s.Name
	}
	return names
}
