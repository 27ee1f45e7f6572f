package tenant

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"tlsrelay/relay/address"
)

var sender = address.Address{Local: "a", Domain: "example.org"}

func containsFold(s, part string) bool { return strings.Contains(strings.ToLower(s), part) }

// wantRefusal also wants that the text fits into a reply line.
func wantRefusal(t testing.TB, r *Refusal, code int, status, text string) {
	t.Helper()
	if r == nil {
		t.Fatalf("allowed; want a refusal with %q", text)
	}
	if r.Code != code || r.Status != status || !strings.Contains(r.Text, text) {
		t.Errorf("%v; want %d %s and %q", r, code, status, text)
	}
	if len(r.Error())+2 > 512 || strings.ContainsFunc(r.Text, func(c rune) bool { return c < ' ' || c > 126 }) {
		t.Errorf("no reply line: %q", r)
	}
}

func enter(t testing.TB, tenants *Tenants, account string) *Seat {
	t.Helper()
	s, r := tenants.Enter(nil, account, netip.Addr{})
	if s == nil || r != nil {
		t.Fatalf("%s gets no seat: %v", account, r)
	}
	return s
}

// begin starts a transaction on a connection that is left with the test.
func begin(t testing.TB, tenants *Tenants, account string) *Mail {
	t.Helper()
	s := enter(t, tenants, account)
	t.Cleanup(s.Leave)
	m, r := s.Begin(sender, 0)
	if r != nil {
		t.Fatal(r)
	}
	return m
}

// send accepts a message with n recipients.
func send(t testing.TB, tenants *Tenants, account string, n int) {
	t.Helper()
	m := begin(t, tenants, account)
	for range n {
		if r := m.Recipient(); r != nil {
			t.Fatal(r)
		}
	}
	m.Accept()
	m.Close()
}

// room is how many recipients an account may still have now.
func room(t testing.TB, tenants *Tenants, account string) int {
	t.Helper()
	m := begin(t, tenants, account)
	defer m.Close()
	for n := range 1000 {
		if m.Recipient() != nil {
			return n
		}
	}
	return 1000
}

// Synctest starts on 2000-01-01 at midnight UTC.
func TestWindows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tenants := New(time.Now)
		tenants.Configure([]Rule{{Account: "*", RecipientsPerHour: 10, RecipientsPerDay: 15}})
		time.Sleep(7 * time.Minute)
		send(t, tenants, "a", 4) // 00:07
		time.Sleep(20 * time.Minute)
		send(t, tenants, "a", 6) // 00:27
		if n := room(t, tenants, "b"); n != 10 {
			t.Errorf("another account may have %d", n)
		}
		m := begin(t, tenants, "a")
		wantRefusal(t, m.Recipient(), 452, "4.7.1",
			"The limit of 10 recipients an hour for the account a is reached; try again after 01:10 UTC")
		sleepUntil(1, 9)
		wantRefusal(t, m.Recipient(), 452, "4.7.1", "after 01:10 UTC")
		sleepUntil(1, 10)
		if n := room(t, tenants, "a"); n != 4 {
			t.Errorf("room for %d, want the 4 of 00:07", n)
		}
		sleepUntil(2, 0)
		send(t, tenants, "a", 5)
		wantRefusal(t, m.Recipient(), 452, "4.7.1",
			"The limit of 15 recipients a day for the account a is reached; try again after 2000-01-02 01:00 UTC")
		sleepUntil(24, 59)
		if n := room(t, tenants, "a"); n != 0 {
			t.Errorf("room for %d within a day", n)
		}
		sleepUntil(25, 0)
		if n := room(t, tenants, "a"); n != 10 {
			t.Errorf("room for %d after a day", n)
		}
	})
}

func sleepUntil(hour, minute int) {
	time.Sleep(time.Until(time.Date(2000, 1, 1, hour, minute, 0, 0, time.UTC)))
}

// The limit holds within any hour, whenever that begins, and what is counted is forgotten within another slot.
func TestWindowIsNeverShort(t *testing.T) {
	base := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for offset := range 600 {
		start := base.Add(time.Duration(offset) * time.Second)
		w := newHour()
		w.add(start, 1)
		if w.sum(start.Add(time.Hour-time.Second)) != 1 {
			t.Fatalf("forgotten within an hour of %v", start)
		}
		if w.sum(start.Add(time.Hour+5*time.Minute)) != 0 {
			t.Fatalf("still there long after %v", start)
		}
	}
}

