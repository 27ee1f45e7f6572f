package delivery

import (
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"
)

// pool is a list of local addresses of one family that connections take in turn. A nil pool is empty.
type pool struct {
	addrs []netip.Addr
	taken atomic.Uint32
}

// newPools sorts addresses by family, nil where there are none of it.
func newPools(addrs []netip.Addr) (v4, v6 *pool) {
	for _, a := range addrs {
		p := &v6
		if a.Is4() {
			p = &v4
		}
		if *p == nil {
			*p = &pool{}
		}
		(*p).addrs = append((*p).addrs, a)
	}
	return v4, v6
}

// take gives the address whose turn it is.
func (p *pool) take() (netip.Addr, bool) {
	if p == nil {
		return netip.Addr{}, false
	}
	return p.addrs[(p.taken.Add(1)-1)%uint32(len(p.addrs))], true
}

// sourceFor gives the local address from which the next connection to remote, with mail for destination, is made. Not ok: the
// system chooses it.
func (d *Deliverer) sourceFor(destination string, remote netip.Addr) (source netip.Addr, ok bool) {
	t := d.termsFor(destination)
	if remote.Unmap().Is4() {
		return t.v4.take()
	}
	return t.v6.take()
}

// sendFrom has a dialer connect from source.
func sendFrom(dialer *net.Dialer, source netip.Addr) {
	dialer.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(source, 0))
	before := dialer.Control
	dialer.Control = func(network, address string, c syscall.RawConn) error {
		bindLate(c)
		if before == nil {
			return nil
		}
		return before(network, address, c)
	}
}

// helloFrom gives the EHLO name that belongs to the local end of a connection, whoever chose that.
func (d *Deliverer) helloFrom(local net.Addr) string {
	if tcp, ok := local.(*net.TCPAddr); ok {
		if name := d.opts.SourceNames[tcp.AddrPort().Addr().Unmap()]; name != "" {
			return name
		}
	}
	return d.opts.Hostname
}
