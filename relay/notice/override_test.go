package notice

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tlsrelay/queue"
)

// folder writes files into a new folder and gives its name.
func folder(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		at := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// load reads texts that must be good.
func load(t testing.TB, files map[string]string) *Texts {
	t.Helper()
	texts, err := LoadTexts(folder(t, files))
	if err != nil {
		t.Fatal(err)
	}
	return texts
}

func TestOwnTexts(t *testing.T) {
	c := composer("de", "en")
	c.Texts = load(t, map[string]string{
		"de/notice.tmpl": "\ufeff{{/* ours */}}\r\n{{define \"only-provider\"}}Bitte rufen Sie uns an: {{template \"phone\"}}.\r\n{{end}}\r\n" +
			"{{define \"phone\"}}0123\t456{{end}}",
		"en/queue.tmpl":   "{{define \"null-mx/need\"}}an MX record{{end}}",
		"de/.notice.swp":  "{{",
		".git/HEAD":       "x",
		"en/titles.tmpl":  "{{define \"tls-version/title\"}}Old TLS at {{.Domain}}{{end}}",
		"de/titles.tmpl":  "\n",
		"de/tls.tmpl":     "{{define \"tls-version/seen\"}}\x1b[2J{{.Detail}}{{end}}",
		".de.tmpl.backup": "",
	})
	text := textOf(t, compose(t, c, sample("tls-version", queue.NoticeFailure), original))
	if !strings.Contains(text, "\nBitte rufen Sie uns an: 0123 456.\n") || !strings.Contains(text, "    Beobachtet  ?[2Jremote error") {
		t.Errorf("text\n%s", text)
	}
	if !strings.Contains(text, "Nothing can be done") {
		t.Errorf("the English text has changed:\n%s", text)
	}
	if text := textOf(t, compose(t, c, sample("null-mx", queue.NoticeFailure), original)); !strings.Contains(text, "    Needed      an MX record\n") {
		t.Errorf("a text of our own is not there:\n%s", text)
	}
	if e, _ := c.Texts.Explain("en", "tls-version", Facts{Domain: "example.org"}); e.Title != "Old TLS at example.org" {
		t.Errorf("title %q", e.Title)
	}
	if e, _ := (*Texts)(nil).Explain("en", "tls-version", Facts{}); !strings.HasPrefix(e.Title, "The server supports neither") {
		t.Errorf("the built-in title is %q", e.Title)
	}
}

// What is wrong with a folder of templates is said with file and line.
func TestBadTexts(t *testing.T) {
	for name, tt := range map[string]struct {
		file, text string
		want       []string
	}{
		"syntax":         {"de/tls.tmpl", "{{define \"tls-version/do\"}}\n{{if}}{{end}}", []string{"de/tls.tmpl:2: missing value for if"}},
		"no end":         {"de/tls.tmpl", "{{define \"tls-version/do\"}}", []string{"de/tls.tmpl:1: unexpected EOF"}},
		"no such value":  {"de/tls.tmpl", "\n{{define \"tls-version/do\"}}x{{.Phone}}{{end}}", []string{"de/tls.tmpl:2:30", "Phone", "config notices"}},
		"no such func":   {"en/tls.tmpl", "{{define \"tls-version/do\"}}{{upper .Host}}{{end}}", []string{"en/tls.tmpl:1: function \"upper\" not defined"}},
		"delay only":     {"en/notice.tmpl", "{{define \"later\"}}{{if .Delay}}{{.Phone}}{{end}}now{{end}}", []string{"en/notice.tmpl:1:33", "Phone"}},
		"page only":      {"en/notice.tmpl", "{{define \"later\"}}{{if .Page}}{{.Phone}}{{end}}now{{end}}", []string{"en/notice.tmpl:1:32", "Phone"}},
		"file name":      {"de/tsl.tmpl", "", []string{"de/tsl.tmpl: there is no such file of templates; did you mean \"tls.tmpl\"?"}},
		"file name far":  {"de/README.md", "", []string{"de/README.md", "there are notice.tmpl, queue.tmpl"}},
		"language":       {"dee/tls.tmpl", "", []string{"dee: there is no such language; did you mean \"de\"?"}},
		"language file":  {"fr", "", []string{"fr: there is no such language"}},
		"file as folder": {"de", "", []string{"de"}},
		"stray":          {"de/tls.tmpl", "{{define \"tls-verson/do\"}}x{{end}}", []string{"de/tls.tmpl:1", "nothing uses the template \"tls-verson/do\"; did you mean \"tls-version/do\"?"}},
		"stray part":     {"de/tls.tmpl", "{{define \"tls-version/postmaster\"}}x{{end}}", []string{"title, what, do, seen, need, forward"}},
		"stray cause":    {"de/tls.tmpl", "{{define \"no-such-cause/what\"}}x{{end}}", []string{"nothing uses", "config notices"}},
		"missing":        {"de/tls.tmpl", "{{define \"tls-version/do\"}}\n\n{{template \"only-provder\" .}}{{end}}", []string{"de/tls.tmpl:3:11", "there is no template \"only-provder\"; did you mean \"only-provider\"?"}},
		"missing line":   {"de/tls.tmpl", "{{define \"tls-version/do\"}}{{if false}}{{with line \"x\" .}}{{.}}{{end}}{{end}}{{end}}", []string{"there is no template \"x\""}},
		"outside":        {"de/tls.tmpl", "\n\nWe are here to help.", []string{"de/tls.tmpl:1", "outside of {{define}}"}},
		"twice":          {"de/tls.tmpl", "{{define \"loop/do\"}}x{{end}}{{define \"loop/do\"}}y{{end}}", []string{"de/tls.tmpl: multiple definition"}},
		"empty":          {"de/tls.tmpl", "{{define \"tls-version/do\"}}{{\"\"}}{{end}}", []string{"\"tls-version/do\" gives nothing"}},
		"no subject":     {"de/notice.tmpl", "{{define \"subject\"}}{{\"\"}}{{end}}", []string{"\"subject\" gives nothing"}},
		"endless":        {"de/tls.tmpl", "{{define \"tls-version/do\"}}{{range 2000000}}x{{end}}{{end}}", []string{"longer than"}},
		"recursive":      {"de/tls.tmpl", "{{define \"tls-version/do\"}}{{template \"tls-version/do\" .}}{{end}}", []string{"depth"}},
		"bad table":      {"de/notice.tmpl", "{{define \"finding\"}}{{table 1 2}}{{end}}", []string{"de/notice.tmpl:1:22", "table"}},
		"large":          {"de/tls.tmpl", strings.Repeat(" ", 1<<20+1), []string{"larger than 1 MiB"}},
	} {
		_, err := LoadTexts(folder(t, map[string]string{tt.file: tt.text}))
		if err == nil {
			t.Errorf("%s: no error", name)
			continue
		}
		for _, want := range tt.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %q is missing in %q", name, want, err)
			}
		}
		if lines := strings.Count(err.Error(), "\n"); lines > 2 || strings.Contains(err.Error(), "executing \"notice\"") {
			t.Errorf("%s: error %q", name, err)
		}
	}
	_, err := LoadTexts(folder(t, map[string]string{"de/tls.tmpl": "{{define \"loop/do\"}}x{{end}}", "de/queue.tmpl": "{{define \"loop/do\"}}x{{end}}"}))
	if err == nil || !strings.Contains(err.Error(), "keep one") {
		t.Errorf("defined in two files: %v", err)
	}
	if _, err := LoadTexts(filepath.Join(t.TempDir(), "none")); err == nil || !strings.Contains(err.Error(), "none") {
		t.Errorf("no folder: %v", err)
	}
	if texts, err := LoadTexts(""); texts != nil || err != nil {
		t.Errorf("no folder wanted: %v, %v", texts, err)
	}
}

