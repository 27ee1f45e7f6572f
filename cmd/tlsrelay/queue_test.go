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
