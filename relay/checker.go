package relay

import (
	"io"
	"log/slog"
	"time"

	"tlsrelay/configs"
	"tlsrelay/relay/check"
	"tlsrelay/tlspolicy/probe"
)

// What a check of other servers works with.
type (
	CheckTarget = check.Target
	CheckReport = check.Report
)

// ParseCheckTarget reads a domain, "host:port" or an address; with implicit, TLS starts with the first byte there. The error
// is a sentence for the operator.
func ParseCheckTarget(text string, implicit bool) (CheckTarget, error) {
	return check.ParseTarget(text, implicit)
}

// Checker says what TLS the servers of targets offer, and whether mail would be delivered to them under the policy of a
// configuration. It needs neither a relay that runs nor the data folder.
type Checker struct {
	*check.Checker
	way   *check.Way
	close func()
}

// checkKeep is how long a Checker believes an answer: longer than it lives.
const checkKeep = time.Hour

// NewChecker makes a Checker; Close ends it. perAddress bounds the time for one address.
func NewChecker(cfg *configs.Config, perAddress time.Duration, log *slog.Logger) (*Checker, error) {
	resolver, err := newResolver(&cfg.DNS)
	if err != nil {
		return nil, err
	}
	d, err := (&live{resolver: resolver}).newDeliverer(cfg, selfOf(cfg), nil, log)
	if err != nil {
		resolver.Close()
		return nil, err
	}
	way := check.NewWay(d.Reach)
	prober := probe.New(probe.Options{Open: way.Open, Now: time.Now, Keep: checkKeep, Probes: check.AddressesAtOnce})
	return &Checker{
		Checker: check.New(check.Options{
			Mail: d, Prober: prober, Way: way, Port: uint16(cfg.Delivery.Port), PerAddress: perAddress,
			Lifetime: time.Duration(cfg.Queue.Lifetime), Now: time.Now,
		}),
		way:   way,
		close: resolver.Close,
	}, nil
}

// Advice is what the operator should know when all is done; "" for nothing.
func (c *Checker) Advice() string {
	if c.way.Blocked() {
		return check.BlockedAdvice
	}
	return ""
}

// Close gives back what the Checker uses.
func (c *Checker) Close() { c.close() }

// WriteCheckTable writes a report for people.
func WriteCheckTable(w io.Writer, r *CheckReport, color bool) error {
	return check.Table(w, r, check.Style{Color: color})
}

// WriteCheckJSON writes a report for scripts, as one line.
func WriteCheckJSON(w io.Writer, r *CheckReport) error { return check.JSON(w, r) }
