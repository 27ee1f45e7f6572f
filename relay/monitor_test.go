package relay

import (
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	netsmtp "net/smtp"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"tlsrelay/configs"
)

// monitoredConfig is testConfig with health and metrics.
func monitoredConfig(t *testing.T, dir, next string) *configs.Config {
	cfg := testConfig(t, dir, next)
	cfg.Admin.Address = "127.0.0.1:0"
	return cfg
}

// ask gets one of the relay's answers.
func (r *Relay) ask(t *testing.T, path string) (status int, text string) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	res, err := client.Get("http://" + r.monitor.Addr().String() + path)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

// series reads the values of a scrape, of this relay's own names.
func series(t *testing.T, scrape string) map[string]float64 {
	t.Helper()
	all := map[string]float64{}
	for line := range strings.Lines(scrape) {
		if !strings.HasPrefix(line, "tlsrelay_") {
			continue
		}
		name, text, _ := strings.Cut(strings.TrimSpace(line), "} ")
		if text != "" {
			name += "}"
		} else {
			name, text, _ = strings.Cut(name, " ")
		}
		value, err := strconv.ParseFloat(text, 64)
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		all[name] = value
	}
	return all
}

// scrapeUntil asks until the series have these values.
func (r *Relay) scrapeUntil(t *testing.T, want map[string]float64) map[string]float64 {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		status, text := r.ask(t, "/metrics")
		got := series(t, text)
		missing := maps.Clone(want)
		maps.DeleteFunc(missing, func(name string, value float64) bool { v, there := got[name]; return there && v == value })
		switch {
		case status == http.StatusOK && len(missing) == 0:
			return got
		case time.Now().After(deadline):
			t.Fatalf("%d, not as wanted: %v, in\n%s", status, missing, text)
		}
	}
}

const deliveredClear = `tlsrelay_delivered_recipients_total{post_quantum="false",tls_version="none"}`

