package delivery

import (
	"strings"
	"testing"

	"tlsrelay/queue"
)

// A next hop that offers DSN gets the sender's wishes, and the outcome says so; another gets the plain envelope.
func TestDSN(t *testing.T) {
	for _, offers := range []bool{true, false} {
		m := &mx{tls: newAuthority(t).server(t, "mx1.dest.test", 0, 0)}
		if offers {
			m.ehlo = []string{"DSN"}
		}
		m.replies = map[string]string{"RCPT TO:<c@": "550 5.1.1 no such user"}
		m.start(t, "127.0.0.11", "0")
		job := jobTo("b@dest.test", "c@dest.test")
		job.Item.Return, job.Item.EnvelopeID = queue.ReturnHeaders, "E 1"
		for i := range job.Item.Recipients {
			job.Item.Recipients[i].Notify, job.Item.Recipients[i].OriginalRecipient = queue.NotifySuccess, "rfc822;x@y"
		}
		outcomes := deliver(t, newNetwork(t, 1, m.port()).opts, job)
		want(t, outcomes[0], "delivered")
		want(t, outcomes[1], "failed remote-permanent 5.1.1")
		if outcomes[0].DSN != offers || outcomes[1].DSN {
			t.Errorf("DSN offered %v, passed on %v and %v", offers, outcomes[0].DSN, outcomes[1].DSN)
		}
		said := m.dialogue()
		for _, parameter := range []string{" RET=HDRS ENVID=E+201\n", "RCPT TO:<b@dest.test> NOTIFY=SUCCESS ORCPT=rfc822;x@y\n"} {
			if strings.Contains(said, parameter) != offers {
				t.Errorf("DSN offered %v, dialogue\n%s", offers, said)
			}
		}
	}
}
