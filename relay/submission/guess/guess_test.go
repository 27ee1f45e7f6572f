package guess

import (
	"fmt"
	"net/netip"
	"testing"
	"time"
)

// clock is a time that tests set.
type clock struct{ time.Time }

func (c *clock) now() time.Time                   { return c.Time }
func (c *clock) pass(d time.Duration)             { c.Time = c.Add(d) }
func newWatch() (*Watch, *clock)                  { c := &clock{time.Unix(1e9, 0)}; return New(c.now), c }
func at(address string) Client                    { return Client{Addr: netip.MustParseAddr(address)} }
func (w *Watch) wrong(c Client, a string) Verdict { return w.Judge(c, a, false) }

// fail has n logins fail, and wants the last of them, and no other, to begin a block of this scope.
func fail(t *testing.T, w *Watch, n int, c Client, account func(int) string, scope Scope) *Block {
	t.Helper()
	for i := range n {
		v := w.wrong(c, account(i))
		if v.Refused != nil || (v.Began != nil) != (i == n-1) {
			t.Fatalf("failure %d: %+v", i+1, v)
		}
		if v.Began != nil {
			if v.Began.Scope != scope {
				t.Fatalf("the block is for the %v, want the %v", v.Began.Scope, scope)
			}
			return v.Began
		}
	}
	return nil
}

func same(name string) func(int) string { return func(int) string { return name } }
func each(i int) string                 { return fmt.Sprintf("account%d", i) }

func wantBlocked(t *testing.T, w *Watch, c Client, account string, want bool) {
	t.Helper()
	if b := w.Blocked(c, account); (b != nil) != want {
		t.Errorf("login to %s from %v: block %+v, want one: %v", account, c.Addr, b, want)
	}
}

// An address that guesses at an account is blocked for that account alone; elsewhere the right password gets in.
func TestPairIsBlocked(t *testing.T) {
	w, now := newWatch()
	b := fail(t, w, 5, at("192.0.2.1"), same("app"), Pair)
	if want := now.Add(15 * time.Minute); !b.Until.Equal(want) {
		t.Errorf("blocked until %v, want %v", b.Until, want)
	}
	wantBlocked(t, w, at("192.0.2.1"), "app", true)
	wantBlocked(t, w, at("192.0.2.1"), "other", false)
	wantBlocked(t, w, at("192.0.2.2"), "app", false)
	if v := w.Judge(at("192.0.2.2"), "app", true); v != (Verdict{}) {
		t.Errorf("a right login from elsewhere: %+v", v)
	}
	now.pass(15*time.Minute - 1)
	wantBlocked(t, w, at("192.0.2.1"), "app", true)
	now.pass(1)
	wantBlocked(t, w, at("192.0.2.1"), "app", false)
}

func TestAddressIsBlocked(t *testing.T) {
	w, _ := newWatch()
	fail(t, w, 20, at("192.0.2.1"), each, Address)
	wantBlocked(t, w, at("192.0.2.1"), "new", true)
	wantBlocked(t, w, at("192.0.2.2"), "new", false)

	w, _ = newWatch()
	trusted := at("192.0.2.1")
	trusted.Trusted = true
	for i := range 40 {
		w.wrong(trusted, each(i))
		w.wrong(Client{}, each(100+i))
	}
	wantBlocked(t, w, trusted, "new", false)
	wantBlocked(t, w, Client{}, "new", false)
	fail(t, w, 5, trusted, same("app"), Pair)
}

// A whole /64 is one address.
func TestIPv6(t *testing.T) {
	w, _ := newWatch()
	for i := range 20 {
		w.wrong(at(fmt.Sprintf("2001:db8:0:1::%x", i+1)), each(i))
	}
	wantBlocked(t, w, at("2001:db8:0:1:ffff::"), "new", true)
	wantBlocked(t, w, at("2001:db8:0:2::1"), "new", false)
	fail(t, w, 5, at("::ffff:192.0.2.9"), same("app"), Pair)
	wantBlocked(t, w, at("192.0.2.9"), "app", true)
}

// Guesses from many addresses block the account, but not where its owner logged in before.
func TestAccountIsBlocked(t *testing.T) {
	w, now := newWatch()
	if v := w.Judge(at("198.51.100.1"), "app", true); v != (Verdict{}) {
		t.Fatalf("%+v", v)
	}
	for i := range 50 {
		v := w.wrong(at(fmt.Sprintf("192.0.2.%d", i)), "app")
		if (v.Began != nil) != (i == 49) || v.Began != nil && v.Began.Scope != Account {
			t.Fatalf("failure %d: %+v", i+1, v)
		}
	}
	wantBlocked(t, w, at("192.0.2.99"), "app", true)
	wantBlocked(t, w, at("192.0.2.99"), "other", false)
	wantBlocked(t, w, at("198.51.100.1"), "app", false)
	fail(t, w, 5, at("198.51.100.1"), same("app"), Pair) // known, but not trusted blindly
	now.pass(15 * time.Minute)
	wantBlocked(t, w, at("192.0.2.99"), "app", false)
}

