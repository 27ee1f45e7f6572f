package admin

import (
	"encoding/json"
	"strings"
	"testing"

	"tlsrelay/queue"
)

// What the sender said about notices is shown, and only if it said something.
func TestMessageShowsTheSendersWishes(t *testing.T) {
	item := queue.Item{Return: queue.ReturnHeaders, EnvelopeID: "Q+1", SMTPUTF8: true, RequireTLS: true, Recipients: []queue.Recipient{
		{Notify: queue.NotifySuccess | queue.NotifyFailure, OriginalRecipient: "rfc822;x@y"},
	}}
	text, err := json.Marshal(newMessage(&item))
	for _, want := range []string{`"return":"HDRS","envelope_id":"Q+1","smtputf8":true,"require_tls":true`, `"notify":"SUCCESS,FAILURE","original_recipient":"rfc822;x@y"`} {
		if err != nil || !strings.Contains(string(text), want) {
			t.Errorf("%s, %v: no %s", text, err, want)
		}
	}
}
