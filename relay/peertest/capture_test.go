//go:build linux

package peertest

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// capture is a recording of all that goes over a network.
type capture struct {
	n    *network
	p    *process
	file string
}

// stream is one TCP connection of a capture.
type stream struct {
	host             string // address of the server
	toHost, fromHost []byte
}

// startCapture gives a capture that is under way: what is sent from now on is in it.
func startCapture(t *testing.T, n *network) *capture {
	t.Helper()
	c := &capture{n: n, file: filepath.Join(n.dir, "capture.pcapng")}
	filter := fmt.Sprintf("tcp and (port %d or port 465) and net %s", n.port(), hosts)
	c.p = start(t, n.dir, "dumpcap", "-q", "-i", "lo", "-B", "16", "-f", filter, "-w", c.file)
	c.flush(t)
	return c
}

// flush returns when all packets sent before are in the file: it sends a word of its own until that shows up.
func (c *capture) flush(t *testing.T) {
	t.Helper()
	probe := []byte(word(t))
	c.p.await(t, func() bool {
		conn, err := net.Dial("tcp", c.n.hold.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := conn.Write(probe); err != nil {
			t.Fatal(err)
		}
		time.Sleep(50 * time.Millisecond)
		recorded, _ := os.ReadFile(c.file)
		return bytes.Contains(recorded, probe)
	})
}

// dumpcap's last words: packets received and dropped.
var dumpcapCount = regexp.MustCompile(`received/dropped on interface '[^']+': (\d+)/(\d+) `)

// end ends the capture and gives its streams. A capture that is not whole fails the test.
func (c *capture) end(t *testing.T) []*stream {
	t.Helper()
	c.flush(t)
	c.p.stop(t, syscall.SIGINT)
	said, err := os.ReadFile(c.p.output)
	if err != nil {
		t.Fatal(err)
	}
	if m := dumpcapCount.FindSubmatch(said); m == nil || string(m[2]) != "0" {
		t.Fatalf("dumpcap may have lost packets: %s", said)
	}
	args := []string{"-n", "-r", c.file, "-Y", "tcp.len > 0", "-T", "fields"}
	for _, field := range []string{"tcp.stream", "ip.src", "ip.dst", "tcp.seq", "tcp.payload"} {
		args = append(args, "-e", field)
	}
	streams, err := reassemble(mustRun(t, "", "tshark", args...))
	if err != nil {
		t.Fatal(err)
	}
	return streams
}

// reassemble joins what tshark says of the segments.
func reassemble(segments string) ([]*stream, error) {
	var order []*stream
	known := map[string]*stream{}
	for line := range strings.Lines(segments) {
		f := strings.Split(strings.TrimSpace(line), "\t")
		if len(f) != 5 {
			return nil, fmt.Errorf("tshark says %q", line)
		}
		s := known[f[0]]
		if s == nil {
			s = &stream{}
			known[f[0]] = s
			order = append(order, s)
		}
		to, err := netip.ParseAddr(f[2])
		if err != nil {
			return nil, err
		}
		side := &s.fromHost
		s.host = f[1]
		if hosts.Contains(to) {
			side, s.host = &s.toHost, f[2]
		}
		if *side, err = extend(*side, f[3], f[4]); err != nil {
			return nil, fmt.Errorf("a connection with %s: %w", s.host, err)
		}
	}
	return order, nil
}

// extend adds a segment, unless it is a repetition. Numbers start at 1.
func extend(side []byte, number, payload string) ([]byte, error) {
	seq, err := strconv.Atoi(number)
	if err != nil {
		return nil, err
	}
	b, err := hex.DecodeString(payload)
	if err != nil {
		return nil, err
	}
	known := len(side) + 1 - seq
	if known < 0 {
		return nil, fmt.Errorf("%d bytes are missing", -known)
	}
	return append(side, b[min(known, len(b)):]...), nil
}

// with gives the streams with one host.
func with(streams []*stream, host string) []*stream {
	var found []*stream
	for _, s := range streams {
		if s.host == host {
			found = append(found, s)
		}
	}
	return found
}

// word makes a random word that nothing contains by chance.
func word(t *testing.T) string {
	t.Helper()
	b := make([]byte, 12)
	if _, err := rand.Read(b); err != nil {
		t.Fatal(err)
	}
	return "canary" + hex.EncodeToString(b)
}
