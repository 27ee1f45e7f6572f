package notice

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/emersion/go-message"
	_ "github.com/emersion/go-message/charset"

	"tlsrelay/queue"
)

// Parsers of other origin must find in a notice what was put in.

func TestGoMessageReadsNotices(t *testing.T) {
	for _, c := range goldenCases() {
		b := compose(t, c.composer, c.notice, c.original)
		m, err := message.Read(bytes.NewReader(b))
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		kind, params, err := m.Header.ContentType()
		if err != nil || kind != "multipart/report" || params["report-type"] != "delivery-status" {
			t.Errorf("%s: type %s %v, %v", c.name, kind, params, err)
		}
		var kinds []string
		parts := m.MultipartReader()
		for {
			part, err := parts.NextPart()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
			kind, _, _ := part.Header.ContentType()
			kinds = append(kinds, kind)
			content, err := io.ReadAll(part.Body)
			if err != nil {
				t.Fatalf("%s: %s: %v", c.name, kind, err)
			}
			if kind == "message/global" && string(content) != c.original {
				t.Errorf("%s: the message comes out as\n%s", c.name, content)
			}
			if kind == "text/plain" && strings.ReplaceAll(string(content), "\r\n", "\n") != textOf(t, b) {
				t.Errorf("%s: the text comes out as\n%s", c.name, content)
			}
		}
		if !slices.Equal(kinds, wantTypes(c)) {
			t.Errorf("%s: parts %v, want %v", c.name, kinds, wantTypes(c))
		}
	}
}

// wantTypes is what the parts of a golden notice are.
func wantTypes(c goldenCase) []string {
	second, third := "message/delivery-status", "text/rfc822-headers"
	if c.notice.Kind == queue.NoticeFailure && c.original == original {
		third = "message/rfc822"
	}
	if c.original == utf8Original {
		third = "message/global"
	}
	for _, i := range c.notice.Recipients {
		if !isASCII(c.notice.Item.Recipients[i].Address) {
			second = "message/global-delivery-status"
		}
	}
	return []string{"text/plain", second, third}
}

func TestPythonReadsNotices(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil && os.Getenv("CI") != "true" {
		t.Skip("python3 is not installed")
	}
	if err != nil {
		t.Fatal(err)
	}
	cases := goldenCases()
	args := []string{"testdata/parse.py"}
	for _, c := range cases {
		path := filepath.Join(t.TempDir(), c.name)
		if err := os.WriteFile(path, compose(t, c.composer, c.notice, c.original), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, path)
	}
	command := exec.Command(python, args...)
	command.Stderr = os.Stderr
	out, err := command.Output()
	if err != nil {
		t.Fatal(err)
	}
	results := json.NewDecoder(bytes.NewReader(out))
	for _, c := range cases {
		var got struct {
			Type, Report, Subject, To, Text, MTA, Returned string
			Types, Defects                                 []string
			Recipients                                     [][4]string
		}
		if err := results.Decode(&got); err != nil {
			t.Fatal(err)
		}
		want, err := parse(compose(t, c.composer, c.notice, c.original))
		if err != nil {
			t.Fatal(err)
		}
		if got.Type != "multipart/report" || got.Report != "delivery-status" || len(got.Defects) > 0 ||
			got.MTA != "dns; relay.example.net" || got.To != "anna@sender.example" &&
			got.To != "<anna@sender.example>" ||
			!slices.Equal(got.Types, wantTypes(c)) {
			t.Errorf("%s: %+v", c.name, got)
		}
		if strings.TrimRight(got.Text, "\n") != strings.TrimRight(want.text, "\n") {
			t.Errorf("%s: text\n%s\nwant\n%s", c.name, got.Text, want.text)
		}
		if got.Subject != want.header.Get("Subject") && !strings.HasPrefix(want.header.Get("Subject"), "=?utf-8?") {
			t.Errorf("%s: subject %q, want %q", c.name, got.Subject, want.header.Get("Subject"))
		}
		if strings.HasPrefix(want.kind, "message/") && got.Returned != "<angebot-4711@sender.example>" {
			t.Errorf("%s: the returned message has the ID %q", c.name, got.Returned)
		}
		for i, r := range want.rcpts {
			if got.Recipients[i] != [4]string{r.Get("Final-Recipient"), r.Get("Action"), r.Get("Status"), r.Get("Diagnostic-Code")} {
				t.Errorf("%s: recipient %v, want %v", c.name, got.Recipients[i], r)
			}
		}
	}
}
