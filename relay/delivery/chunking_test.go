package delivery

import (
	"crypto/tls"
	"strings"
	"testing"
)

// A server offers CHUNKING, does not know BDAT, and drops the connection over it: the mail goes to it with DATA in the same
// attempt, and from then on at once.
func TestServerWithoutTheChunkingItOffers(t *testing.T) {
	m := &mx{
		tls:  newAuthority(t).server(t, "mx1.dest.test", tls.VersionTLS12, tls.VersionTLS13),
		ehlo: []string{"PIPELINING", "CHUNKING"},
		replies: map[string]string{
			"BDAT": "500 5.5.1 unknown", "RSET": "503 5.5.1 no", "Subject": "500 5.5.1 unknown", canary: "500 5.5.1 unknown",
		},
	}
	m.start(t, "127.0.0.11", "0")
	n := newNetwork(t, 1, m.port())
	for _, r := range lineUp(t, n.opts, jobTo("a@dest.test"), jobTo("b@dest.test")) {
		want(t, r.Outcomes[0], "delivered")
	}
	if bdat := strings.Count(m.dialogue(), "BDAT"); bdat != 1 || len(m.received()) != 2 || m.sessions() != 2 {
		t.Errorf("%d messages in %d sessions, BDAT said %d times:\n%s", len(m.received()), m.sessions(), bdat, m.dialogue())
	}
}
