package relay

import (
	"log/slog"
	"path/filepath"
	"time"

	"tlsrelay/configs"
	"tlsrelay/queue"
	"tlsrelay/tlspolicy/ledger"
)

// ledgerFile is where in the data folder stands what TLS was seen where mail failed.
func ledgerFile(cfg *configs.Config) string { return filepath.Join(cfg.DataDir, "ledger") }

// newLedger reads what was seen before. That it cannot be read is no reason not to start.
func newLedger(cfg *configs.Config, log *slog.Logger) *ledger.Ledger {
	l := ledger.New()
	if err := l.Load(ledgerFile(cfg), time.Now()); err != nil {
		log.Warn(err.Error())
	}
	return l
}

// note enters into the ledger what an attempt saw. What was seen at hosts of a route is the operator's own affair, and not for
// everybody who asks for a domain.
func (l *live) note(book *ledger.Ledger, job queue.Job, report queue.Report) {
	domain := job.Destination()
	if l.deliverer.Routed(domain) {
		return
	}
	now := time.Now()
	if len(report.Evidence) > 0 {
		book.Note(domain, seenBy(report.Evidence), now)
	}
	for i := range report.Outcomes {
		if o := &report.Outcomes[i]; o.Result == queue.ResultDelivered {
			book.Delivered(domain, protocol(o.TLS.Version), now)
			return
		}
	}
}

// protocol gives a version with its protocol, "TLS 1.3"; "" for clear text.
func protocol(version string) string {
	if version == "" {
		return ""
	}
	return "TLS " + version
}

func seenBy(evidence []queue.Evidence) []ledger.Seen {
	list := make([]ledger.Seen, len(evidence))
	for i, e := range evidence {
		c := e.Certificate
		list[i] = ledger.Seen{
			Host: e.Host, Cause: e.Cause, Answer: e.Seen, Needed: e.Needed,
			Probed: e.Probed, Offers: e.Offers, KeyExchange: e.KeyExchange, Proven: e.Proven,
			Certificate: ledger.Certificate{Names: c.Names, Issuer: c.Issuer, NotBefore: c.NotBefore, NotAfter: c.NotAfter},
		}
	}
	return list
}
