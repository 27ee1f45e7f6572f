package metrics

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// namespace is how all names begin.
const namespace = "tlsrelay"

// Bounds of a scrape.
const (
	maxScrapes    = 4 // at once
	scrapeTimeout = 10 * time.Second
)

// Metrics are the numbers of one relay, for all its life: a reload of the configuration does not touch them.
type Metrics struct {
	registry *prometheus.Registry
	inbound
	outbound
}

// New makes metrics at zero, with those of the Go runtime and the process.
func New() *Metrics {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	build(r)
	with := promauto.With(r)
	return &Metrics{registry: r, inbound: newInbound(with), outbound: newOutbound(with)}
}

// Handler answers scrapes, a few at once.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		MaxRequestsInFlight: maxScrapes, Timeout: scrapeTimeout, CoalesceGather: true,
	})
}