func TestMetricsOfACourse(t *testing.T) {
	next, host := startSink(t, true)
	r, address, _, stop := runRelay(t, monitoredConfig(t, t.TempDir(), next))
	defer stop()
	sendMail(t, address, "a@dest.test", "nobody@dest.test", "c@other.test")
	got := r.scrapeUntil(t, map[string]float64{
		"tlsrelay_accepted_messages_total": 1, "tlsrelay_accepted_recipients_total": 3,
		`tlsrelay_delivery_results_total{cause="",result="delivered"}`:              3, // the notice, too
		`tlsrelay_delivery_results_total{cause="remote-permanent",result="failed"}`: 1,
		`tlsrelay_notices_total{kind="failure"}`:                                    1, deliveredClear: 3,
		"tlsrelay_delivery_delay_seconds_count": 3, "tlsrelay_attempt_duration_seconds_count": 3,
		"tlsrelay_queue_messages": 0, `tlsrelay_queue_jobs{state="active"}`: 0, `tlsrelay_queue_jobs{state="due"}`: 0,
		`tlsrelay_queue_jobs{state="scheduled"}`: 0, "tlsrelay_ready": 1, "tlsrelay_store_damaged": 0, "tlsrelay_store_segments": 1,
		`tlsrelay_refusals_total{class="permanent",command="RCPT"}`: 0, "tlsrelay_connections": 0,
	})
	if size := got["tlsrelay_accepted_bytes_total"]; size < 100 || size > 1000 {
		t.Errorf("%v bytes", size)
	}
	if expires := got["tlsrelay_certificate_expiry_timestamp_seconds"]; time.Unix(int64(expires), 0).Before(time.Now().AddDate(9, 0, 0)) {
		t.Errorf("the certificate expires at %v", expires)
	}
	for range 3 {
		<-host.got
	}

	host.open.Store(false)
	sendMail(t, address, "d@dest.test")
	c, err := netsmtp.Dial(address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if c.Mail("app@sender.test") != nil || c.Rcpt("bad") == nil {
		t.Error("a bad recipient is taken")
	}
	r.scrapeUntil(t, map[string]float64{
		`tlsrelay_delivery_results_total{cause="remote-temporary",result="deferred"}`: 1, "tlsrelay_queue_messages": 1,
		`tlsrelay_queue_jobs{state="scheduled"}`: 1, `tlsrelay_refusals_total{class="permanent",command="RCPT"}`: 1, "tlsrelay_connections": 1,
	})
	_, text := r.ask(t, "/metrics")
	for _, secret := range []string{"dest.test", "other.test", "sender.test", "relay.test", "nobody", "127.0.0.1", "Subject", "no such user"} {
		if strings.Contains(text, secret) {
			t.Errorf("%s is in the metrics", secret)
		}
	}
	if !strings.Contains(text, "go_goroutines ") || !strings.Contains(text, "process_open_fds ") {
		t.Error("nothing of the Go runtime or the process")
	}
}

// Counters go on over a reload, whatever it changes.
func TestReloadKeepsCounters(t *testing.T) {
	next, _ := startSink(t, true)
	other, _ := startSink(t, true)
	dir := t.TempDir()
	r, address, log, stop := runRelay(t, monitoredConfig(t, dir, next))
	defer stop()
	sendMail(t, address, "a@dest.test")
	r.live.Load().known.UsedSmallHello()
	want := map[string]float64{
		"tlsrelay_accepted_messages_total": 1, deliveredClear: 1, "tlsrelay_attempt_duration_seconds_count": 1, "tlsrelay_small_hello_total": 1,
	}
	r.scrapeUntil(t, want)
	cfg := monitoredConfig(t, dir, other)
	cfg.DNS.Servers = append(cfg.DNS.Servers, r.monitor.Addr().(*net.TCPAddr).AddrPort()) // another resolver, which nobody asks
	cfg.Admin.Address = ""
	if err := r.Reload(cfg); err != nil {
		t.Fatal(err)
	}
	if line, _ := log.find(t, "the configuration was read again, but some changes need a restart"); line["changed"] != "admin" {
		t.Errorf("log %v", line)
	}
	r.scrapeUntil(t, want)
	sendMail(t, address, "b@dest.test")
	r.live.Load().known.UsedSmallHello()
	r.scrapeUntil(t, map[string]float64{
		"tlsrelay_accepted_messages_total": 2, deliveredClear: 2, "tlsrelay_attempt_duration_seconds_count": 2, "tlsrelay_small_hello_total": 2,
	})
}

func TestReadyWhileLoading(t *testing.T) {
	next, _ := startSink(t, true)
	r, err := New(monitoredConfig(t, t.TempDir(), next), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer r.close()
	if why := r.unready(t.Context(), t.Context()); !strings.Contains(why, "still being read") {
		t.Errorf("before the start: %q", why)
	}
}

func TestReadyWithoutSpace(t *testing.T) {
	next, _ := startSink(t, true)
	cfg := monitoredConfig(t, t.TempDir(), next)
	cfg.Queue.FreeSpace = 1e18
	r, address, _, stop := runRelay(t, cfg)
	defer stop()
	status, why := r.ask(t, "/readyz")
	if status != http.StatusServiceUnavailable || !strings.Contains(why, "not enough space") || !strings.HasSuffix(why, ".\n") {
		t.Errorf("%d %q", status, why)
	}
	c, err := netsmtp.Dial(address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.Mail("app@sender.test")
	c.Rcpt("a@dest.test")
	w, err := c.Data()
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(w, "Subject: hello\r\n\r\n")
	if err := w.Close(); err == nil || !strings.HasPrefix(err.Error(), "452") {
		t.Errorf("the message: %v", err)
	}
	r.scrapeUntil(t, map[string]float64{"tlsrelay_ready": 0, `tlsrelay_refusals_total{class="temporary",command="DATA"}`: 1})
	if status, _ := r.ask(t, "/healthz"); status != http.StatusOK {
		t.Errorf("healthz: %d", status)
	}
}

// A relay that stops while a message comes in says so, and is alive to the end.
func TestReadyWhileStopping(t *testing.T) {
	next, _ := startSink(t, true)
	r, address, log, stop := runRelay(t, monitoredConfig(t, t.TempDir(), next))
	if status, text := r.ask(t, "/readyz"); status != http.StatusOK || text != "ok\n" {
		t.Errorf("%d %q", status, text)
	}
	c, err := netsmtp.Dial(address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.Mail("app@sender.test")
	c.Rcpt("a@dest.test")
	w, err := c.Data()
	if err != nil {
		t.Fatal(err)
	}
	stopped := make(chan struct{})
	go func() { stop(); close(stopped) }()
	log.find(t, "stopping")
	if status, why := r.ask(t, "/readyz"); status != http.StatusServiceUnavailable || why != "The relay is stopping.\n" {
		t.Errorf("%d %q", status, why)
	}
	if status, text := r.ask(t, "/healthz"); status != http.StatusOK || text != "ok\n" {
		t.Errorf("healthz: %d %q", status, text)
	}
	io.WriteString(w, "Subject: hello\r\n\r\n")
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	<-stopped
	if c, err := net.Dial("tcp", r.monitor.Addr().String()); err == nil {
		c.Close()
		t.Error("health is served after the end")
	}
}

func TestAdminAddressInUse(t *testing.T) {
	next, _ := startSink(t, true)
	cfg := monitoredConfig(t, t.TempDir(), next)
	cfg.Admin.Address = next
	if _, err := New(cfg, slog.New(slog.DiscardHandler)); err == nil || !strings.HasPrefix(err.Error(), "admin.address: ") {
		t.Errorf("got %v", err)
	}
}

// The mail of the seed case in numbers.
func TestMetricsOfTheSeedCase(t *testing.T) {
	seedCase(t, func(v *village, o *outbound, _ *configs.Config, began time.Time) {
		state := o.state()
		state.Ready, state.Connections = func() bool { return true }, func() int { return 0 }
		o.metrics.Watch(state)
		scrape := func() map[string]float64 {
			w := httptest.NewRecorder()
			o.metrics.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
			return series(t, w.Body.String())
		}
		const deferred, failed = `tlsrelay_delivery_results_total{cause="tls-version",result="deferred"}`,
			`tlsrelay_delivery_results_total{cause="tls-version",result="failed"}`
		const delivered = `tlsrelay_delivered_recipients_total{post_quantum="true",tls_version="1.3"}`
		time.Sleep(time.Hour)
		early := scrape()
		if early[deferred] < 3 || early[failed] != 0 || early[`tlsrelay_notices_total{kind="delay"}`] != 1 || early[delivered] != 1 ||
			early["tlsrelay_watched_servers"] != 1 || early["tlsrelay_probes_total"] < 1 || early["tlsrelay_queue_messages"] != 1 {
			t.Errorf("after an hour: %v", early)
		}
		time.Sleep(began.Add(73 * time.Hour).Sub(time.Now()))
		late := scrape()
		if late[deferred] <= early[deferred] || late[failed] != 1 || late[`tlsrelay_notices_total{kind="failure"}`] != 1 ||
			late[delivered] != 2 || late["tlsrelay_queue_messages"] != 0 {
			t.Errorf("after three days: %v", late)
		}
		for name, value := range early {
			if strings.HasSuffix(name, "_total") && late[name] < value {
				t.Errorf("%s went back from %v to %v", name, value, late[name])
			}
		}
	})
}

var (
	selector = regexp.MustCompile(`(tlsrelay_[a-z0-9_]+)(\{[^}]*\})?`)
	matcher  = regexp.MustCompile(`(\w+)(=~?)"([^"]*)"`)
)

// Every name and label in the README, its alerts above all, is one that a relay has.
func TestMetricsInReadme(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	next, _ := startSink(t, true)
	r, _, _, stop := runRelay(t, monitoredConfig(t, t.TempDir(), next))
	defer stop()
	_, text := r.ask(t, "/metrics")
	names := slices.Collect(maps.Keys(series(t, text)))
	found := selector.FindAllStringSubmatch(string(readme), -1)
	if len(found) < 8 {
		t.Errorf("only %d names in the README", len(found))
	}
	for _, f := range found {
		if !slices.ContainsFunc(names, func(s string) bool { return selects(f[1], f[2], s) }) {
			t.Errorf("no series is %s", f[0])
		}
	}
}

// selects reports whether a name with matchers fits a series.
func selects(name, matchers, series string) bool {
	its, labels, _ := strings.Cut(series, "{")
	for _, m := range matcher.FindAllStringSubmatch(matchers, -1) {
		value := m[3]
		if m[2] == "=" {
			value = regexp.QuoteMeta(value)
		}
		if !regexp.MustCompile(fmt.Sprintf(`(^|,)%s="(%s)"`, m[1], value)).MatchString(labels) {
			return false
		}
	}
	return its == name
}