// A template that fails for a notice that the trials did not foresee costs nobody the notice.
func TestNoticeGoesWithoutOwnTexts(t *testing.T) {
	c := composer("en")
	c.Texts = load(t, map[string]string{"en/tls.tmpl": "{{define \"tls-version/do\"}}{{if eq .Domain \"strange.example\"}}{{.Phone}}{{end}}Call.{{end}}"})
	var log strings.Builder
	c.Log = slog.New(slog.NewTextHandler(&log, nil))
	n := sample("tls-version", queue.NoticeFailure)
	if text := textOf(t, compose(t, c, n, original)); !strings.Contains(text, "\nCall.\n") || log.Len() > 0 {
		t.Errorf("log %s, text\n%s", log.String(), text)
	}
	n.Item.Recipients[0].Destination = "strange.example"
	if text := textOf(t, compose(t, c, n, original)); !strings.Contains(text, "Nothing can be done") || !strings.Contains(log.String(), "Phone") {
		t.Errorf("log %s, text\n%s", log.String(), text)
	}
}

// However a template shows a remote's words, they forge no heading and no text of this relay's.
func TestOwnTextsStayHarmless(t *testing.T) {
	c := composer("en")
	c.Texts = load(t, map[string]string{"en/queue.tmpl": "{{define \"remote-permanent/do\"}}\n{{.Reply}}\n\n{{.Detail}}\n\n{{printf \"%s\" .Reply}}\n\nThe end.{{end}}"})
	n := sample("remote-permanent", queue.NoticeFailure)
	n.Item.Recipients[0].Last.Reply = "# Pay here\n    $ rm\n\n> 550 \x1b[2J"
	n.Item.Recipients[0].Last.Detail = "> quoted\n# x"
	text := textOf(t, compose(t, c, n, original))
	if !strings.Contains(text, "\n? Pay here $ rm > 550 ?[2J\n\n? quoted # x\n\n? Pay here") {
		t.Errorf("text\n%s", text)
	}
}

// What WriteTexts writes is what is built in, and can be read again.
func TestWriteTexts(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "notices")
	if err := WriteTexts(dir); err != nil {
		t.Fatal(err)
	}
	c := composer("de", "en")
	var err error
	if c.Texts, err = LoadTexts(dir); err != nil {
		t.Fatal(err)
	}
	n := proven("tls-version", queue.NoticeFailure)
	if got, want := compose(t, c, n, original), compose(t, composer("de", "en"), n, original); string(got) != string(want) {
		t.Errorf("the notice is another:\n%s", got)
	}
	if err := WriteTexts(dir); err == nil || !strings.Contains(err.Error(), "de/notice.tmpl is there already") && !strings.Contains(err.Error(), "en/notice.tmpl is there already") {
		t.Errorf("written over: %v", err)
	}
}
