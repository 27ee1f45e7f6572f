package metrics

import (
	"math"
	"runtime/debug"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"tlsrelay/queue"
	"tlsrelay/queue/spool"
)

// State gives numbers that parts of the relay keep, as they are when it is asked. All but Expires are needed.
type State struct {
	Ready          func() bool // mail is accepted
	Connections    func() int  // of clients
	Store          func() spool.Stats
	Free           func() (int64, error) // bytes for the store
	Jobs           func() queue.Hints
	SmallHellos    func() int64
	Probes         func() int64
	WatchedServers func() int
	Expires        func() time.Time // of the listeners' certificate; nil: there is none
}

// Watch shows s from now on. It is called once.
func (m *Metrics) Watch(s State) {
	with := promauto.With(m.registry)
	gauge := func(name, help string, labels prometheus.Labels, value func() float64) {
		with.NewGaugeFunc(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help, ConstLabels: labels}, value)
	}
	counter := func(name, help string, value func() int64) {
		with.NewCounterFunc(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, func() float64 { return float64(value()) })
	}
	gauge("ready", "1 if mail is accepted, else 0; /readyz says why.", nil, func() float64 {
		if s.Ready() {
			return 1
		}
		return 0
	})
	gauge("connections", "Clients that are connected now.", nil, func() float64 { return float64(s.Connections()) })
	gauge("queue_messages", "Messages in the queue.", nil, func() float64 { return float64(s.Store().Messages) })
	m.jobs(s, gauge)
	gauge("store_segments", "Files of 64 MB that the queue takes on the disk, not all of them full.", nil,
		func() float64 { return float64(s.Store().Segments) })
	gauge("store_free_bytes", "Free space where the queue lies; new mail is refused below free_space of the configuration.", nil, func() float64 {
		free, err := s.Free()
		if err != nil {
			return math.NaN()
		}
		return float64(free)
	})
	gauge("store_damaged", "Places in the queue that were found unreadable since the start; tlsrelay queue check names them.", nil,
		func() float64 { return float64(s.Store().Damaged) })
	counter("small_hello_total", "TLS handshakes that went well only with a small ClientHello, at servers that fail with the usual one.",
		s.SmallHellos)
	counter("probes_total", "Probes, without mail, of what TLS a server offers.", s.Probes)
	gauge("watched_servers", "Servers whose TLS fails, and that are tried until they are repaired because mail waits for them.", nil,
		func() float64 { return float64(s.WatchedServers()) })
	if s.Expires != nil {
		gauge("certificate_expiry_timestamp_seconds", "When the listeners' certificate expires, or the first of them, in seconds since 1970.", nil,
			func() float64 { return float64(s.Expires().Unix()) })
	}
}

// jobs shows where jobs stand.
func (m *Metrics) jobs(s State, gauge func(string, string, prometheus.Labels, func() float64)) {
	for state, value := range map[string]func() int{
		"active":    func() int { return s.Store().Claimed },
		"due":       func() int { return s.Jobs().Due },
		"scheduled": func() int { return s.Jobs().Scheduled },
	} {
		gauge("queue_jobs", "Jobs, each one message for one destination: active (being tried), due (waiting for their turn) or scheduled "+
			"(waiting for the time of their next attempt).", prometheus.Labels{"state": state}, func() float64 { return float64(value()) })
	}
}

// build shows which program this is.
func build(r prometheus.Registerer) {
	labels := prometheus.Labels{"version": "unknown", "revision": "unknown", "goversion": "unknown"}
	if info, ok := debug.ReadBuildInfo(); ok {
		labels["version"], labels["goversion"] = info.Main.Version, info.GoVersion
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				labels["revision"] = s.Value
			}
		}
	}
	promauto.With(r).NewGauge(prometheus.GaugeOpts{
		Namespace: namespace, Name: "build_info", Help: "1; the labels say which version of the program runs.", ConstLabels: labels,
	}).Set(1)
}
