//go:build linux

package badhost

import (
	"net"
	"net/netip"
	"os"
	"testing"
	"time"
)

func TestHoleNeverGreets(t *testing.T) {
	h, err := OpenHole("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("tcp", h.Address())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if n, err := c.Read(make([]byte, 1)); n > 0 || !os.IsTimeout(err) {
		t.Errorf("the hole says something: %d, %v", n, err)
	}
	h.Close()
	h.Close()
	c.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := c.Read(make([]byte, 1)); err == nil || os.IsTimeout(err) {
		t.Errorf("it does not hang up: %v", err)
	}
	(*Hole)(nil).Close()
}

// TestReservedPort: it refuses, a program can take it over, and nobody gets it by chance.
func TestReservedPort(t *testing.T) {
	p, err := Reserve(Loopback)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if c, err := net.Dial("tcp", p.Address()); err == nil {
		c.Close()
		t.Error("somebody listens")
	}
	l, err := net.Listen("tcp", p.Address()) // sets SO_REUSEADDR
	if err != nil {
		t.Fatalf("a server cannot take it over: %v", err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", p.Address())
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	p.Close()
	(*Port)(nil).Close()
}

// TestDeafHost: whoever connects waits, and the same port of another address is free.
func TestDeafHost(t *testing.T) {
	p, err := Reserve(Loopback)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	at := netip.AddrPortFrom(netip.MustParseAddr("127.9.0.1"), uint16(p.Number()))
	d, err := Deafen(at)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if d.Address() != at.String() {
		t.Errorf("it is at %s", d.Address())
	}
	for range 3 {
		c, err := net.DialTimeout("tcp", d.Address(), 50*time.Millisecond)
		if err == nil {
			c.Close()
		}
		if !os.IsTimeout(err) {
			t.Errorf("connecting gives %v", err)
		}
	}
}