// A clock that is set wrong for a while does not lock anybody out for longer than the span, nor free them.
func TestClockJumps(t *testing.T) {
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	tenants := New(func() time.Time { return now })
	tenants.Configure([]Rule{{Account: "*", RecipientsPerDay: 5}})
	now = now.AddDate(1, 0, 0)
	send(t, tenants, "a", 5)
	now = now.AddDate(-1, 0, 0)
	m := begin(t, tenants, "a")
	wantRefusal(t, m.Recipient(), 452, "4.7.1", "after 2026-01-02 13:00 UTC")
	now = now.Add(25 * time.Hour)
	if n := room(t, tenants, "a"); n != 5 {
		t.Errorf("room for %d", n)
	}
}

// Only accepted messages count; what is under way holds its places.
func TestTransactions(t *testing.T) {
	tenants := New(func() time.Time { return time.Date(2026, 1, 1, 12, 0, 30, 0, time.UTC) })
	tenants.Configure([]Rule{{Account: "*", RecipientsPerHour: 3}})
	first, second := begin(t, tenants, "a"), begin(t, tenants, "A")
	for range 3 {
		if r := first.Recipient(); r != nil {
			t.Fatal(r)
		}
	}
	wantRefusal(t, first.Recipient(), 452, "4.7.1", "try again after 12:01 UTC")
	wantRefusal(t, second.Recipient(), 452, "4.7.1", "try again after 12:01 UTC")
	first.Close()
	first.Close()
	if n := room(t, tenants, "a"); n != 3 {
		t.Errorf("room for %d after nothing was sent", n)
	}
	second.Recipient()
	second.Accept()
	second.Close()
	if n := room(t, tenants, "a"); n != 2 {
		t.Errorf("room for %d after one was sent", n)
	}
	tenants.Configure([]Rule{{Account: "a", RecipientsPerHour: 1}})
	if n := room(t, tenants, "a"); n != 0 {
		t.Errorf("room for %d under a new rule", n)
	}
	tenants.Configure(nil)
	if s, r := tenants.Enter(nil, "a", netip.Addr{}); s != nil || r != nil {
		t.Errorf("without rules: %v, %v", s, r)
	}
}

func TestBegin(t *testing.T) {
	tenants := New(time.Now)
	tenants.Configure([]Rule{{Account: "*", Senders: []string{"@example.org"}, MessageSize: 1000}})
	s := enter(t, tenants, "shop@example.org")
	defer s.Leave()
	_, r := s.Begin(address.Address{Local: "x", Domain: "y.test"}, 0)
	wantRefusal(t, r, 550, "5.7.1", "You may not send as x@y.test: the account shop@example.org may use @example.org")
	_, r = s.Begin(address.Address{Local: strings.Repeat("l", 64), Domain: strings.Repeat("d.", 90) + "test"}, 0)
	wantRefusal(t, r, 550, "5.7.1", "...")
	_, r = s.Begin(sender, 1001)
	wantRefusal(t, r, 552, "5.3.4", "at most 1000 bytes for the account shop@example.org")
	for _, a := range []address.Address{sender, {}} {
		m, r := s.Begin(a, 1000)
		if r != nil || m.MessageSize(5000) != 1000 || m.MessageSize(10) != 10 {
			t.Errorf("%v is refused: %v", a, r)
		}
	}
}

// A client without a rule has nil everywhere.
func TestNoRule(t *testing.T) {
	var tenants *Tenants
	s, r := tenants.Enter(nil, "a", netip.Addr{})
	if s != nil || r != nil {
		t.Fatal(s, r)
	}
	m, r := s.Begin(sender, 1)
	if m != nil || r != nil || m.Recipient() != nil || m.MessageSize(7) != 7 || m.ChecksFrom() || m.CheckFrom([]string{"x"}) != nil {
		t.Error("something is refused")
	}
	m.Accept()
	m.Close()
	s.Leave()
}

