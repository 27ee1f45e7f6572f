// Package dnstest is a DNS server inside the process, on loopback and a port of the kernel's choice. It answers from a
// Zone, NXDOMAIN for everything else, and can be told to fail. Tests use it, and programs that show the relay off.
package dnstest

import (
	"fmt"
	"net"
	"slices"
	"sync"

	miekg "github.com/miekg/dns"
)

// Server is a running server. Its methods may be called at any time.
type Server struct {
	addr    string
	servers []*miekg.Server
	done    sync.WaitGroup

	mu      sync.Mutex
	names   map[string]set
	queries []string
}

// TB is the part of testing.TB that Serve needs.
type TB interface {
	Helper()
	Fatal(args ...any)
	Cleanup(func())
}

// Serve starts a server that ends with the test.
func Serve(t TB, zone Zone) *Server {
	t.Helper()
	s, err := Start(zone)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// Start starts a server; Close ends it. It fails if a record cannot be read or loopback cannot be listened on.
func Start(zone Zone) (*Server, error) {
	s := &Server{names: make(map[string]set)}
	for name, r := range zone {
		if err := s.Set(name, r); err != nil {
			return nil, err
		}
	}
	packets, streams, err := listen()
	if err != nil {
		return nil, fmt.Errorf("dnstest: %w", err)
	}
	s.addr = packets.LocalAddr().String()
	for _, server := range []*miekg.Server{{PacketConn: packets}, {Listener: streams}} {
		started := make(chan struct{})
		server.Handler = miekg.HandlerFunc(s.answer)
		server.NotifyStartedFunc = func() { close(started) }
		s.servers = append(s.servers, server)
		s.done.Go(func() { server.ActivateAndServe() })
		<-started
	}
	return s, nil
}

// listen takes the same port for UDP and TCP.
func listen() (net.PacketConn, net.Listener, error) {
	var err error
	for range 20 {
		var packets net.PacketConn
		if packets, err = net.ListenPacket("udp", "127.0.0.1:0"); err != nil {
			return nil, nil, err
		}
		var streams net.Listener
		if streams, err = net.Listen("tcp", packets.LocalAddr().String()); err == nil {
			return packets, streams, nil
		}
		packets.Close()
	}
	return nil, nil, err
}

// Addr is the server's address and port.
func (s *Server) Addr() string { return s.addr }

// Close ends the server and waits for it.
func (s *Server) Close() {
	for _, server := range s.servers {
		server.Shutdown()
	}
	s.done.Wait()
}

// Set adds a name or replaces its records.
func (s *Server) Set(name string, r Records) error {
	name = miekg.CanonicalName(name)
	parsed, err := parse(name, r)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.names[name] = parsed
	return nil
}

// Queries lists what was asked so far, for example "MX example.org.". A question that came over TCP has "/tcp" behind
// it.
func (s *Server) Queries() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.queries)
}

func (s *Server) answer(w miekg.ResponseWriter, q *miekg.Msg) {
	if len(q.Question) != 1 {
		return
	}
	overTCP := w.LocalAddr().Network() == "tcp"
	m := s.reply(q, overTCP)
	if m == nil {
		return
	}
	if !overTCP {
		m.Truncate(sizeFor(q))
	}
	w.WriteMsg(m)
}

// sizeFor is what fits into a UDP answer.
func sizeFor(q *miekg.Msg) int {
	if opt := q.IsEdns0(); opt != nil {
		return int(opt.UDPSize())
	}
	return miekg.MinMsgSize
}

// reply makes the answer; nil is none.
func (s *Server) reply(q *miekg.Msg, overTCP bool) *miekg.Msg {
	s.mu.Lock()
	defer s.mu.Unlock()
	name, qtype := miekg.CanonicalName(q.Question[0].Name), q.Question[0].Qtype
	line := miekg.TypeToString[qtype] + " " + name
	if overTCP {
		line += "/tcp"
	}
	s.queries = append(s.queries, line)

	m := new(miekg.Msg).SetReply(q)
	m.RecursionAvailable = true
	if q.IsEdns0() != nil {
		m.SetEdns0(1232, false)
	}
	found := s.names[name]
	fault := found.Fault
	if found.FaultFor != "" && found.FaultFor != miekg.TypeToString[qtype] {
		fault = None
	}
	switch {
	case fault == Drop:
		return nil
	case fault == ServFail:
		m.Rcode = miekg.RcodeServerFailure
	case fault == Refused:
		m.Rcode = miekg.RcodeRefused
	case fault == Truncate && !overTCP:
		m.Truncated = true
	case fault == Lame:
		m.RecursionAvailable = false
	default:
		s.fill(m, name, qtype, fault == Bare)
	}
	return m
}

// fill adds the records, along aliases, as a recursive server does.
func (s *Server) fill(m *miekg.Msg, name string, qtype uint16, bare bool) {
	m.AuthenticatedData = true
	defer func() {
		if !hasType(m.Answer, qtype) {
			m.Ns = append(m.Ns, noSuch)
		}
	}()
	for range 16 { // an alias may lead in a circle
		found, exists := s.names[name]
		if !exists {
			m.Rcode = miekg.RcodeNameError
		}
		m.AuthenticatedData = m.AuthenticatedData && found.Authentic
		next := ""
		for _, rr := range found.rrs {
			alias, isAlias := rr.(*miekg.CNAME)
			if isAlias || rr.Header().Rrtype == qtype {
				m.Answer = append(m.Answer, rr)
			}
			if isAlias {
				next = miekg.CanonicalName(alias.Target)
			}
		}
		if next == "" || bare {
			return
		}
		name = next
	}
}

func hasType(rrs []miekg.RR, qtype uint16) bool {
	return slices.ContainsFunc(rrs, func(rr miekg.RR) bool { return rr.Header().Rrtype == qtype })
}
