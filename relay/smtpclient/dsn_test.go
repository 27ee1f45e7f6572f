package smtpclient

import (
	"strings"
	"testing"
)

// What the sender said about notices goes to a server that offers DSN, encoded, and to no other.
func TestSendDSN(t *testing.T) {
	env := Envelope{
		From: "a@x.test", To: []string{"b@y.test", "c@y.test"}, Return: "HDRS", EnvelopeID: "A+B =1",
		Notify: []Notify{{When: "SUCCESS,DELAY", Original: "rfc822;b+1@z.test"}, {Original: "utf-8;ü@z.test"}},
	}
	told := "C: MAIL FROM:<a@x.test> RET=HDRS ENVID=A+2BB+20+3D1\nS: 250 ok\n" +
		"C: RCPT TO:<b@y.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;b+2B1@z.test\nS: 250 ok\n" +
		"C: RCPT TO:<c@y.test> ORCPT=utf-8;\\x{FC}@z.test\nS: 250 ok\n"
	plain := mailAB + "S: 250 ok\n" + rcptB + "S: 250 ok\n" + rcptC + "S: 250 ok\n"
	for extensions, script := range map[string]string{"DSN": told, "SIZE": plain} {
		c := greeted(t, extensions, script+"C: DATA\n"+text+"S: 250 taken\n"+quit)
		if _, err := c.Send(t.Context(), env, strings.NewReader("Hi\n.\n"), nil); err != nil {
			t.Errorf("with %s: %v", extensions, err)
		}
		c.Quit(t.Context())
	}
}

// Nothing in a parameter can begin another one or another line.
func TestDSNParametersAreSafe(t *testing.T) {
	evil := "x\r\nRSET y=z \x00ü"
	env := Envelope{From: "a@x.test", To: []string{"b@y.test"}, Return: evil, EnvelopeID: evil,
		Notify: []Notify{{When: evil, Original: evil + ";" + evil}}}
	want := []string{"MAIL FROM:<a@x.test> ENVID=x+0D+0ARSET+20y+3Dz+20+00+C3+BC", "RCPT TO:<b@y.test>", "DATA"}
	if got := env.commands(Extensions{DSN: true}); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("%q", got)
	}
	long := Envelope{To: []string{"b"}, EnvelopeID: strings.Repeat("+", 40), Notify: []Notify{{Original: "utf-8;" + strings.Repeat("ü", 90)}}}
	if got := strings.Join(long.commands(Extensions{DSN: true}), "\n"); got != "MAIL FROM:<>\nRCPT TO:<b>\nDATA" {
		t.Errorf("too long: %q", got)
	}
}
