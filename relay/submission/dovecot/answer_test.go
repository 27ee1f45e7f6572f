package dovecot

import (
	"strings"
	"testing"
)

func TestUnescape(t *testing.T) {
	for in, want := range map[string]string{
		"plain": "plain", "a\x01tb": "a\tb", "\x010\x011\x01r\x01n": "\x00\x01\r\n", "\x01x": "x", "end\x01": "end\x01",
	} {
		if got := unescape(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// The first name counts, whatever a database adds, and blanks and dashes are part of it.
func TestParseOK(t *testing.T) {
	for in, want := range map[string]string{
		"OK\t1\tuser=a@example.org\thost=x":          "a@example.org",
		"OK\t1\tuser=first\tuser=second":             "first",
		"OK\t1\tauth_user=master\tuser=shop":         "shop",
		"OK\t1\tuser=jürgen smith-x":                 "jürgen smith-x",
		"OK\t4294967295\tuser=a=b":                   "a=b",
		"OK\t1\tuser=\tuser=second":                  "",
		"OK\t1\tuser= a":                             "",
		"OK\t1\tuser=" + strings.Repeat("a", 256):    "",
		"OK\t1\tuser=\u202ea":                        "",
		"OK\t1\tuser=a\xff":                          "",
		"OK\t1\tuser=nologin\toriginal_user=proxy":   "nologin",
		"OK\t1\tuser=a\tnologinx":                    "a",
		"OK\t1\tuser=a\tproxy_timeout=5\tproxyx=yes": "a",
	} {
		a, found, err := parseAnswer(in)
		if a.user != want || (a.err != nil) != (want == "") || !found || err != nil {
			t.Errorf("%q: %+v, %v, %v", in, a, found, err)
		}
	}
	for _, in := range []string{"OK", "OK\t", "OK\t-1", "FAIL\t1 ", "CONT\t4294967296", "OK\t0x1"} {
		if _, _, err := parseAnswer(in); err != errGarbage {
			t.Errorf("%q: %v", in, err)
		}
	}
}

// Nothing that Dovecot says makes a user whose name is not fit for logs and rules, or one of what is no OK.
func FuzzAnswer(f *testing.F) {
	for _, line := range []string{"OK\t1\tuser=app\tnologin", "FAIL\t2\tuser=app\tcode=temp_fail", "CONT\t3\tAAAA", "OK\t1\tuser=a\x01tb",
		"OK\t1\tuser=a\tproxy=y\tpass=x", "VERSION\t1\t2", "OK\t99999999999\tuser=x", "\x01", ""} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		line, _, _ = strings.Cut(line, "\n")
		a, found, err := parseAnswer(line)
		switch {
		case a.user == "":
		case !found || err != nil || a.err != nil:
			t.Errorf("%q: a user beside %v, %v, %v", line, found, err, a.err)
		case !strings.HasPrefix(line, "OK\t") || !printable(a.user):
			t.Errorf("%q: the user is %q", line, a.user)
		case strings.Contains(line, "\tproxy\t") || strings.HasSuffix(line, "\tnologin"):
			t.Errorf("%q: a user who may not log in", line)
		}
		if err != nil && len(err.Error()) > 200 {
			t.Errorf("%v", err)
		}
	})
}
