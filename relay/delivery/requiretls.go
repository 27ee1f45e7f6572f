package delivery

import "tlsrelay/queue"

// A message with REQUIRETLS (RFC 8689, 4.2.1) goes only to a host whose name is certain, which proves by its certificate
// that it has that name, and which promises to do the same. The certificate is a matter of the decision; the rest is here.
// A host that does not promise it is passed over; if no other one takes the message, that fails for good. A certificate may
// be mended while the message waits.

// strict reports whether the promise is needed. A notice about such a message is not thrown away for want of it (RFC 8689,
// 5); it still needs the certificate.
func (a *attempt) strict() bool { return a.job.Item.RequireTLS && a.job.Item.Sender != "" }

// provenHosts keeps those hosts whose names are certain, if that matters. none is why there are none.
func (a *attempt) provenHosts(hosts []host, none queue.Outcome) ([]host, queue.Outcome) {
	if !a.strict() || len(hosts) == 0 || !hosts[0].unproven {
		return hosts, none
	}
	return nil, failed(queue.NeedsRequireTLS, queue.StageDNS,
		"the MX records of "+a.job.Destination()+" are not protected by DNSSEC, as REQUIRETLS needs")
}
