package dns

import (
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	miekg "github.com/miekg/dns"
)

// rawServer answers each packet with the packets that reply makes of it.
func rawServer(t *testing.T, reply func(q *miekg.Msg) [][]byte) string {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { pc.Close(); <-done })
	go func() {
		defer close(done)
		buf := make([]byte, 4096)
		for {
			n, from, err := pc.ReadFrom(buf)
			if err != nil {
				return
			}
			q := new(miekg.Msg)
			if q.Unpack(buf[:n]) != nil {
				return
			}
			for _, p := range reply(q) {
				pc.WriteTo(p, from)
			}
		}
	}()
	return pc.LocalAddr().String()
}

// packed is q's answer with one MX record for host, changed by edit.
func packed(t *testing.T, q *miekg.Msg, host string, edit func(*miekg.Msg)) []byte {
	m := new(miekg.Msg).SetReply(q)
	m.RecursionAvailable = true
	rr, err := miekg.NewRR(q.Question[0].Name + " 60 IN MX 10 " + host)
	if err != nil {
		t.Error(err)
	}
	m.Answer = append(m.Answer, rr)
	if edit != nil {
		edit(m)
	}
	p, err := m.Pack()
	if err != nil {
		t.Error(err)
	}
	return p
}

func TestForgedAnswersAreSkipped(t *testing.T) {
	forgeries := map[string]func(*miekg.Msg){
		"other ID":       func(m *miekg.Msg) { m.Id++ },
		"other name":     func(m *miekg.Msg) { m.Question[0].Name = "other.example." },
		"other type":     func(m *miekg.Msg) { m.Question[0].Qtype = miekg.TypeA },
		"not an answer":  func(m *miekg.Msg) { m.Response = false },
		"no question":    func(m *miekg.Msg) { m.Question = nil },
		"two questions":  func(m *miekg.Msg) { m.Question = append(m.Question, m.Question[0]) },
		"NXDOMAIN, bare": func(m *miekg.Msg) { m.Question, m.Rcode = nil, miekg.RcodeNameError },
	}
	for name, forge := range forgeries {
		t.Run(name, func(t *testing.T) {
			srv := rawServer(t, func(q *miekg.Msg) [][]byte {
				return [][]byte{packed(t, q, "evil.example.", forge), {1, 2, 3}, packed(t, q, "good.example.", nil)}
			})
			a, err := client(t, Options{Servers: []string{srv}}).LookupMX(t.Context(), "example.org")
			if err != nil || len(a.Hosts) != 1 || a.Hosts[0].Host != "good.example" {
				t.Errorf("%v, %v", a, err)
			}
		})
	}
}

func TestOnlyForgedAnswers(t *testing.T) {
	tests := map[string]func(*miekg.Msg) [][]byte{
		"malformed": func(q *miekg.Msg) [][]byte {
			p := packed(t, q, "mx.example.", nil)
			return [][]byte{p[:len(p)-3]}
		},
		"another question": func(q *miekg.Msg) [][]byte {
			return [][]byte{packed(t, q, "mx.example.", func(m *miekg.Msg) { m.Id++ })}
		},
	}
	for reason, reply := range tests {
		srv := rawServer(t, reply)
		c := client(t, Options{Servers: []string{srv}, Timeout: 50 * time.Millisecond})
		_, err := c.LookupMX(t.Context(), "example.org")
		if !errors.Is(err, ErrTrouble) || !strings.Contains(err.Error(), reason) {
			t.Errorf("%s: got %v", reason, err)
		}
	}
}

func TestServerWithoutEDNS(t *testing.T) {
	srv := rawServer(t, func(q *miekg.Msg) [][]byte {
		if q.IsEdns0() == nil {
			return [][]byte{packed(t, q, "mx.example.", nil)}
		}
		return [][]byte{packed(t, q, "mx.example.", func(m *miekg.Msg) {
			m.Rcode, m.Question, m.Answer = miekg.RcodeFormatError, nil, nil
		})}
	})
	a, err := client(t, Options{Servers: []string{srv}}).LookupMX(t.Context(), "example.org")
	if err != nil || len(a.Hosts) != 1 {
		t.Errorf("%v, %v", a, err)
	}
}

