package help

import (
	"log/slog"
	"net/netip"
	"sync/atomic"
	"time"

	"tlsrelay/relay/notice"
	"tlsrelay/tlspolicy/ledger"
)

// Settings is what can change while the pages are served.
type Settings struct {
	Relay    string         // name of this relay, as in EHLO
	Language string         // for clients that ask for none there is: "en" or "de"
	Floor    string         // the oldest TLS version that is used by default, "1.2"
	Texts    *notice.Texts  // about the causes; nil: the built-in ones
	Proxies  []netip.Prefix // whose X-Forwarded-For counts

	// Lifetime is how long mail that fails with a cause is tried. nil: it is not told.
	Lifetime func(cause string) time.Duration
}

// Pages is an [net/http.Handler] for /help/ and /help/CAUSE.
type Pages struct {
	settings atomic.Pointer[Settings]
	evidence func(domain string) (ledger.Entry, bool)
	limits   *limits
	now      func() time.Time
	log      *slog.Logger
}

// New makes pages that show what evidence has of a domain, in lower case and ASCII.
func New(s Settings, evidence func(domain string) (ledger.Entry, bool), log *slog.Logger) *Pages {
	p := &Pages{evidence: evidence, limits: newLimits(), now: time.Now, log: log}
	p.Configure(s)
	return p
}

// Configure has all further requests answered by s.
func (p *Pages) Configure(s Settings) { p.settings.Store(&s) }
