package metrics

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"

	"tlsrelay/queue"
	"tlsrelay/queue/spool"
	"tlsrelay/tlspolicy"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// testState is what parts of a relay might say.
func testState() State {
	return State{
		Ready:       func() bool { return true },
		Connections: func() int { return 3 },
		Store:       func() spool.Stats { return spool.Stats{Messages: 10, Claimed: 4, Segments: 2, Damaged: 1} },
		Free:        func() (int64, error) { return 5e9, nil },
		Jobs:        func() queue.Hints { return queue.Hints{Scheduled: 6, Due: 7} },
		SmallHellos: func() int64 { return 8 }, Probes: func() int64 { return 9 }, WatchedServers: func() int { return 11 },
		Expires: func() time.Time { return time.Unix(1_800_000_000, 0) },
	}
}

// scrape gives all series of this package with their values, "tlsrelay_connections" or `tlsrelay_notices_total{kind="delay"}`, but of
// histograms only count and sum.
func scrape(t testing.TB, m *Metrics) map[string]float64 {
	t.Helper()
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]float64{}
	for _, f := range families {
		if !strings.HasPrefix(f.GetName(), namespace+"_") {
			continue
		}
		for _, s := range f.GetMetric() {
			var labels []string
			for _, l := range s.GetLabel() {
				labels = append(labels, l.GetName()+`="`+l.GetValue()+`"`)
			}
			name := f.GetName()
			if labels != nil {
				name += "{" + strings.Join(labels, ",") + "}"
			}
			if h := s.GetHistogram(); h != nil {
				all[name+"_count"], all[name+"_sum"] = float64(h.GetSampleCount()), h.GetSampleSum()
				continue
			}
			all[name] = s.GetCounter().GetValue() + s.GetGauge().GetValue()
		}
	}
	return all
}

// changes gives the series that are not what they were.
func changes(before, after map[string]float64) map[string]float64 {
	all := map[string]float64{}
	for name, value := range after {
		if was, known := before[name]; !known || was != value {
			all[name] = value
		}
	}
	return all
}

