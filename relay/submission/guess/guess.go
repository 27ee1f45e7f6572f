// Package guess slows down and blocks who guesses passwords. It counts failed logins by address, by account, and by
// both together, and forgets them with time. What is counted says nothing about whether an account exists.
//
// An address that guesses at one account is blocked for that account long before the account as a whole is: whoever
// knows the password still gets in from elsewhere. Only guesses from many addresses block an account, and even then
// not for an address from which somebody has logged in to it.
package guess

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"time"

	"tlsrelay/relay/party"
)

// Scope says what a block holds for.
type Scope uint8

const (
	Address Scope = iota // all logins from an address
	Pair                 // logins to one account from one address
	Account              // logins to an account from addresses that never logged in to it
)

// String names the scope in a log.
func (s Scope) String() string { return [...]string{"address", "account and address", "account"}[s] }

// rules say how many failures begin a block, for each scope. An application with a wrong password that tries again and
// again runs into the second one only: it does not have its address blocked for others.
var rules = [...]rule{
	Address: {limit: 20, forget: 6 * time.Minute, block: 15 * time.Minute, longest: 4 * time.Hour},
	Pair:    {limit: 5, forget: 10 * time.Minute, block: 15 * time.Minute, longest: 4 * time.Hour},
	Account: {limit: 50, forget: 6 * time.Minute, block: 15 * time.Minute, longest: time.Hour},
}

// Delays of the replies to failed logins: they double with each.
const (
	firstDelay   = time.Second
	longestDelay = 16 * time.Second
)

// Block says that no login is tried until then.
type Block struct {
	Scope Scope
	Until time.Time
}

// Client is where a login comes from.
type Client struct {
	Addr    netip.Addr // an IPv6 address stands for its /64; invalid: not over a network
	Trusted bool       // the address speaks for many, and is never blocked as a whole
}

// Watch counts failed logins. Its methods may be called from many goroutines at once.
type Watch struct {
	now  func() time.Time
	seed maphash.Seed

	mu        sync.Mutex
	addresses table[netip.Prefix]
	pairs     table[pair]
	accounts  table[uint64]
	known     table[pair] // where logins were right: nobody can fill it with guesses
}

// pair is an account at which an address was tried. Names are kept as hashes: a client may send long ones.
type pair struct {
	from    netip.Prefix
	account uint64
}

// New makes a Watch that has seen nothing yet.
func New(now func() time.Time) *Watch {
	return &Watch{
		now: now, seed: maphash.MakeSeed(),
		addresses: newTable[netip.Prefix](rules[Address]),
		pairs:     newTable[pair](rules[Pair]),
		accounts:  newTable[uint64](rules[Account]),
		known:     newTable[pair](rule{}),
	}
}

// Blocked gives the block that a login runs into, or nil. Ask before the password is checked.
func (w *Watch) Blocked(c Client, account string) *Block {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.blocked(c, w.pair(c, account), w.now())
}

// Verdict is what a checked login comes to.
type Verdict struct {
	Refused *Block        // a block that began while the password was checked: the answer tells nothing of the password
	Began   *Block        // the block that this failure began
	Delay   time.Duration // how long the answer to a wrong password is held back
}

// Judge takes note of a login whose password was checked. Many connections at once cannot try more passwords than one
// after the other: when one of them has begun a block, the others learn nothing any more.
func (w *Watch) Judge(c Client, account string, right bool) Verdict {
	w.mu.Lock()
	defer w.mu.Unlock()
	now, p := w.now(), w.pair(c, account)
	if b := w.blocked(c, p, now); b != nil {
		return Verdict{Refused: b}
	}
	if right {
		w.pairs.drop(p)
		w.known.entry(p, now)
		return Verdict{}
	}
	return w.failed(c, p, now)
}

func (w *Watch) failed(c Client, p pair, now time.Time) Verdict {
	failures, until := w.pairs.fail(p, now)
	began := block(Pair, until)
	if _, until := w.accounts.fail(p.account, now); !until.IsZero() {
		began = block(Account, until)
	}
	if c.counts() {
		n, until := w.addresses.fail(p.from, now)
		failures = max(failures, n)
		if !until.IsZero() {
			began = block(Address, until)
		}
	}
	return Verdict{Began: began, Delay: delayAfter(failures)}
}

func (w *Watch) blocked(c Client, p pair, now time.Time) *Block {
	if c.counts() {
		if b := block(Address, w.addresses.blocked(p.from, now)); b != nil {
			return b
		}
	}
	if b := block(Pair, w.pairs.blocked(p, now)); b != nil {
		return b
	}
	if w.known.has(p) {
		return nil
	}
	return block(Account, w.accounts.blocked(p.account, now))
}

func block(s Scope, until time.Time) *Block {
	if until.IsZero() {
		return nil
	}
	return &Block{s, until}
}

func (w *Watch) pair(c Client, account string) pair {
	return pair{party.Of(c.Addr), maphash.String(w.seed, account)}
}

// counts reports whether the address is blocked for what comes from it.
func (c Client) counts() bool { return c.Addr.IsValid() && !c.Trusted }

// delayAfter doubles from failure to failure.
func delayAfter(failures float64) time.Duration {
	delay := firstDelay
	for n := 2; n <= int(failures+0.5) && delay < longestDelay; n++ {
		delay *= 2
	}
	return delay
}
