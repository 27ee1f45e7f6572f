package relay

import (
	"io"
	"log/slog"
	"mime/quotedprintable"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tlsrelay/configs"
	"tlsrelay/queue"
)

// Languages, links and texts of notices change with a reload, for the senders that they are for; texts that cannot be used
// change nothing.
func TestNoticesFollowTheConfiguration(t *testing.T) {
	dir := t.TempDir()
	parse := func(text string) *configs.Config {
		cfg, err := configs.Parse(filepath.Join(dir, "relay.toml"), []byte(`
hostname = "relay.test"
data_dir = "data"
help_url = "https://help.test/{cause}"
[[listener]]
address = "127.0.0.1:0"
tls = "off"
auth = "off"
networks = ["127.0.0.0/8"]
`+text))
		if err != nil {
			t.Fatal(err)
		}
		return cfg
	}
	write := func(file, text string) {
		t.Helper()
		at := filepath.Join(dir, "texts", "de", file)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	r, err := New(parse(""), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer r.close()
	expect := func(sender, account string, want ...string) {
		t.Helper()
		n := queue.Notice{Recipients: []int{0}, Item: queue.Item{Sender: sender, Account: account, Recipients: []queue.Recipient{
			{Address: "b@example.org", Destination: "example.org", Last: queue.Outcome{Cause: queue.NullMX.Key}}}}}
		text, err := r.live.Compose(n, 1, time.Now(), strings.NewReader(""))
		if err != nil {
			t.Fatal(err)
		}
		plain, _ := io.ReadAll(quotedprintable.NewReader(strings.NewReader(string(text))))
		for _, w := range want {
			if !strings.Contains(string(plain), w) {
				t.Errorf("%s of %q: %q is missing in\n%s", sender, account, w, plain)
			}
		}
	}
	expect("a@app.test", "", "could not be delivered", "https://help.test/null-mx")

	senders := "[[notices.sender]]\ndomain = \".test\"\nlanguages = [\"de\"]\n" +
		"[[notices.sender]]\naccount = \"shop\"\nhelp_url = \"https://shop.test/{cause}\"\n"
	write("queue.tmpl", `{{define "null-mx/do"}}Rufen Sie an.{{end}}`)
	good := parse("[notices]\ntemplates = \"texts\"\n" + senders)
	if err := Check(good); err != nil {
		t.Fatal(err)
	}
	if err := r.Reload(good); err != nil {
		t.Fatal(err)
	}
	check := func() {
		t.Helper()
		expect("a@app.test", "", "nicht zugestellt", "Rufen Sie an.", "https://help.test/null-mx")
		expect("a@app.test", "Shop", "could not be delivered", "https://shop.test/null-mx")
		expect("a@app.example", "", "could not be delivered", "https://help.test/null-mx")
	}
	check()

	write("queue.tmpl", `{{define "null-mx/do"}}Rufen Sie {{.Phone}} an.{{end}}`)
	for name, err := range map[string]error{"reload": r.Reload(good), "check": Check(good)} {
		if err == nil || !strings.Contains(err.Error(), "texts/de/queue.tmpl:1:") {
			t.Errorf("%s with bad texts: %v", name, err)
		}
	}
	check()
}