func TestEvents(t *testing.T) {
	failed := &queue.Outcome{Result: queue.ResultFailed, Cause: queue.NullMX.Key}
	late := &queue.Outcome{Result: queue.ResultDeferred, Cause: tlspolicy.VersionBelowFloor.Key}
	sent := func(version, group string) *queue.Outcome {
		return &queue.Outcome{Result: queue.ResultDelivered, TLS: queue.TLSFacts{Version: version, Group: group}}
	}
	for name, test := range map[string]struct {
		event func(*Metrics)
		want  map[string]float64
	}{
		"accepted": {func(m *Metrics) { m.Accepted(3, 1000) }, map[string]float64{
			"tlsrelay_accepted_messages_total": 1, "tlsrelay_accepted_recipients_total": 3, "tlsrelay_accepted_bytes_total": 1000}},
		"refused for now": {func(m *Metrics) { m.Refused("RCPT", true) }, map[string]float64{`tlsrelay_refusals_total{class="temporary",command="RCPT"}`: 1}},
		"refused":         {func(m *Metrics) { m.Refused("DATA", false) }, map[string]float64{`tlsrelay_refusals_total{class="permanent",command="DATA"}`: 1}},
		"failed": {func(m *Metrics) { m.Result(queue.ResultFailed, failed, time.Second) }, map[string]float64{
			`tlsrelay_delivery_results_total{cause="null-mx",result="failed"}`: 1}},
		"deferred": {func(m *Metrics) { m.Result(queue.ResultDeferred, late, time.Second) }, map[string]float64{
			`tlsrelay_delivery_results_total{cause="tls-version",result="deferred"}`: 1}},
		"expired": {func(m *Metrics) { m.Result(queue.ResultFailed, late, time.Second) }, map[string]float64{
			`tlsrelay_delivery_results_total{cause="tls-version",result="failed"}`: 1}},
		"delivered": {func(m *Metrics) { m.Result(queue.ResultDelivered, sent("1.3", "X25519MLKEM768"), 2*time.Second) }, map[string]float64{
			`tlsrelay_delivery_results_total{cause="",result="delivered"}`:               1,
			`tlsrelay_delivered_recipients_total{post_quantum="true",tls_version="1.3"}`: 1,
			"tlsrelay_delivery_delay_seconds_count":                                      1, "tlsrelay_delivery_delay_seconds_sum": 2}},
		"delivered over TLS 1.2": {func(m *Metrics) { m.Result(queue.ResultDelivered, sent("1.2", "X25519"), 0) }, map[string]float64{
			`tlsrelay_delivery_results_total{cause="",result="delivered"}`:                1,
			`tlsrelay_delivered_recipients_total{post_quantum="false",tls_version="1.2"}`: 1, "tlsrelay_delivery_delay_seconds_count": 1}},
		"delivered in clear text, by a clock that was set back": {func(m *Metrics) { m.Result(queue.ResultDelivered, sent("", ""), -time.Hour) },
			map[string]float64{
				`tlsrelay_delivery_results_total{cause="",result="delivered"}`:                 1,
				`tlsrelay_delivered_recipients_total{post_quantum="false",tls_version="none"}`: 1, "tlsrelay_delivery_delay_seconds_count": 1}},
		"attempt":         {func(m *Metrics) { m.Attempt(time.Minute) }, map[string]float64{"tlsrelay_attempt_duration_seconds_count": 1, "tlsrelay_attempt_duration_seconds_sum": 60}},
		"failure notice":  {func(m *Metrics) { m.Notice(queue.NoticeFailure) }, map[string]float64{`tlsrelay_notices_total{kind="failure"}`: 1}},
		"delay notice":    {func(m *Metrics) { m.Notice(queue.NoticeDelay) }, map[string]float64{`tlsrelay_notices_total{kind="delay"}`: 1}},
		"relayed notice":  {func(m *Metrics) { m.Notice(queue.NoticeRelayed) }, map[string]float64{`tlsrelay_notices_total{kind="relayed"}`: 1}},
		"no such command": {func(m *Metrics) { m.Refused("b@dest.example", true) }, map[string]float64{}},
		"no such cause": {func(m *Metrics) { m.Result(queue.ResultFailed, &queue.Outcome{Cause: "b@dest.example"}, 0) },
			map[string]float64{`tlsrelay_delivery_results_total{cause="",result="failed"}`: 1}},
		"no such TLS": {func(m *Metrics) { m.Result(queue.ResultDelivered, sent("b@dest.example", "MLKEM"), 0) }, map[string]float64{
			`tlsrelay_delivery_results_total{cause="",result="delivered"}`: 1, "tlsrelay_delivery_delay_seconds_count": 1}},
	} {
		m := New()
		before := scrape(t, m)
		test.event(m)
		after := scrape(t, m)
		if got := changes(before, after); !maps.Equal(got, test.want) {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
		if len(after) != len(before) {
			t.Errorf("%s: makes new series", name)
		}
	}
}

func TestState(t *testing.T) {
	m, s := New(), testState()
	before := scrape(t, m)
	m.Watch(s)
	want := map[string]float64{
		"tlsrelay_ready": 1, "tlsrelay_connections": 3, "tlsrelay_queue_messages": 10, `tlsrelay_queue_jobs{state="active"}`: 4,
		`tlsrelay_queue_jobs{state="scheduled"}`: 6, `tlsrelay_queue_jobs{state="due"}`: 7, "tlsrelay_store_segments": 2,
		"tlsrelay_store_damaged": 1, "tlsrelay_store_free_bytes": 5e9, "tlsrelay_small_hello_total": 8, "tlsrelay_probes_total": 9,
		"tlsrelay_watched_servers": 11, "tlsrelay_certificate_expiry_timestamp_seconds": 1_800_000_000,
	}
	if got := changes(before, scrape(t, m)); !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	m, s = New(), testState()
	s.Ready, s.Expires, s.Free = func() bool { return false }, nil, func() (int64, error) { return 0, errors.New("no disk") }
	m.Watch(s)
	got := scrape(t, m)
	if free := got["tlsrelay_store_free_bytes"]; free == free || got["tlsrelay_ready"] != 0 {
		t.Errorf("not ready: %v, free space that cannot be told: %v", got["tlsrelay_ready"], free)
	}
	if _, shown := got["tlsrelay_certificate_expiry_timestamp_seconds"]; shown {
		t.Error("a certificate that is not there expires")
	}
}

// The names and texts are as Prometheus wants them.
func TestLint(t *testing.T) {
	m := New()
	m.Watch(testState())
	problems, err := testutil.GatherAndLint(m.registry)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

// Each cause of the table has its series from the start, so that an increase is seen the first time.
func TestCausesAreThereFromTheStart(t *testing.T) {
	all := scrape(t, New())
	keys := causes()
	if len(keys) < 20 || len(keys) != len(slices.Compact(slices.Sorted(slices.Values(keys)))) {
		t.Errorf("causes %v", keys)
	}
	for _, key := range keys {
		for _, r := range []string{"deferred", "failed"} {
			if _, there := all[`tlsrelay_delivery_results_total{cause="`+key+`",result="`+r+`"}`]; !there {
				t.Errorf("no series for %q that %s", key, r)
			}
		}
	}
}

func BenchmarkAccepted(b *testing.B) {
	m := New()
	b.ReportAllocs()
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			m.Accepted(1, 4096)
		}
	})
}

func BenchmarkDelivered(b *testing.B) {
	m := New()
	o := &queue.Outcome{Result: queue.ResultDelivered, TLS: queue.TLSFacts{Version: "1.3", Group: "X25519MLKEM768"}}
	b.ReportAllocs()
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			m.Result(queue.ResultDelivered, o, 50*time.Millisecond)
		}
	})
}
