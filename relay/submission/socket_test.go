//go:build linux

package submission

import (
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

func atSocket(path string) Listener { return Listener{Address: socketPrefix + path} }

// A user of this machine may send by the socket, and is named where an operator looks for him.
func TestSocket(t *testing.T) {
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "made", "s.sock")
	r := start(t, atSocket(path))
	c := r.dial()
	c.say("EHLO localhost", "250")
	c.mail()
	c.send("Subject: x\r\n\r\nhi\r\n.\r\n")
	c.expect("250 2.0.0 Ok: queued as")
	mail := r.queue.take()
	if len(mail) != 1 || mail[0].Account != "local/"+me.Username || mail[0].Client != "" {
		t.Fatalf("queued is %+v", mail)
	}
	by := "Received: from localhost by relay.test (tlsrelay, from userid " + me.Uid + ")"
	if text := strings.ReplaceAll(mail[0].text, "\r\n ", " "); !strings.HasPrefix(text, by+" with ESMTP id ") {
		t.Errorf("the message begins with %q", text)
	}
	if log := r.log.String(); !strings.Contains(log, "account=local/"+me.Username) {
		t.Errorf("the log does not name the user:\n%s", log)
	}
	c.say("STARTTLS", "502")
	c.say("AUTH PLAIN", "502")
	c.say("RSET", "250")
	for _, f := range []struct {
		name string
		want os.FileMode
	}{{path, 0o666 | os.ModeSocket}, {filepath.Dir(path), 0o755 | os.ModeDir}} {
		if info, err := os.Stat(f.name); err != nil || info.Mode() != f.want {
			t.Errorf("%s: %v %v, want %v", f.name, info.Mode(), err, f.want)
		}
	}
	r.stop()
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("the socket is left: %v", err)
	}
}

func TestSocketLimits(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.sock")
	r := start(t, atSocket(path), func(o *Options) { o.MessageSize, o.Connections = 100, 1 })
	c := r.dial()
	r.connect().expect("421 4.7.0")
	c.say("EHLO localhost", "250")
	c.say("MAIL FROM:<a@app.test> SIZE=101", "552 5.3.4")
	c.mail()
	c.send(strings.Repeat("0123456789\r\n", 20) + ".\r\n")
	c.expect("552 5.3.4")
	c.send("GET / HTTP/1.1\r\n")
	c.expect("421 4.7.0")
	c.expectEnd()
}

// One user of the machine cannot take the places of all others.
func TestSocketConnections(t *testing.T) {
	r := start(t, atSocket(filepath.Join(t.TempDir(), "s.sock")), func(o *Options) { o.Connections, o.ConnectionsPerAddress = 6, 1 })
	first := r.dial()
	r.dial()
	r.dial()
	r.connect().expect("421 4.7.0 " + hostname + " has too many connections of your user (at most 3), try again later\r\n")
	first.say("QUIT", "221")
	first.expectEnd()
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) { // until the place is free
		c := r.connect()
		if reply, err := c.reply(); err == nil && strings.HasPrefix(reply, "220") {
			break
		}
		c.conn.Close()
		if time.Now().After(deadline) {
			t.Fatal("the place of the first is not free again")
		}
	}
}

func TestSocketOpens(t *testing.T) {
	stale := func(t *testing.T, path string) {
		l, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		l.(*net.UnixListener).SetUnlinkOnClose(false)
		l.Close()
	}
	for _, tt := range []struct {
		name    string
		prepare func(t *testing.T, path string)
		want    string // of the error; "" is none
	}{
		{"nothing there", func(*testing.T, string) {}, ""},
		{"of a dead process", stale, ""},
		{"in use", func(t *testing.T, path string) {
			l, err := net.Listen("unix", path)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { l.Close() })
		}, "is in use: another process listens there"},
		{"a file", func(t *testing.T, path string) {
			if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
				t.Fatal(err)
			}
		}, "is no socket"},
		{"folder open to all", func(t *testing.T, path string) {
			if err := os.Chmod(filepath.Dir(path), 0o777); err != nil {
				t.Fatal(err)
			}
		}, "chmod o-w"},
		{"no folder above", func(t *testing.T, path string) {
			if err := os.Remove(filepath.Dir(path)); err != nil {
				t.Fatal(err)
			}
			if err := os.Remove(filepath.Dir(filepath.Dir(path))); err != nil {
				t.Fatal(err)
			}
		}, "make the folder of the socket"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "up", "run", "s.sock")
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			tt.prepare(t, path)
			l, err := listenSocket(path)
			if err == nil {
				l.Close()
			}
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}

func TestUserNames(t *testing.T) {
	var u userNames
	now := time.Unix(1_800_000_000, 0)
	if got := u.name("0", now); got != "root" {
		t.Errorf("user 0 is %q", got)
	}
	if got := u.name("4294967294", now); got != "4294967294" {
		t.Errorf("an unknown user is %q", got)
	}
	u.known["0"] = userName{"changed", now.Add(time.Second)}
	if got := u.name("0", now); got != "changed" {
		t.Errorf("a known name is looked up again: %q", got)
	}
	if got := u.name("0", now.Add(time.Second)); got != "root" {
		t.Errorf("an old name is still believed: %q", got)
	}
	for i := range maxUserNames {
		u.known[strconv.Itoa(-i)] = userName{}
	}
	if u.name("7", now); len(u.known) != 1 {
		t.Errorf("%d names are kept", len(u.known))
	}
}