func TestConnections(t *testing.T) {
	tenants := New(time.Now)
	tenants.Configure([]Rule{{Account: "*", Connections: 2}, {Network: netip.MustParsePrefix("10.0.0.0/8"), Connections: 1}})
	client := netip.MustParseAddr("10.1.1.1")
	seat, r := tenants.Enter(nil, "", client)
	if r != nil {
		t.Fatal(r)
	}
	_, r = tenants.Enter(nil, "", netip.MustParseAddr("10.2.2.2"))
	wantRefusal(t, r, 421, "4.7.0", "The limit of connections at once (1) for the network 10.0.0.0/8 is reached: close one, or try again later")

	one, two := enter(t, tenants, "a"), enter(t, tenants, "a")
	again, r := tenants.Enter(seat, "a", client)
	wantRefusal(t, r, 421, "4.7.0", "connections at once (2) for the account a is")
	if again != seat {
		t.Error("the connection lost its seat")
	}
	if same, r := tenants.Enter(two, "a", client); same != two || r != nil {
		t.Errorf("the same tenant gets another seat: %v", r)
	}
	one.Leave()
	if again, r = tenants.Enter(seat, "a", client); r != nil || again == seat {
		t.Errorf("no seat after one was left: %v", r)
	}
	if _, r := tenants.Enter(nil, "", client); r != nil {
		t.Errorf("the network's seat was not left at the login: %v", r)
	}
}

// Many connections of an account against a limit: exactly as many recipients as it says.
func TestExactlyTheLimit(t *testing.T) {
	const limit = 500
	tenants := New(time.Now)
	tenants.Configure([]Rule{{Account: "*", RecipientsPerHour: limit}})
	var accepted atomic.Int64
	var all sync.WaitGroup
	for c := range 20 {
		all.Go(func() {
			s, _ := tenants.Enter(nil, "a", netip.Addr{})
			defer s.Leave()
			for i := range 50 {
				m, _ := s.Begin(sender, 0)
				n := 0
				for n < 3 && m.Recipient() == nil {
					n++
				}
				if (c+i)%5 == 0 {
					n = 0 // this one comes to nothing
				} else {
					m.Accept()
				}
				m.Close()
				accepted.Add(int64(n))
			}
		})
	}
	all.Wait()
	for m := begin(t, tenants, "a"); m.Recipient() == nil; accepted.Add(1) {
		m.Accept()
	}
	if n := accepted.Load(); n != limit {
		t.Errorf("%d recipients accepted", n)
	}
}

// What was counted is there after a restart; what is too old is not.
func TestRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "tenants")
		rules := []Rule{{Account: "*", RecipientsPerHour: 10, RecipientsPerDay: 20},
			{Network: netip.MustParsePrefix("10.0.0.0/8"), RecipientsPerDay: 20}}
		restart := func() *Tenants {
			tenants := New(time.Now)
			tenants.Configure(rules)
			if err := tenants.Load(path); err != nil {
				t.Fatal(err)
			}
			return tenants
		}
		before := restart() // no file yet
		send(t, before, "a@x", 7)
		time.Sleep(30 * time.Minute)
		send(t, before, "a@x", 1)
		s, _ := before.Enter(nil, "", netip.MustParseAddr("10.1.1.1"))
		m, _ := s.Begin(sender, 0)
		m.Recipient()
		m.Accept()
		if err := before.Save(path); err != nil {
			t.Fatal(err)
		}
		after := restart()
		if n := room(t, after, "A@x"); n != 2 {
			t.Errorf("room for %d after a restart, want 2", n)
		}
		used := after.Usages()
		if len(used) != 2 || used[0].Network != "10.0.0.0/8" || used[0].RecipientsDay != 1 || used[1].RecipientsDay != 8 {
			t.Errorf("usage: %+v", used)
		}
		time.Sleep(50 * time.Minute)
		if n := room(t, restart(), "a@x"); n != 9 {
			t.Errorf("room for %d when the first are an hour old, want 9", n)
		}
		time.Sleep(25 * time.Hour)
		if after := restart(); len(after.meters) != 0 {
			t.Errorf("%d old tenants are read", len(after.meters))
		}
		os.Remove(path)
		if err := before.Save(path); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(path); err == nil {
			t.Error("written although nothing has changed")
		}
	})
}

