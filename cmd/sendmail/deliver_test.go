//go:build linux

package main

import (
	"fmt"
	"io"
	"os/user"
	"strings"
	"testing"
	"testing/iotest"
)

// body gives what stands behind the header.
func body(text string) string {
	_, b, _ := strings.Cut(text, "\r\n\r\n")
	return b
}

func TestDeliver(t *testing.T) {
	r := newRig(t, "")
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	self := me.Username + "@relay.test"
	for _, tt := range []struct {
		name, in   string
		args       []string
		from, to   string
		has, hasNo []string // of the text
	}{
		{"recipients of the header", "From: a@b.test\nTo: c@d.test, \"X, Y\" <e@f.test>\nCc: g@h.test\nBcc: i@j.test\n\nhi\n",
			[]string{"-t"}, self, "c@d.test,e@f.test,g@h.test,i@j.test",
			[]string{"From: a@b.test\r\n", "To: c@d.test, \"X, Y\" <e@f.test>\r\nCc: g@h.test\r\n", "\r\n\r\nhi\r\n"}, []string{"Bcc", "i@j.test", "\r\nFrom: a@b.test\r\nFrom"}},
		{"header and command line", "To: c@d.test\n\nhi\n", []string{"-it", "e@f.test", "c@D.test"}, self, "e@f.test,c@d.test",
			nil, nil},
		{"Bcc is taken out without -t, too", "From: a@b.test\nBcc: x@y.test,\n z@y.test\nTo: w@y.test\n\nhi\n", []string{"c@d.test"}, self, "c@d.test",
			[]string{"To: w@y.test\r\n"}, []string{"x@y.test", "z@y.test"}},
		{"sent on", "Resent-To: c@d.test\nResent-Bcc: e@f.test\nTo: old@d.test\n\nhi\n", []string{"-t"}, self, "c@d.test,e@f.test",
			[]string{"To: old@d.test"}, []string{"e@f.test"}},
		{"cron", "From: root (Cron Daemon)\nTo: root\nSubject: Cron <root@h> x\n\nline\n.\n", []string{"-i", "-FCronDaemon", "-B8BITMIME", "-oem", "root"},
			self, "root@relay.test", []string{"\r\n\r\nline\r\n.\r\n"}, []string{"CronDaemon"}},
		{"From is added", "Subject: x\n\nhi\n", []string{"-F", "J. \"Q\" Doe", "-f", "j@d.test", "c@d.test"}, "j@d.test", "c@d.test",
			[]string{`From: "J. \"Q\" Doe" <j@d.test>` + "\r\n\r\nhi"}, nil},
		{"a name beyond ASCII", "\nhi\n", []string{"-F", "Jörg\r\nX: y", "c@d.test"}, self, "c@d.test", []string{"From: =?utf-8?b?SsO2cmcNClg6IHk=?= <" + self + ">\r\n\r\nhi"}, nil},
		{"null sender", "\nhi\n", []string{"-f", "", "c@d.test"}, "", "c@d.test", []string{"<" + self + ">\r\n\r\nhi"}, nil},
		{"null sender in brackets", "\nhi\n", []string{"-f<>", "c@d.test"}, "", "c@d.test", nil, nil},
		{"local sender", "\nhi\n", []string{"-fwww", "c@d.test"}, "www@relay.test", "c@d.test", nil, nil},
		{"a dot ends", "Subject: x\n\nhi\n.\nmore\n", []string{"c@d.test"}, self, "c@d.test", []string{"\r\n\r\nhi\r\n"}, []string{"more"}},
		{"a dot ends in the header", "Subject: x\n.\nmore\n", []string{"c@d.test"}, self, "c@d.test", []string{"Subject: x"}, []string{"more"}},
		{"a dot with -i", "Subject: x\r\n\r\nhi\r\n.\r\n..more\r\n", []string{"-oi", "c@d.test"}, self, "c@d.test", []string{"\r\n\r\nhi\r\n.\r\n..more\r\n"}, nil},
		{"no last line end", "Subject: x\n\nhi", []string{"c@d.test"}, self, "c@d.test", []string{"\r\n\r\nhi\r\n"}, nil},
		{"body alone", "hello there\n.x\n", []string{"c@d.test"}, self, "c@d.test", []string{"\r\n\r\nhello there\r\n.x\r\n"}, nil},
		{"nothing at all", "", []string{"c@d.test"}, self, "c@d.test", nil, nil},
		{"from a mailbox", "From a@b Mon Mar  2 10:00:00 2026\nSubject: x\n\nFrom here\n", []string{"c@d.test"}, self, "c@d.test", []string{"\r\nSubject: x\r\n", "\r\n\r\nFrom here\r\n"}, []string{"Mon Mar"}},
		{"other domains", "\nhi\n", []string{"c@bücher.test", "Name <e@f.test>"}, self, "c@xn--bcher-kva.test,e@f.test", nil, nil},
		{"a flag behind --", "\nhi\n", []string{"--", "-t@d.test"}, self, "-t@d.test", nil, nil},
		{"DSN is not offered", "\nhi\n", []string{"-N", "never", "-R", "hdrs", "-V", "x", "c@d.test"}, self, "c@d.test", nil, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := *r
			r.t = t
			r.mustCall(tt.in, tt.args...)
			m := r.one()
			if m.Sender != tt.from || m.to != tt.to || m.Account != "local/"+me.Username {
				t.Errorf("from %q to %q by %q", m.Sender, m.to, m.Account)
			}
			for _, s := range tt.has {
				if !strings.Contains(m.text, s) {
					t.Errorf("no %q in %q", s, m.text)
				}
			}
			for _, s := range tt.hasNo {
				if strings.Contains(m.text, s) {
					t.Errorf("%q in %q", s, m.text)
				}
			}
		})
	}
}

