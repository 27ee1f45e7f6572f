package smtpclient

import (
	"strings"
	"testing"
)

func TestSendUTF8(t *testing.T) {
	env := Envelope{From: "jörg@x.test", To: []string{"用户@y.test"}, SMTPUTF8: true, EightBit: true}
	c := greeted(t, "SMTPUTF8 8BITMIME", "C: MAIL FROM:<jörg@x.test> BODY=8BITMIME SMTPUTF8\nS: 250 ok\n"+
		"C: RCPT TO:<用户@y.test>\nS: 250 ok\nC: DATA\n"+text+"S: 250 taken\n"+quit)
	if _, err := c.Send(t.Context(), env, strings.NewReader("Hi\n.\n"), nil); err != nil {
		t.Error(err)
	}
	c.Quit(t.Context())

	c = greeted(t, "8BITMIME", quit)
	_, err := c.Send(t.Context(), env, strings.NewReader("Hi\n"), nil)
	wantError(t, err, StageMail, 0, ErrSMTPUTF8)
	env.SMTPUTF8 = false
	_, err = c.Send(t.Context(), env, strings.NewReader("Hi\n"), nil)
	wantError(t, err, StageMail, 0, ErrArgument)
	c.Quit(t.Context())
}

func TestIsPathUTF8(t *testing.T) {
	for path, want := range map[string]bool{
		"jörg@x": true, `"jö rg>"@x`: true, "a\u202eb@x": false, "a\u0085@x": false, "a\xff@x": false, "jörg> X@x": false, "a\r\n@x": false,
	} {
		if isPath(path, true) != want || isPath(path, false) {
			t.Errorf("%q: with SMTPUTF8 %v, without %v", path, isPath(path, true), isPath(path, false))
		}
	}
}