// A damaged file is an error that names it; the relay goes on with what could be read.
func TestDamagedFile(t *testing.T) {
	good := fmt.Sprintf(`{"account":"a","hour_at":%d,"hour":[],"day_at":%d,"day":[3]}`, time.Now().Unix()/300, time.Now().Unix()/3600)
	long := `{"account":"b","hour":[` + strings.Repeat("1,", 13) + `1],"day":[1]}`
	for name, text := range map[string]string{
		"cut off": `{"account":"b","hour_at":`, "no tenant": `{"day":[1]}`, "negative": `{"account":"b","day":[-1]}`,
		"too long": long, "no JSON": "hello", "network": `{"network":"10.0.0.0","day":[1]}`,
	} {
		path := filepath.Join(t.TempDir(), "tenants")
		if err := os.WriteFile(path, []byte(good+"\n"+text), 0o600); err != nil {
			t.Fatal(err)
		}
		tenants := New(time.Now)
		if err := tenants.Load(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: error %v", name, err)
		}
		if len(tenants.meters) != 1 {
			t.Errorf("%s: %d tenants", name, len(tenants.meters))
		}
	}
}

// Keep saves, forgets the idle, and says once a minute what it did not say before.
func TestKeep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "tenants")
		var text bytes.Buffer
		log := slog.New(slog.NewTextHandler(&text, nil))
		tenants := New(time.Now)
		tenants.Configure([]Rule{{Account: "*", Senders: []string{"@example.org"}}})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { tenants.Keep(ctx, path, log); close(ended) }()

		s := enter(t, tenants, "a")
		first := 0
		for range 100 {
			_, r := s.Begin(address.Address{Local: "x", Domain: "y.test"}, 0)
			if r.First {
				first++
			}
		}
		m, _ := s.Begin(sender, 0)
		m.Recipient()
		m.Accept()
		m.Close()
		s.Leave()
		time.Sleep(6 * time.Second)
		synctest.Wait()
		if !strings.Contains(text.String(), `msg=refused tenant="account a" rule=sender more=99`) || first != 1 {
			t.Errorf("%d first, log:\n%s", first, &text)
		}
		if _, err := os.Stat(path); err != nil {
			t.Errorf("not saved: %v", err)
		}
		want := []Usage{{Account: "a", Rule: "*", RecipientsHour: 1, RecipientsDay: 1, Refused: map[string]int64{"sender": 100}}}
		if diff := cmp.Diff(want, tenants.Usages()); diff != "" {
			t.Error(diff)
		}
		time.Sleep(26 * time.Hour)
		synctest.Wait()
		if n := len(tenants.all()); n != 0 {
			t.Errorf("%d tenants are kept for ever", n)
		}
		cancel()
		<-ended
		if n := strings.Count(text.String(), "\n"); n != 1 {
			t.Errorf("%d lines in the log:\n%s", n, &text)
		}
	})
}

// However many accounts there are, memory is bounded. Who is connected keeps its meter, and of the others, who sent most.
func TestManyTenants(t *testing.T) {
	tenants := New(time.Now)
	tenants.most = 20
	tenants.Configure([]Rule{{Account: "*", RecipientsPerDay: 5, Connections: 1}})
	s := enter(t, tenants, "holder")
	sent := enter(t, tenants, "sent")
	m, _ := sent.Begin(sender, 0)
	for range 5 {
		m.Recipient()
	}
	m.Accept()
	sent.Leave()
	for i := range 1000 {
		enter(t, tenants, fmt.Sprint("a", i)).Leave()
	}
	if n := len(tenants.all()); n != tenants.most {
		t.Errorf("%d tenants", n)
	}
	if _, r := tenants.Enter(nil, "holder", netip.Addr{}); r == nil {
		t.Error("the meter of a connection was dropped")
	}
	if n := room(t, tenants, "sent"); n != 0 {
		t.Errorf("room for %d: the meter that has counted most was dropped", n)
	}
	s.Leave()
}

// BenchmarkTransaction is what rules cost a message with one recipient.
func BenchmarkTransaction(b *testing.B) {
	for _, n := range []int{0, 1, 1000} {
		tenants := New(time.Now)
		var rules []Rule
		for i := range n {
			rules = append(rules, Rule{Account: fmt.Sprintf("u%d@example.org", i), RecipientsPerHour: 1 << 30,
				RecipientsPerDay: 1 << 30, Senders: []string{"@example.org"}})
		}
		tenants.Configure(rules)
		b.Run(fmt.Sprint(n, " rules"), func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				var s *Seat
				defer func() { s.Leave() }()
				for pb.Next() {
					s, _ = tenants.Enter(s, "u0@example.org", netip.Addr{})
					m, _ := s.Begin(sender, 1000)
					m.Recipient()
					m.Accept()
					m.Close()
				}
			})
		})
	}
}