// noEnd are sequences that some server somewhere takes for the end of a message, and one that is for ours.
var noEnd = []string{
	"\n.\n", "\n.\r", "\r.\n", "\r.\r", "\n.\r\n", "\r.\r\n", "\r\n\x00.\r\n", "\r\n.\n", "\r\n.\r", "\r\n.\x00\r\n",
	"\r\n.\r\r\n", "\r\r\n.\r\n", "\r\n.\r\n",
}

// One message in is one message out, however the input is cut.
func TestSmuggling(t *testing.T) {
	r := newRig(t, "")
	const head, evil = "Subject: x\r\n\r\nfirst", "MAIL FROM:<evil@app.test>\r\nRCPT TO:<victim@d.test>\r\nDATA\r\nevil\r\n.\r\n"
	for _, flags := range [][]string{{"-i", "c@d.test"}, {"c@d.test"}} {
		for _, sequence := range noEnd {
			whole := head + sequence + evil
			var inputs []io.Reader
			for i := range len(sequence) + 1 {
				cut := len(head) + i
				inputs = append(inputs, io.MultiReader(strings.NewReader(whole[:cut]), strings.NewReader(whole[cut:])))
			}
			for _, in := range append(inputs, iotest.OneByteReader(strings.NewReader(whole)), iotest.DataErrReader(strings.NewReader(whole))) {
				got := r.call(in, flags...)
				if strings.Contains(sequence, "\x00") {
					if mail := r.take(); got.code != exitDataErr || !strings.Contains(got.err, "NUL") || len(mail) != 0 {
						t.Fatalf("%q: %+v, %d messages", sequence, got, len(mail))
					}
					continue
				}
				m := r.one()
				stray := strings.ContainsAny(strings.ReplaceAll(m.text, "\r\n", ""), "\r\n")
				if got != (answer{}) || m.to != "c@d.test" || stray {
					t.Fatalf("%q: %+v, to %s: %q", sequence, got, m.to, m.text)
				}
				// With -i all of it is there; without, a dot alone in a line ends it.
				if !strings.HasPrefix(body(m.text), "first") || flags[0] == "-i" && !strings.HasSuffix(m.text, "\r\nDATA\r\nevil\r\n.\r\n") {
					t.Fatalf("%q became %q", sequence, m.text)
				}
			}
		}
	}
}

// A long message goes by a file, and comes out as it was.
func TestLongMessage(t *testing.T) {
	r := newRig(t, "")
	line := strings.Repeat("0123456789", 9) + "\n"
	for _, size := range []int{keepInMemory - 20, keepInMemory, keepInMemory + 1, 5 * keepInMemory} {
		text := "\n" + strings.Repeat(line, size/len(line)) + strings.Repeat("x", size%len(line)) + "\n"
		r.mustCall(text, "c@d.test")
		if got, want := body(r.one().text), strings.ReplaceAll(text[1:], "\n", "\r\n"); got != want {
			t.Errorf("size %d: %d bytes became %d", size, len(want), len(got))
		}
	}
}

// More recipients than the relay takes at once get it in several goes; who is refused is named.
func TestRecipients(t *testing.T) {
	r := newRig(t, "[limits]\nrecipients = 3\n")
	var to []string
	for i := range 8 {
		to = append(to, fmt.Sprintf("u%d@d.test", i))
	}
	r.mustCall("\nhi\n", to...)
	got := ""
	for _, m := range r.take() {
		got += m.to + ";"
	}
	if want := "u0@d.test,u1@d.test,u2@d.test;u3@d.test,u4@d.test,u5@d.test;u6@d.test,u7@d.test;"; got != want {
		t.Errorf("sent to %s", got)
	}
	said := r.call(strings.NewReader("\nhi\n"), "a b@d.test", "c@d.test", "e@[1.2.3]", "")
	if m := r.one(); m.to != "c@d.test" {
		t.Errorf("sent to %s", m.to)
	}
	if said.code != exitNoUser || !strings.Contains(said.err, "sent to 1 recipients, but not to these:\n  a b@d.test: ") ||
		!strings.Contains(said.err, "  e@[1.2.3]: the address literal") || !strings.Contains(said.err, "  : the address is empty") {
		t.Errorf("%+v", said)
	}
	said = r.call(strings.NewReader("\nhi\n"), "a b@d.test")
	if mail := r.take(); len(mail) != 0 || said.code != exitNoUser || !strings.Contains(said.err, "nothing was sent") {
		t.Errorf("%+v, %d messages", said, len(mail))
	}
}
