package smtpclient

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseExtensions(t *testing.T) {
	tests := []struct {
		name string
		in   string
		want Extensions
	}{
		{"all, in any case", "250-mx.test\n250-StartTLS\n250-Pipelining\n250-8bitmime\n250-SMTPUTF8\n250-CHUNKING\n250-RequireTLS\n" +
			"250-dsn\n250-size 52428800\n250 auth plain LOGIN\n",
			Extensions{true, true, true, true, true, true, true, 52428800, true, []string{"PLAIN", "LOGIN"}}},
		{"none", "250 mx.test\n", Extensions{}},
		{"bare code", "250\n", Extensions{}},
		{"the first line is a name", "250-STARTTLS\n250 HELP\n", Extensions{}},
		{"empty lines between", "250-mx\n250-\n250-  \n250 DSN\n", Extensions{DSN: true}},
		{"size without a number", "250-mx\n250 SIZE\n", Extensions{Size: true}},
		{"size zero", "250-mx\n250 SIZE 0\n", Extensions{Size: true}},
		{"size that is none", "250-mx\n250 SIZE huge\n", Extensions{Size: true}},
		{"negative size", "250-mx\n250 SIZE -5\n", Extensions{Size: true}},
		{"size beyond 64 bits", "250-mx\n250 SIZE 99999999999999999999\n", Extensions{Size: true}},
		{"old form of AUTH beside the new", "250-mx\n250-AUTH=LOGIN PLAIN\n250 AUTH PLAIN CRAM-MD5\n",
			Extensions{Auth: []string{"LOGIN", "PLAIN", "CRAM-MD5"}}},
		{"a word that only begins alike", "250-mx\n250-STARTTLSX\n250 AUTHX PLAIN\n", Extensions{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			reply, err := parse(tt.in)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, parseExtensions(reply)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestManyMechanisms: as many as a reply can hold would take a second of computing.
func TestManyMechanisms(t *testing.T) {
	var b strings.Builder
	b.WriteString("250-mx.test\r\n250-AUTH PLAIN LOGIN\r\n")
	for n := 0; b.Len() < maxReplyBytes-2*maxReplyLine; {
		b.WriteString("250-AUTH")
		for end := b.Len() + maxReplyLine - 20; b.Len() < end; n++ {
			fmt.Fprintf(&b, " %x", n)
		}
		b.WriteString("\r\n")
	}
	b.WriteString("250 DSN\r\n")
	reply, err := parse(b.String())
	if err != nil {
		t.Fatal(err)
	}
	ext := parseExtensions(reply)
	if !ext.DSN || len(ext.Auth) != maxMechanisms || ext.Auth[1] != "LOGIN" {
		t.Errorf("%d mechanisms, DSN %v", len(ext.Auth), ext.DSN)
	}
}

func TestGreeting(t *testing.T) {
	tests := []struct {
		script string
		code   int
		reason error
	}{
		{"S: 220-mx.test\nS: 220 welcome", 0, nil},
		{"S: 554 5.7.1 go away", 554, nil},
		{"S: 421 busy", 421, nil},
		{"S: 354 eh", 354, ErrProtocol},
		{"S: SSH-2.0-OpenSSH_9.2", 0, ErrProtocol},
		{"CLOSE", 0, nil},
	}
	for i, tt := range tests {
		c := scripted(t, tt.script)
		reply, err := c.Greeting(t.Context())
		if i == 0 {
			if err != nil || reply.Code != 220 || len(reply.Lines) != 2 {
				t.Errorf("%v, %v", reply, err)
			}
			continue
		}
		wantError(t, err, StageGreeting, tt.code, tt.reason)
	}
}

func TestHello(t *testing.T) {
	tests := []struct {
		name, script string
		ext          Extensions
		code         int // of the error
	}{
		{"EHLO", "C: EHLO relay.test\nS: 250-mx\nS: 250 DSN", Extensions{DSN: true}, 0},
		{"HELO only, 500", "C: EHLO relay.test\nS: 500 what\nC: HELO relay.test\nS: 250 mx", Extensions{}, 0},
		{"HELO only, 502", "C: EHLO relay.test\nS: 502 5.5.1 what\nC: HELO relay.test\nS: 250 mx", Extensions{}, 0},
		{"HELO only, 504", "C: EHLO relay.test\nS: 504 what\nC: HELO relay.test\nS: 250 mx", Extensions{}, 0},
		{"both refused", "C: EHLO relay.test\nS: 502 what\nC: HELO relay.test\nS: 550 no", Extensions{}, 550},
		{"refused for good", "C: EHLO relay.test\nS: 550 no", Extensions{}, 550},
		{"refused for now", "C: EHLO relay.test\nS: 450 no", Extensions{}, 450},
		{"421", "C: EHLO relay.test\nS: 421 no", Extensions{}, 421},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := scripted(t, "S: 220 mx\n"+tt.script)
			if _, err := c.Greeting(t.Context()); err != nil {
				t.Fatal(err)
			}
			ext, err := c.Hello(t.Context(), "relay.test")
			if tt.code != 0 {
				wantError(t, err, StageHello, tt.code, nil)
			} else if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.ext, ext); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestHelloName(t *testing.T) {
	for _, name := range []string{"", "a b", "a\r\nMAIL FROM:<>", "ü.test", "a\x00"} {
		c := scripted(t, "S: 220 mx")
		_, err := c.Hello(t.Context(), name)
		wantError(t, err, StageHello, 0, ErrArgument)
	}
}
