package relay

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tlsrelay/configs"
	"tlsrelay/queue"
	"tlsrelay/tlspolicy/ledger"
)

func helpConfig(t *testing.T, dir, help string) *configs.Config {
	t.Helper()
	cfg, err := configs.Parse(filepath.Join(dir, "relay.toml"), []byte(`
hostname = "relay.test"
data_dir = "data"
`+help))
	if err != nil {
		t.Fatal(err)
	}
	cfg.Listeners[0].Address = "127.0.0.1:0"
	return cfg
}

// linkOf is the link in a notice about a failure at old.test.
func linkOf(t *testing.T, r *Relay) string {
	t.Helper()
	n := queue.Notice{Recipients: []int{0}, Item: queue.Item{Sender: "a@app.test", Recipients: []queue.Recipient{
		{Address: "b@old.test", Destination: "old.test", Last: queue.Outcome{Cause: "tls-version"}}}}}
	text, err := r.live.Compose(n, 1, time.Now(), strings.NewReader(""))
	if err != nil {
		t.Fatal(err)
	}
	_, link, found := strings.Cut(string(text), "\r\n    http")
	if !found {
		return ""
	}
	link, _, _ = strings.Cut(link, "\r\n")
	return "http" + strings.ReplaceAll(link, "=3D", "=")
}

func TestHelpPages(t *testing.T) {
	dir, log := t.TempDir(), &logLines{}
	// The pages are where the notices say; a port that the system chooses is not known before, so one is chosen here.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	r, err := New(helpConfig(t, dir, "[help]\naddress = \""+address+"\"\nurl = \"http://"+address+"/\"\n"), slog.New(slog.NewJSONHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	if line, _ := log.find(t, "help pages"); line["address"] != address {
		t.Errorf("log %v", line)
	}
	r.ledger.Note("old.test", []ledger.Seen{{Host: "mx.old.test", Cause: "tls-version", Needed: "1.2", Probed: time.Now(), Offers: "TLS 1.0"}}, time.Now())

	link := linkOf(t, r)
	if want := "http://" + address + "/help/tls-version?domain=old.test&lang=en"; link != want {
		t.Fatalf("the notice links to %q, want %q", link, want)
	}
	if text := fetch(t, link); !strings.Contains(text, "mx.old.test") || !strings.Contains(text, "3\u00a0days") || !strings.Contains(text, "relay.test") {
		t.Errorf("got %s", text)
	}
	next := helpConfig(t, dir, "languages = [\"de\"]\nqueue.lifetime_by_cause = { tls-version = \"36h\" }\n[help]\naddress = \"127.0.0.1:0\"\nurl = \"http://"+address+"\"\n")
	if err := r.Reload(next); err != nil {
		t.Fatal(err)
	}
	if line, _ := log.find(t, "the configuration was read again, but some changes need a restart"); line["changed"] != "help.address" {
		t.Errorf("log %v", line)
	}
	if text := fetch(t, "http://"+address+"/help/tls-version"); !strings.Contains(text, `lang="de"`) || !strings.Contains(text, "36\u00a0Stunden") {
		t.Errorf("after the reload: %s", text)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if _, err := net.DialTimeout("tcp", address, time.Second); err == nil {
		t.Error("the pages are still there after the stop")
	}
}

func fetch(t *testing.T, url string) string {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	res, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v", url, res.Status, err)
	}
	return string(text)
}

// Notices link to the pages only where there are some.
func TestHelpLinks(t *testing.T) {
	const pages = "[help]\naddress = \"127.0.0.1:0\"\nurl = \"https://help.test\"\n"
	for help, want := range map[string]string{
		"":    "",
		pages: "https://help.test/help/tls-version?domain=old.test&lang=en",
		"help_url = \"https://else.test/{cause}\"\n" + pages: "https://else.test/tls-version",
	} {
		r, err := New(helpConfig(t, t.TempDir(), help), slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		if got := linkOf(t, r); got != want {
			t.Errorf("with %q: %q", help, got)
		}
		r.close()
	}
	dir := t.TempDir()
	r, err := New(helpConfig(t, dir, ""), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer r.close()
	if err := r.Reload(helpConfig(t, dir, pages)); err != nil {
		t.Fatal(err)
	}
	if got := linkOf(t, r); got != "" {
		t.Errorf("notices link to %q before the restart that it takes", got)
	}
}

func TestHelpAddressInUse(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	cfg := helpConfig(t, t.TempDir(), "[help]\naddress = \""+l.Addr().String()+"\"\nurl = \"https://help.test\"\n")
	if _, err := New(cfg, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "help.address") {
		t.Errorf("got %v", err)
	}
}