// TestTruncatedAndNoTCP: half an answer is none, and the error says which half is missing.
func TestTruncatedAndNoTCP(t *testing.T) {
	srv := rawServer(t, func(q *miekg.Msg) [][]byte {
		return [][]byte{packed(t, q, "mx.example.", func(m *miekg.Msg) { m.Truncated = true })}
	})
	a, err := client(t, Options{Servers: []string{srv}}).LookupMX(t.Context(), "example.org")
	want := srv + " gave a truncated answer, and over TCP cannot be reached (connect: connection refused)"
	if !errors.Is(err, ErrTrouble) || !strings.HasSuffix(err.Error(), want) || len(a.Hosts) != 0 {
		t.Errorf("%v, %v", a, err)
	}
}

func TestContradictionIsTrouble(t *testing.T) {
	srv := rawServer(t, func(q *miekg.Msg) [][]byte {
		return [][]byte{packed(t, q, "mx.example.", func(m *miekg.Msg) { m.Rcode = miekg.RcodeNameError })}
	})
	_, err := client(t, Options{Servers: []string{srv}}).LookupMX(t.Context(), "example.org")
	if !errors.Is(err, ErrTrouble) || errors.Is(err, ErrNoSuchDomain) {
		t.Errorf("got %v", err)
	}
}

func TestQuestionsDiffer(t *testing.T) {
	var mu sync.Mutex
	ids := make(map[uint16]bool)
	srv := rawServer(t, func(q *miekg.Msg) [][]byte {
		mu.Lock()
		ids[q.Id] = true
		mu.Unlock()
		if opt := q.IsEdns0(); opt == nil || opt.UDPSize() != udpSize || !q.RecursionDesired {
			t.Errorf("question without EDNS %d or recursion: %v", udpSize, q)
		}
		return [][]byte{packed(t, q, "mx.example.", nil)}
	})
	c := client(t, Options{Servers: []string{srv}})
	for range 20 {
		if _, err := c.LookupMX(t.Context(), "example.org"); err != nil {
			t.Fatal(err)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if len(ids) < 18 {
		t.Errorf("%d different IDs in 20 questions", len(ids))
	}
}

// FuzzAnswer feeds packets to all that reads answers: it must not panic, and what comes out must keep its bounds.
func FuzzAnswer(f *testing.F) {
	q := new(miekg.Msg).SetQuestion("example.org.", miekg.TypeMX)
	q.Id = 4711
	good := new(miekg.Msg).SetReply(q)
	for _, s := range []string{
		"example.org. 60 IN CNAME a.example.", "a.example. 60 IN CNAME example.org.",
		"example.org. 60 IN MX 10 mx.example.", "example.org. 60 IN MX 0 .", "example.org. 60 IN MX 5 192.0.2.1.",
		"example.org. 60 IN A 192.0.2.1", "example.org. 60 IN AAAA ::ffff:127.0.0.1",
	} {
		rr, err := miekg.NewRR(s)
		if err != nil {
			f.Fatal(err)
		}
		good.Answer = append(good.Answer, rr)
	}
	p, err := good.Pack()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(p)
	f.Add(p[:40])
	f.Fuzz(func(t *testing.T, packet []byte) {
		m, err := parseAnswer(packet, q)
		if err != nil {
			return
		}
		usable(m)
		end, used := followAliases(m.Answer, "example.org.", maxAliases)
		if len(used) > maxAliases {
			t.Fatalf("followed %d aliases", len(used))
		}
		if ttl := min(leastTTL(m.Answer), denialTTL(m.Ns)); ttl < 0 || ttl > longest {
			t.Fatalf("TTL %v", ttl)
		}
		hosts, null := exchangers(recordsOf(m.Answer, end, miekg.TypeMX))
		if len(hosts) > MaxHosts || null && len(hosts) > 0 {
			t.Fatalf("%d hosts, null %v", len(hosts), null)
		}
		for _, h := range hosts {
			if clean, ok := cleanName(h.Host); !ok || clean != h.Host {
				t.Fatalf("host %q", h.Host)
			}
		}
		if addrs := addresses(m.Answer); len(addrs) > MaxAddrs {
			t.Fatalf("%d addresses", len(addrs))
		}
	})
}
