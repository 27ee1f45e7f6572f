package check

import (
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"unicode"
)

// TestJSON reads each scene's JSON back: one line, and it says what the table says.
func TestJSON(t *testing.T) { synctest.Test(t, testJSON) }

func testJSON(t *testing.T) {
	for name, w := range scenes() {
		r := w.check(t, "example.org")
		var b strings.Builder
		if err := JSON(&b, r); err != nil {
			t.Fatal(err)
		}
		line := b.String()
		if i := strings.IndexFunc(strings.TrimSuffix(line, "\n"), func(r rune) bool { return !unicode.IsPrint(r) }); i >= 0 {
			t.Errorf("%s: %q", name, line[i:])
		}
		var back reportJSON
		d := json.NewDecoder(strings.NewReader(line))
		d.DisallowUnknownFields()
		if err := d.Decode(&back); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if back.Target != "example.org" || back.OK != r.Summary.Fine() || back.Delivered != r.Summary.Delivered || back.Cause != r.Summary.Cause ||
			back.Delivered != (back.Cause == "") || !back.Time.Equal(epoch) || len(back.Hosts) != len(r.Hosts) {
			t.Errorf("%s: %s", name, line)
		}
		for i, h := range back.Hosts {
			if h.Name != r.Hosts[i].Name || (h.Preference != nil) != r.Hosts[i].MX || len(h.Addresses) != len(r.Hosts[i].Addresses) {
				t.Errorf("%s: %+v", name, h)
			}
			for j, a := range h.Addresses {
				if late := r.Hosts[i].Addresses[j].Late; a.TimedOut != late || late != strings.HasPrefix(a.Verdict, "not known: ") {
					t.Errorf("%s: %+v", name, a)
				}
				if v := r.Hosts[i].Addresses[j].Verdict; a.Passes != v.Passes || a.Cause != v.Cause || a.Passes != (a.Cause == "") {
					t.Errorf("%s: %+v", name, a)
				}
			}
		}
	}
}

// TestJSONNames holds the names that scripts rely on, and the form of values.
func TestJSONNames(t *testing.T) {
	var b strings.Builder
	if err := JSON(&b, scenes()["one old"].check(t, "example.org")); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`{"target":"example.org","domain":"example.org","time":"2026-03-01T12:00:00Z","level":"required","floor":"1.2","route":false,"ok":true,` +
			`"delivered":true,"tls13":true,"cause":"","summary":"Mail for example.org would be delivered over TLS 1.3. mx2.example.org offers`,
		`{"name":"mx1.example.org","port":25,"preference":10,"implicit_tls":false,"cause":"","detail":"","addresses":[{"address":"192.0.2.1",`,
		`"verdict":"ok","passes":true,"clear_text":false,"cause":"","detail":"","starttls":"yes","versions":[{"version":"SSL 3.0","offered":"no",`,
		`"key_exchanges":[],"post_quantum":"yes","big_hello":"yes","certificate":{"names":["mx1.example.org","mx2.example.org"],` +
			`"issuer":"CN=R11,O=Let's Encrypt,C=US","not_before":"2026-01-30T12:00:00Z","not_after":"2026-05-01T12:00:00Z","key":"ECDSA P-256",` +
			`"trusted":"yes","fits":"yes","problem":""},"timed_out":false}`,
		`"verdict":"below the floor: no mail","passes":false,"clear_text":false,"cause":"tls-version"`,
		`"addresses_left_out":0}`, `"hosts_left_out":0}`,
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("not there: %s\n%s", want, b.String())
		}
	}
}

// What is not known is neither a yes nor a no.
func TestJSONUnknown(t *testing.T) {
	var b strings.Builder
	if err := JSON(&b, scenes()["unknown"].check(t, "example.org")); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`{"version":"1.1","offered":"yes","seen":"ServerHello"},{"version":"1.2","offered":"unknown","seen":"silence"}`,
		`"versions":[{"version":"SSL 3.0","offered":"unknown","seen":"silence"},`, `"post_quantum":"unknown","big_hello":"unknown"`,
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("not there: %s\n%s", want, b.String())
		}
	}
}
