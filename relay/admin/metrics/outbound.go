package metrics

import (
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"tlsrelay/queue"
	"tlsrelay/tlspolicy"
)

// outbound is what becomes of the mail.
type outbound struct {
	results   map[result]prometheus.Counter
	delivered map[session]prometheus.Counter
	delay     prometheus.Histogram
	attempts  prometheus.Histogram
	notices   map[queue.NoticeKind]prometheus.Counter
}

type result struct {
	queue.Result
	cause string
}

// session is the TLS of a delivery.
type session struct {
	version     string // "" is clear text
	postQuantum bool
}

// Buckets in seconds. Most mail is delivered in a fraction of a second, and some after as many days as it may wait.
var (
	attemptBuckets = []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600}
	delayBuckets   = append(attemptBuckets[:len(attemptBuckets):len(attemptBuckets)], 4*3600, 12*3600, 24*3600, 3*24*3600)
)

func newOutbound(with promauto.Factory) outbound {
	return outbound{
		results:   newResults(with),
		delivered: newDelivered(with),
		delay: with.NewHistogram(prometheus.HistogramOpts{
			Namespace: namespace, Name: "delivery_delay_seconds", Buckets: delayBuckets,
			Help: "Time from accepting a message to its delivery, for each recipient delivered.",
		}),
		attempts: with.NewHistogram(prometheus.HistogramOpts{
			Namespace: namespace, Name: "attempt_duration_seconds", Buckets: attemptBuckets,
			Help: "Time that attempts to deliver took, each of one message to one destination, whatever they came to.",
		}),
		notices: newNotices(with),
	}
}

func newResults(with promauto.Factory) map[result]prometheus.Counter {
	vec := with.NewCounterVec(prometheus.CounterOpts{
		Namespace: namespace, Name: "delivery_results_total",
		Help: "What attempts came to, for each recipient, as msg=delivery in the log: result is delivered, deferred (it will be tried " +
			"again) or failed (given up); cause says why not. Mail that is deferred with other mail for the same hosts counts, too.",
	}, []string{"result", "cause"})
	all := map[result]prometheus.Counter{}
	for _, r := range []queue.Result{queue.ResultDeferred, queue.ResultDelivered, queue.ResultFailed} {
		for _, cause := range causes() {
			if cause == "" || r != queue.ResultDelivered {
				all[result{r, cause}] = vec.WithLabelValues(r.String(), cause)
			}
		}
	}
	return all
}

// causes are the keys of the table, and "" for none.
func causes() []string {
	keys := []string{""}
	for _, c := range tlspolicy.Causes() {
		keys = append(keys, c.Key)
	}
	for _, c := range queue.Causes() {
		keys = append(keys, c.Key)
	}
	return keys
}

func newDelivered(with promauto.Factory) map[session]prometheus.Counter {
	vec := with.NewCounterVec(prometheus.CounterOpts{
		Namespace: namespace, Name: "delivered_recipients_total",
		Help: "Recipients delivered, by the version of TLS (none: clear text) and whether the key exchange was post-quantum.",
	}, []string{"tls_version", "post_quantum"})
	all := map[session]prometheus.Counter{}
	for _, s := range []session{{"", false}, {"1.2", false}, {"1.3", false}, {"1.3", true}} {
		version := s.version
		if version == "" {
			version = "none"
		}
		all[s] = vec.WithLabelValues(version, strconv.FormatBool(s.postQuantum))
	}
	return all
}

func newNotices(with promauto.Factory) map[queue.NoticeKind]prometheus.Counter {
	vec := with.NewCounterVec(prometheus.CounterOpts{
		Namespace: namespace, Name: "notices_total",
		Help: "Notices to senders, as msg=notice in the log: failure (mail was given up), delay (it is late), relayed (it went to a server " +
			"that gives no such notice itself).",
	}, []string{"kind"})
	all := map[queue.NoticeKind]prometheus.Counter{}
	for _, kind := range []queue.NoticeKind{queue.NoticeFailure, queue.NoticeDelay, queue.NoticeRelayed} {
		all[kind] = vec.WithLabelValues(kind.String())
	}
	return all
}

// Result implements [queue.Tally].
func (out *outbound) Result(r queue.Result, o *queue.Outcome, delay time.Duration) {
	if c, known := out.results[result{r, o.Cause}]; known {
		c.Inc()
	} else { // no cause of the table
		out.results[result{r, ""}].Inc()
	}
	if r == queue.ResultDelivered {
		if c, known := out.delivered[session{o.TLS.Version, isPostQuantum(o.TLS.Group)}]; known {
			c.Inc()
		}
		out.delay.Observe(seconds(delay))
	}
}

// Notice implements [queue.Tally].
func (out *outbound) Notice(kind queue.NoticeKind) { out.notices[kind].Inc() }

// Attempt is told how long an attempt took.
func (out *outbound) Attempt(took time.Duration) { out.attempts.Observe(seconds(took)) }

// seconds gives a time that does not make a sum fall when the clock was set back.
func seconds(d time.Duration) float64 { return max(d, 0).Seconds() }

// isPostQuantum reports whether a group of TLS is a hybrid with ML-KEM, as all post-quantum ones are: "X25519MLKEM768".
func isPostQuantum(group string) bool { return strings.Contains(group, "MLKEM") }
