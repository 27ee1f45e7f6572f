package help

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"tlsrelay/relay/need"
)

// browser is a headless Chromium that chromedriver leads (W3C WebDriver, and Chrome's own commands under goog/).
type browser struct {
	t       *testing.T
	ctx     context.Context
	client  *http.Client
	session string // URL of it
}

// startBrowser has a browser for a test that takes at most a few minutes. It resolves no names and asks nobody anything.
func startBrowser(t *testing.T) *browser {
	t.Helper()
	need.Programs(t, "chromium", "chromedriver")
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	b := &browser{t: t, ctx: ctx, client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}}
	address := startDriver(t, ctx)
	t.Cleanup(cancel) // runs before the cleanup of startDriver
	var answer struct {
		Session string `json:"sessionId"`
	}
	b.post("http://"+address+"/session", map[string]any{"capabilities": map[string]any{"alwaysMatch": map[string]any{
		"goog:loggingPrefs": map[string]string{"browser": "ALL"},
		"goog:chromeOptions": map[string]any{"args": []string{
			"--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars", "--no-first-run",
			"--disable-background-networking", "--disable-component-update", "--user-data-dir=" + t.TempDir(),
			"--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
		}},
	}}}, &answer)
	b.session = "http://" + address + "/session/" + answer.Session
	t.Cleanup(func() {
		r, err := http.NewRequest(http.MethodDelete, b.session, nil)
		if err == nil {
			b.do(r, nil)
		}
	})
	return b
}

// startDriver runs chromedriver, in a process group of its own together with what it starts, until the test ends.
func startDriver(t *testing.T, ctx context.Context) (address string) {
	t.Helper()
	driver := exec.CommandContext(ctx, "chromedriver", "--port=0")
	driver.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	driver.Cancel = func() error { return syscall.Kill(-driver.Process.Pid, syscall.SIGKILL) }
	out, err := driver.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := driver.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		syscall.Kill(-driver.Process.Pid, syscall.SIGKILL)
		driver.Wait()
	})
	port := regexp.MustCompile(`started successfully on port (\d+)`)
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if m := port.FindStringSubmatch(lines.Text()); m != nil {
			go io.Copy(io.Discard, out)
			return "127.0.0.1:" + m[1]
		}
	}
	t.Fatal("chromedriver says no port")
	return ""
}

func (b *browser) post(url string, command, answer any) {
	b.t.Helper()
	body, err := json.Marshal(command)
	if err != nil {
		b.t.Fatal(err)
	}
	r, err := http.NewRequest(http.MethodPost, url, bytes.NewReader(body))
	if err == nil {
		err = b.do(r, answer)
	}
	if err != nil {
		b.t.Fatalf("%s: %v", url[strings.LastIndex(url, "/"):], err)
	}
}

func (b *browser) do(r *http.Request, answer any) error {
	res, err := b.client.Do(r.WithContext(b.ctx))
	if err != nil {
		return err
	}
	defer res.Body.Close()
	var reply struct{ Value json.RawMessage }
	if err := json.NewDecoder(io.LimitReader(res.Body, 64<<20)).Decode(&reply); err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %.500s", res.Status, reply.Value)
	}
	if answer == nil {
		return nil
	}
	return json.Unmarshal(reply.Value, answer)
}

// chrome gives one of the commands of Chrome's own protocol.
func (b *browser) chrome(command string, parameters map[string]any, answer any) {
	b.t.Helper()
	b.post(b.session+"/goog/cdp/execute", map[string]any{"cmd": command, "params": parameters}, answer)
}

// screen sets the width in CSS pixels, and the colour scheme "light" or "dark".
func (b *browser) screen(width int, scheme string) {
	b.t.Helper()
	b.chrome("Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}, nil)
	b.chrome("Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{{"name": "prefers-color-scheme", "value": scheme}}}, nil)
}

func (b *browser) open(url string) {
	b.t.Helper()
	b.post(b.session+"/url", map[string]string{"url": url}, nil)
}

// run executes the body of a JavaScript function from outside the page.
func (b *browser) run(script string, answer any) {
	b.t.Helper()
	b.post(b.session+"/execute/sync", map[string]any{"script": script, "args": []any{}}, answer)
}

// console gives what the browser complained of since the last time.
func (b *browser) console() []string {
	b.t.Helper()
	var entries []struct{ Level, Message string }
	b.post(b.session+"/se/log", map[string]string{"type": "browser"}, &entries)
	var list []string
	for _, e := range entries {
		list = append(list, e.Level+": "+e.Message)
	}
	return list
}

// picture gives the whole page as a PNG.
func (b *browser) picture() []byte {
	b.t.Helper()
	var shot struct{ Data string }
	b.chrome("Page.captureScreenshot", map[string]any{"format": "png", "captureBeyondViewport": true}, &shot)
	png, err := base64.StdEncoding.DecodeString(shot.Data)
	if err != nil {
		b.t.Fatal(err)
	}
	return png
}
