package submission

import (
	"encoding/base64"
	"net"
	"strings"
	"testing"
)

// eavesdropper keeps what a client sends.
type eavesdropper struct {
	net.Conn
	sent *strings.Builder
}

func (e eavesdropper) Write(p []byte) (int, error) {
	e.sent.Write(p)
	return e.Conn.Write(p)
}

// Nothing that a client says in AUTH comes up in the log or in a reply, be it right, wrong or malformed, plain or as base64.
func TestNoSecrets(t *testing.T) {
	const canary = "c4n4ry-p4ssw0rd"
	inTime(t, func(t *testing.T) {
		r := start(t, submissionPort)
		var sent, replies strings.Builder
		talk := func(script ...string) {
			c := r.dialFrom("192.0.2.9") // not blocked by then
			c.conn = eavesdropper{c.conn, &sent}
			for _, line := range script {
				replies.WriteString(c.say(line, ""))
			}
		}
		talk(password(account, secret))
		talk(password(account, canary), password(canary, canary), "AUTH PLAIN "+b64(canary))
		talk("AUTH LOGIN", b64(account), b64(canary), "AUTH LOGIN", b64(canary), b64(canary))
		talk("AUTH PLAIN "+canary, "AUTH "+canary, "AUTH PLAIN "+b64(canary)+" "+canary, b64("\x00"+account+"\x00"+canary), canary)
		talk(password("trouble", canary), "AUTH LOGIN "+b64("trouble"), b64(canary))
		for _, who := range []string{account, "trouble", canary} {
			for _, p := range []string{secret, canary} {
				c := r.dialAuth()
				c.conn = eavesdropper{c.conn, &sent}
				replies.WriteString(c.scramLogin(scram256, who, p, "", nil))
			}
		}
		talk("AUTH SCRAM-SHA-256 "+b64("n,,n="+canary), "AUTH SCRAM-SHA-256 "+b64("n,a="+canary+",n=="+canary+",r="+canary))
		r.stop()

		told := r.log.String() + replies.String()
		if !strings.Contains(told, "login failed") || !strings.Contains(told, "535 5.7.8") || !strings.Contains(told, "235 2.7.0") {
			t.Fatalf("too little was said:\n%s", told)
		}
		for word := range strings.FieldsSeq(sent.String()) {
			if len(word) < 12 || strings.HasPrefix(word, "SCRAM-") {
				continue
			}
			plain, _ := base64.StdEncoding.DecodeString(word)
			if strings.Contains(told, word) || len(plain) > 0 && string(plain) != account && strings.Contains(told, string(plain)) {
				t.Errorf("%q (%q) was told again:\n%s", word, plain, told)
			}
		}
		for _, s := range []string{canary, secret, b64(canary), b64(secret)} {
			if strings.Contains(told, strings.TrimRight(s, "=")) {
				t.Errorf("%q was told again:\n%s", s, told)
			}
		}
	})
}