func TestDelayGrows(t *testing.T) {
	w, now := newWatch()
	for i, want := range []time.Duration{1, 2, 4, 8, 16, 16, 16} {
		if v := w.wrong(at("192.0.2.1"), each(i)); v.Delay != want*time.Second {
			t.Errorf("delay %d is %v", i+1, v.Delay)
		}
	}
	if v := w.wrong(at("192.0.2.2"), "x"); v.Delay != time.Second {
		t.Errorf("first delay of another: %v", v.Delay)
	}
	now.pass(24 * time.Hour)
	if v := w.wrong(at("192.0.2.1"), "x"); v.Delay != time.Second {
		t.Errorf("delay after a day: %v", v.Delay)
	}
}

// Each block is longer than the one before, up to a bound, and a quiet day makes up for it.
func TestBlocksGrow(t *testing.T) {
	w, now := newWatch()
	for _, minutes := range []time.Duration{15, 30, 60, 120, 240, 240} {
		b := fail(t, w, 5, at("192.0.2.1"), same("app"), Pair)
		if length := b.Until.Sub(now.Time); length != minutes*time.Minute {
			t.Errorf("a block of %v, want %d minutes", length, minutes)
		}
		now.pass(b.Until.Sub(now.Time))
	}
	now.pass(memory + time.Second)
	if b := fail(t, w, 5, at("192.0.2.1"), same("app"), Pair); b.Until.Sub(now.Time) != 15*time.Minute {
		t.Errorf("after a quiet day: %v", b.Until.Sub(now.Time))
	}
}

// An application that has a wrong password and never gives up does not block its address for others.
func TestWrongPasswordForDays(t *testing.T) {
	w, now := newWatch()
	for range 3 * 24 * 60 {
		if w.Blocked(at("192.0.2.1"), "app") == nil {
			w.wrong(at("192.0.2.1"), "app")
		}
		now.pass(time.Minute)
		wantBlocked(t, w, at("192.0.2.1"), "other", false)
		wantBlocked(t, w, at("192.0.2.2"), "app", false)
		if t.Failed() {
			t.FailNow()
		}
	}
}

func TestFailuresAreForgotten(t *testing.T) {
	w, now := newWatch()
	for i := range 100 { // slower than they are forgotten
		if v := w.wrong(at("192.0.2.1"), "app"); v.Began != nil {
			t.Fatalf("failure %d begins a block", i+1)
		}
		now.pass(11 * time.Minute)
	}
	for range 10 { // a person who errs now and then
		for range 4 {
			w.wrong(at("192.0.2.3"), "me")
		}
		if v := w.Judge(at("192.0.2.3"), "me", true); v != (Verdict{}) {
			t.Fatalf("%+v", v)
		}
		now.pass(time.Hour)
	}
}

// Logins that were under way when the block began tell nothing, be they right or wrong.
func TestUnderWay(t *testing.T) {
	w, _ := newWatch()
	b := fail(t, w, 5, at("192.0.2.1"), same("app"), Pair)
	for _, right := range []bool{true, false} {
		if v := w.Judge(at("192.0.2.1"), "app", right); v.Refused == nil || *v.Refused != *b || v.Began != nil || v.Delay != 0 {
			t.Errorf("right: %v gives %+v", right, v)
		}
	}
}

// However many addresses and accounts there are, memory is bounded, and what happened last is not forgotten first.
func TestBounded(t *testing.T) {
	w, now := newWatch()
	fail(t, w, 5, at("192.0.2.1"), same("app"), Pair)
	for i := range 3 * maxEntries {
		a := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
		w.wrong(Client{Addr: a}, each(i))
		if i%1000 == 0 {
			now.pass(time.Second)
			if i < 2*maxEntries {
				wantBlocked(t, w, at("192.0.2.1"), "app", true)
			}
		}
	}
	for _, n := range []int{len(w.addresses.entries), len(w.pairs.entries), len(w.accounts.entries)} {
		if n > maxEntries {
			t.Errorf("%d entries", n)
		}
	}
}

func TestClockGoesBack(t *testing.T) {
	w, now := newWatch()
	w.wrong(at("192.0.2.1"), "app")
	now.pass(-time.Hour)
	if v := w.wrong(at("192.0.2.1"), "app"); v.Delay != 2*time.Second {
		t.Errorf("%+v", v)
	}
}
