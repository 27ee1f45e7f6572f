package delay

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// echo is a server that sends back what it gets.
func echo(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				io.Copy(c, c)
				c.Close()
			}()
		}
	}()
	return l.Addr().String()
}

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const roundTrip = 60 * time.Millisecond

func dial(t *testing.T) (*Proxy, net.Conn) {
	t.Helper()
	p, err := Listen(echo(t), roundTrip)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	c, err := net.Dial("tcp", p.Address())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(10 * time.Second))
	return p, c
}

// TestRoundTrip: each question takes as long, and many questions at once take no longer than one.
func TestRoundTrip(t *testing.T) {
	_, c := dial(t)
	in := bufio.NewReader(c)
	io.WriteString(c, "connected?\n") // takes half a round trip more
	if _, err := in.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	for range 2 {
		io.WriteString(c, "hello\n")
		if line, err := in.ReadString('\n'); line != "hello\n" || err != nil {
			t.Fatalf("%q, %v", line, err)
		}
	}
	if took := time.Since(began); took < 2*roundTrip || took > 40*roundTrip {
		t.Errorf("two questions took %v", took)
	}
	const many = 20
	began = time.Now()
	for range many {
		io.WriteString(c, "hello\n")
		time.Sleep(time.Millisecond) // each is a parcel of its own
	}
	sent := time.Since(began)
	for range many {
		if _, err := in.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	if took := time.Since(began); took < roundTrip || took > sent+20*roundTrip {
		t.Errorf("%d questions at once took %v", many, took)
	}
}

// TestBandwidth: megabytes are on the way at once, and come as they were, with the end of the stream behind them.
func TestBandwidth(t *testing.T) {
	_, c := dial(t)
	text := bytes.Repeat([]byte("0123456789abcdef"), 4<<20/16)
	began := time.Now()
	go func() {
		c.Write(text)
		c.(*net.TCPConn).CloseWrite()
	}()
	got, err := io.ReadAll(c)
	if err != nil || !bytes.Equal(got, text) {
		t.Errorf("%d of %d bytes came back, %v", len(got), len(text), err)
	}
	if took := time.Since(began); took > 20*roundTrip {
		t.Errorf("4 MB took %v", took)
	}
}

func TestClose(t *testing.T) {
	p, c := dial(t)
	io.WriteString(c, "hello\n")
	began := time.Now()
	p.Close()
	p.Close()
	if took := time.Since(began); took > time.Second {
		t.Errorf("Close took %v", took)
	}
	if n, err := c.Read(make([]byte, 1)); err == nil {
		t.Errorf("%d bytes are read after the end", n)
	}
}
