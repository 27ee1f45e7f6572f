package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"tlsrelay/relay"
)

// A listing shows what the sender said about notices, and has no line for it if it said nothing.
func TestListingShowsTheSendersWishes(t *testing.T) {
	for text, want := range map[string]string{
		`{"recipients":[{"address":"b@x"}]}`: "from <>\n    to <b@x>: not tried yet\n",
		`{"envelope_id":"Q 1","return":"HDRS","recipients":[{"address":"b@x","notify":"NEVER","original_recipient":"rfc822;c@y"}]}`: "from <>\n" +
			"    envelope ID Q 1, returns HDRS\n    to <b@x>: not tried yet\n       notify NEVER, original recipient rfc822;c@y\n",
	} {
		var m relay.Message
		var out strings.Builder
		if err := json.Unmarshal([]byte(text), &m); err != nil {
			t.Fatal(err)
		}
		if err := printMessage(&out, m, time.Now()); err != nil || !strings.HasSuffix(out.String(), want) {
			t.Errorf("%s is listed as\n%s", text, out.String())
		}
	}
}

// What is shown of a message's servers is shown once for recipients that wait for the same.
func TestShowPrintsEvidence(t *testing.T) {
	const one = `{"host":"mx.example","address":"192.0.2.1:25","cause":"tls-version","seen":"alert 70 (protocol version not supported)","needed":"1.2","proven":true,` +
		`"probed":"2026-03-01T12:00:00Z","offers":"TLS 1.0, TLS 1.1","key_exchange":"ECDHE, RSA","first":"2026-03-01T11:00:00Z","last":"2026-03-01T13:00:00Z","attempts":3,` +
		`"certificate":{"names":"mx.example","issuer":"CN=An Authority","not_after":"2027-03-01T12:00:00Z"}}`
	const bare = `{"host":"mx2.example","address":"192.0.2.2:25","cause":"tls-handshake","needed":"1.2","first":"2026-03-01T11:00:00Z","last":"2026-03-01T11:00:00Z","attempts":0}`
	var m relay.Message
	text := `{"recipients":[{"address":"b@x","evidence":[` + one + `,` + bare + `]},{"address":"c@x","evidence":[` + one + `,` + bare + `]},{"address":"d@y"}]}`
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		t.Fatal(err)
	}
	local := func(clock string) string {
		at, _ := time.Parse("2006-01-02 15:04", clock)
		return at.Local().Format("2006-01-02 15:04")
	}
	want := "    mx.example at 192.0.2.1:25: tls-version, proven by a probe\n" +
		"       attempts      3, from " + local("2026-03-01 11:00") + " to " + local("2026-03-01 13:00") + "\n" +
		"       seen          alert 70 (protocol version not supported)\n" +
		"       offers        TLS 1.0, TLS 1.1 (probed " + local("2026-03-01 12:00") + ")\n" +
		"       needed        TLS 1.2 or newer\n" +
		"       key exchange  ECDHE, RSA\n" +
		"       certificate   for mx.example, by CN=An Authority, valid until 2027-03-01\n" +
		"    mx2.example at 192.0.2.2:25: tls-handshake\n" +
		"       attempts      none: another message failed there, the last time " + local("2026-03-01 11:00") + "\n" +
		"       needed        TLS 1.2 or newer\n"
	var out strings.Builder
	if err := printEvidence(&out, m); err != nil || out.String() != want {
		t.Errorf("printed:\n%swant:\n%s", out.String(), want)
	}
}
