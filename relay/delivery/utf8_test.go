package delivery

import (
	"strings"
	"testing"

	"tlsrelay/queue"
)

// A host without SMTPUTF8 gets what can be written in ASCII; the rest fails for good, in words about that.
func TestSMTPUTF8(t *testing.T) {
	for _, tc := range []struct {
		name         string
		offers       bool
		sender       string
		header       bool
		ascii, wider string // outcomes of an ASCII recipient and one beyond
	}{
		{"not offered", false, "a@app.test", false, "delivered", "failed needs-smtputf8 5.6.7"},
		{"not offered, sender", false, "jörg@app.test", false, "failed needs-smtputf8 5.6.7", "failed needs-smtputf8 5.6.7"},
		{"not offered, header", false, "a@app.test", true, "failed needs-smtputf8 5.6.7", "failed needs-smtputf8 5.6.7"},
		{"not offered, null sender", false, "", false, "delivered", "failed needs-smtputf8 5.6.7"},
		{"offered", true, "jörg@app.test", true, "delivered", "delivered"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := &mx{tls: newAuthority(t).server(t, "mx1.dest.test", 0, 0)}
			if tc.offers {
				m.ehlo = []string{"SMTPUTF8"}
			}
			m.start(t, "127.0.0.11", "0")
			job := jobTo("b@dest.test", "jörg@dest.test")
			job.Item.Sender, job.Item.SMTPUTF8 = tc.sender, tc.header
			outcomes := deliver(t, newNetwork(t, 1, m.port()).opts, job)
			want(t, outcomes[0], tc.ascii)
			want(t, outcomes[1], tc.wider)
			said := m.dialogue()
			if strings.Contains(said, " SMTPUTF8") != tc.offers || strings.Contains(said, "RCPT TO:<jörg@") != tc.offers {
				t.Errorf("dialogue\n%s", said)
			}
			if outcomes[1].Result == queue.ResultFailed && outcomes[1].Host != "mx1.dest.test" {
				t.Errorf("the outcome names no host: %+v", outcomes[1])
			}
		})
	}
}
