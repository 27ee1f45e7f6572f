//go:build linux

package peertest

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"net/smtp"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// hosts is where the hosts of a network have their addresses.
var hosts = netip.MustParsePrefix("127.0.76.0/23")

// network is a piece of loopback with a port that is the same for all hosts on it, as port 25 is for MX hosts.
type network struct {
	dir       string
	cert, key string
	hold      net.Listener // keeps the port: nobody else can listen on it on all addresses
}

// newNetwork finds a port that is free on all addresses.
func newNetwork(t *testing.T) *network {
	t.Helper()
	n := &network{dir: scratch(t)}
	n.cert, n.key = certificate(t, n.dir)
	var err error
	if n.hold, err = net.Listen("tcp", "127.0.77.254:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.hold.Close() })
	return n
}

func (n *network) port() int { return n.hold.Addr().(*net.TCPAddr).Port }

func (n *network) at(addr string) string { return net.JoinHostPort(addr, strconv.Itoa(n.port())) }

// greets tells whether an SMTP server answers.
func greets(network, address string) func() bool {
	return func() bool {
		c, err := net.DialTimeout(network, address, time.Second)
		if err != nil {
			return false
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(time.Second))
		line, _ := bufio.NewReader(c).ReadString('\n')
		return strings.HasPrefix(line, "220")
	}
}

// folder makes a folder that all may look into and owner may write to.
func folder(t *testing.T, parent, name, owner string) string {
	t.Helper()
	dir := filepath.Join(parent, name)
	err := os.Mkdir(dir, 0o755)
	if err == nil {
		err = os.Chmod(dir, 0o755) // whatever the umask is
	}
	if err == nil {
		uid, gid := ids(t, owner)
		err = os.Chown(dir, uid, gid)
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// ids are the numbers of a user.
func ids(t *testing.T, name string) (uid, gid int) {
	t.Helper()
	u, err := user.Lookup(name)
	if err != nil {
		t.Fatal(err)
	}
	uid, errUID := strconv.Atoi(u.Uid)
	gid, errGID := strconv.Atoi(u.Gid)
	if errUID != nil || errGID != nil {
		t.Fatalf("bad user %+v", u)
	}
	return uid, gid
}

// startSink runs smtp-sink, a host without STARTTLS, on an address. It gives the folder that the mail goes to, a file
// each: the envelope as header fields X-Mail-Args and X-Rcpt-Args, then the message.
func (n *network) startSink(t *testing.T, name, addr string) (box string) {
	t.Helper()
	return n.sink(t, name, "tcp", n.at(addr), "inet:"+n.at(addr))
}

func (n *network) sink(t *testing.T, name, network, address, listen string) (box string) {
	t.Helper()
	box = folder(t, n.dir, name, "nobody")
	p := start(t, n.dir, "smtp-sink", "-u", "nobody", "-h", name, "-d", filepath.Join(box, "mail."), listen, "64")
	p.await(t, greets(network, address))
	return box
}

// startTLS runs a host that offers STARTTLS with some versions of TLS, in the words of OpenSSL: stunnel on one or more
// addresses, with smtp-sink behind it on a unix socket, so that clear text on the network is the relay's alone.
func (n *network) startTLS(t *testing.T, name, oldest, newest string, addrs ...string) (box string) {
	t.Helper()
	socket := filepath.Join(n.dir, name+".sock")
	box = n.sink(t, name, "unix", socket, "unix:"+socket)
	var b strings.Builder
	fmt.Fprintf(&b, "foreground = yes\npid =\nsyslog = no\ndebug = notice\n")
	for _, addr := range addrs {
		fmt.Fprintf(&b, "[%s]\naccept = %s\nconnect = %s\nprotocol = smtp\n", addr, n.at(addr), socket)
		fmt.Fprintf(&b, "cert = %s\nkey = %s\nciphers = ALL:@SECLEVEL=0\n", n.cert, n.key)
		fmt.Fprintf(&b, "sslVersionMin = %s\nsslVersionMax = %s\n", oldest, newest)
	}
	config := filepath.Join(n.dir, name+".conf")
	writeFile(t, config, []byte(b.String()))
	p := start(t, n.dir, "stunnel4", config)
	for _, addr := range addrs {
		p.await(t, greets("tcp", n.at(addr)))
	}
	return box
}

// checkTLS makes sure that a host with STARTTLS works, and that the newest TLS it speaks is the one it is here for.
func (n *network) checkTLS(t *testing.T, addr string, newest uint16) {
	t.Helper()
	c, err := smtp.Dial(n.at(addr))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.StartTLS(&tls.Config{MinVersion: tls.VersionTLS10, InsecureSkipVerify: true}); err != nil {
		t.Fatalf("STARTTLS with %s: %v", addr, err)
	}
	if state, _ := c.TLSConnectionState(); state.Version != newest {
		t.Fatalf("%s speaks %s, want %s", addr, tls.VersionName(state.Version), tls.VersionName(newest))
	}
	if err := c.Quit(); err != nil {
		t.Fatal(err)
	}
}

// received waits until there are as many mails in a box, and gives their files.
func received(t *testing.T, box string, count int) []string {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		files, err := filepath.Glob(filepath.Join(box, "*"))
		if err != nil {
			t.Fatal(err)
		}
		if len(files) == count {
			return files
		}
		if len(files) > count || time.Now().After(deadline) {
			t.Fatalf("%d mails arrived, want %d", len(files), count)
		}
	}
}
