//go:build linux

package main

import (
	"fmt"
	"io"
	"net/netip"
	"sync/atomic"
	"time"

	"tlsrelay/cmd/relaybench/badhost"
	"tlsrelay/cmd/relaybench/load"
	"tlsrelay/cmd/relaybench/sink"
	"tlsrelay/cmd/relaybench/system"
	"tlsrelay/relay/dns/dnstest"
)

// network is where mail goes to: a sink, the domains whose mail it takes, hosts that take none, and the DNS that names them.
// Each domain has an MX host and a loopback address of its own; all hosts have the same port.
type network struct {
	sink    *sink.Sink
	tls     bool
	domains []system.Domain // none: all mail goes to the one address of the sink
	dns     *dnstest.Server
	closers []func() // in reverse order

	got atomic.Pointer[arrivals] // of the run that is on
}

// newNetwork sets a sink up. For more than one domain it listens at as many addresses.
func newNetwork(o sink.Options, domains int) (_ *network, err error) {
	n := &network{tls: o.TLS}
	defer func() {
		if err != nil {
			n.close()
		}
	}()
	n.got.Store(newArrivals(nil))
	o.OnlyTLS = o.TLS
	o.Received = func(m sink.Message) { n.got.Load().add(m) }
	if n.sink, err = sink.Listen("127.0.0.1:0", o); err != nil {
		return nil, err
	}
	n.closers = append(n.closers, n.sink.Close)
	if domains > 1 {
		for range domains {
			if err := n.sink.Also(n.newDomain()); err != nil {
				return nil, err
			}
		}
	}
	return n, nil
}

// newDomain adds a domain and gives the address of its host.
func (n *network) newDomain() netip.Addr {
	i := len(n.domains)
	address, _ := netip.AddrFromSlice(load.LocalAddress(i).To4())
	n.domains = append(n.domains, system.Domain{Name: load.Domain(i), Address: address})
	return address
}

// badHosts are the kinds of hosts that take no mail, or hardly any.
var badHosts = []struct {
	name string
	make func(*network, netip.AddrPort) error
}{
	{"tarpit", func(n *network, at netip.AddrPort) error { // an octet a second
		s, err := sink.Listen(at.String(), sink.Options{TLS: n.tls, Tarpit: time.Second, Received: func(m sink.Message) { n.got.Load().add(m) }})
		if err == nil {
			n.closers = append(n.closers, s.Close)
		}
		return err
	}},
	{"silent", func(n *network, at netip.AddrPort) error { // accepts, and never answers
		h, err := badhost.OpenHole(at.String())
		return n.keep(h, err)
	}},
	{"deaf", func(n *network, at netip.AddrPort) error { // does not accept
		d, err := badhost.Deafen(at)
		return n.keep(d, err)
	}},
	{"dead", func(n *network, at netip.AddrPort) error { // refuses connections
		p, err := badhost.Reserve(at)
		return n.keep(p, err)
	}},
}

func (n *network) keep(c io.Closer, err error) error {
	if err == nil {
		n.closers = append(n.closers, func() { c.Close() })
	}
	return err
}

// addBad adds domains whose hosts are bad, of all kinds in turn.
func (n *network) addBad(domains int) error {
	for i := range domains {
		kind := badHosts[i%len(badHosts)]
		if err := kind.make(n, netip.AddrPortFrom(n.newDomain(), n.sink.AddrPort().Port())); err != nil {
			return fmt.Errorf("%s host: %w", kind.name, err)
		}
	}
	return nil
}

// serveDNS makes the domains known.
func (n *network) serveDNS() (err error) {
	zone := dnstest.Zone{}
	for _, d := range n.domains {
		zone[d.Name] = dnstest.Records{MX: []string{"10 mx." + d.Name + "."}}
		zone["mx."+d.Name] = dnstest.Records{A: []string{d.Address.String()}}
	}
	if n.dns, err = dnstest.Start(zone); err == nil {
		n.closers = append(n.closers, n.dns.Close)
	}
	return err
}

// delivery tells a system the way. Without domains all mail goes to one host.
func (n *network) delivery() (*system.Delivery, error) {
	d := &system.Delivery{TLS: n.tls, Retry: time.Second}
	if len(n.domains) == 0 {
		d.Host = n.sink.AddrPort()
		return d, nil
	}
	if n.dns == nil {
		if err := n.serveDNS(); err != nil {
			return nil, err
		}
	}
	d.Domains, d.Port, d.DNS = n.domains, int(n.sink.AddrPort().Port()), n.dns.Addr()
	return d, nil
}

// expect begins a run: what comes from now on is its mail.
func (n *network) expect(a *arrivals) { n.got.Store(a) }

func (n *network) close() {
	for len(n.closers) > 0 {
		last := len(n.closers) - 1
		n.closers[last]()
		n.closers = n.closers[:last]
	}
}
