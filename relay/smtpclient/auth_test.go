package smtpclient

import (
	"errors"
	"strings"
	"testing"
)

// encrypted is a session with TLS that has the mechanisms given.
func encrypted(t *testing.T, auth, script string) *Conn {
	t.Helper()
	c := scripted(t, "TLS\nS: 220 mx\nC: EHLO relay.test\nS: 250-mx\nS: 250 "+auth+"\n"+script)
	if _, _, err := c.Handshake(t.Context(), clientTLS()); err != nil {
		t.Fatal(err)
	}
	return introduce(t, c)
}

const (
	plainLine = "AHVzZXIAczNjcmV0IQ==" // \0user\0s3cret!
	userLine  = "dXNlcg=="
	passLine  = "czNjcmV0IQ=="
)

func TestAuth(t *testing.T) {
	plain := "C: AUTH PLAIN " + plainLine + "\n"
	login := "C: AUTH LOGIN\nS: 334 VXNlcm5hbWU6\nC: " + userLine + "\nS: 334 UGFzc3dvcmQ6\nC: " + passLine + "\n"
	tests := []struct {
		name, offer, script string
		code                int
		reason              error
	}{
		{"PLAIN", "AUTH LOGIN PLAIN", plain + "S: 235 ok", 0, nil},
		{"LOGIN", "AUTH login", login + "S: 235 ok", 0, nil},
		{"PLAIN refused", "AUTH PLAIN", plain + "S: 535 5.7.8 no", 535, nil},
		{"LOGIN refused", "AUTH LOGIN", login + "S: 535 5.7.8 no", 535, nil},
		{"LOGIN refused at once", "AUTH LOGIN", "C: AUTH LOGIN\nS: 454 later", 454, nil},
		{"the answer repeats it", "AUTH PLAIN", plain + "S: 535 bad " + plainLine + " s3cret! " + passLine, 535, nil},
		{"garbage repeats it", "AUTH PLAIN", plain + "S: eh? " + plainLine, 0, ErrProtocol},
		{"wrong code", "AUTH PLAIN", plain + "S: 334 more", 334, ErrProtocol},
		{"not offered", "DSN", "", 0, ErrAuthMechanism},
		{"nothing known", "AUTH CRAM-MD5", "", 0, ErrAuthMechanism},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			script := strings.TrimSpace(tt.script)
			c := encrypted(t, tt.offer, script)
			err := c.Auth(t.Context(), "user", "s3cret!")
			if tt.code == 0 && tt.reason == nil {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			e := wantError(t, err, StageAuth, tt.code, tt.reason)
			text := e.Error()
			if e.Reply != nil {
				text += e.Reply.Text()
			}
			for _, secret := range []string{"s3cret!", plainLine, passLine} {
				if strings.Contains(text, secret) {
					t.Errorf("%q holds the secret", text)
				}
			}
		})
	}
}

func TestAuthNeedsTLS(t *testing.T) {
	c := greeted(t, "AUTH_PLAIN", "C: QUIT") // the script fails if anything else comes
	wantError(t, c.Auth(t.Context(), "user", "secret"), StageAuth, 0, ErrAuthClear)
	c.Quit(t.Context())
}

func TestAuthArguments(t *testing.T) {
	c := encrypted(t, "AUTH PLAIN", "C: QUIT")
	err := c.Auth(t.Context(), "user", "sec\x00ret")
	wantError(t, err, StageAuth, 0, ErrArgument)
	if errors.Is(err, ErrClosed) || strings.Contains(err.Error(), "sec") {
		t.Error(err)
	}
	c.Quit(t.Context())
}
