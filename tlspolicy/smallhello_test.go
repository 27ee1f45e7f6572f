package tlspolicy

import (
	"context"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestSmallHello(t *testing.T) {
	cert := identity(t, "mx.example.test", time.Now().Add(24*time.Hour), false)
	size := func(d Decision) (n int) {
		_, _, _ = shake(t, d, func(c net.Conn) { n, _ = c.Read(make([]byte, 8192)) })
		return n
	}
	for _, level := range []Level{Required, Opportunistic, Verified} {
		p := &Policy{Default: Rule{Level: level}, Roots: poolOf(cert)}
		d := p.Decide("example.test", aTime())
		small := d.SmallHello()
		if small.Key() != d.Key() {
			t.Errorf("key %q became %q", d.Key(), small.Key())
		}
		if n := size(small); n < 100 || n > 511 {
			t.Errorf("%v: the small hello has %d bytes", level, n)
		}
		if n := size(d); n < 1200 {
			t.Errorf("%v: the usual hello has %d bytes: is the small one still of use?", level, n)
		}
		for _, curve := range []tls.CurveID{tls.X25519, tls.CurveP256, tls.CurveP384} {
			g := startGreeter(t, &tls.Config{Certificates: []tls.Certificate{cert}, CurvePreferences: []tls.CurveID{curve}})
			state, err := g.meet(t, small, time.Now())
			if err != nil || !small.Judge(true, &state).Pass {
				t.Errorf("%v, %v: %v", level, curve, err)
			}
		}
	}
}

func TestTrySmallHello(t *testing.T) {
	answer := func(hexBytes string) func(net.Conn) {
		raw, err := hex.DecodeString(hexBytes)
		if err != nil {
			t.Fatal(err)
		}
		return func(c net.Conn) {
			c.Read(make([]byte, 8192))
			c.Write(raw)
		}
	}
	hello := func(version, suite string) string {
		return "16" + version + "002a" + "02000026" + version + strings.Repeat("11", 32) + "00" + suite + "00"
	}
	for name, tc := range map[string]struct {
		server func(net.Conn)
		want   bool
	}{
		"closes":                  {func(c net.Conn) { c.Read(make([]byte, 8192)) }, true},
		"resets":                  {func(c net.Conn) { c.Read(make([]byte, 1)); c.(*net.TCPConn).SetLinger(0) }, true},
		"handshake failure":       {answer("15030100020228"), true},
		"internal error":          {answer("15030300020250"), true},
		"unexpected message":      {answer("1503030002020a"), true},
		"illegal parameter":       {answer("1503030002022f"), true},
		"decode error":            {answer("15030300020232"), true},
		"record overflow":         {answer("15030300020216"), true},
		"close_notify":            {answer("15030300020100"), true},
		"protocol version":        {answer("15030300020246"), false},
		"insufficient security":   {answer("15030300020247"), false},
		"unrecognized name":       {answer("15030300020270"), false},
		"bad certificate":         {answer("1503030002022a"), false},
		"ServerHello of TLS 1.0":  {answer(hello("0301", "002f")), false},
		"clear text":              {func(c net.Conn) { c.Read(make([]byte, 8192)); c.Write([]byte("500 what?\r\n")) }, false},
		"half an alert":           {answer("150303"), false},
		"ServerHello, then alert": {answer(hello("0303", "c02f") + "15030300020228"), false},
	} {
		err, _, seen := shake(t, Decision{}, tc.server)
		if got := (Decision{}).TrySmallHello(err, seen); got != tc.want {
			t.Errorf("%s: %v, want %v; %v, seen %v", name, got, tc.want, err, seen)
		}
		if (Decision{}).SmallHello().TrySmallHello(err, seen) {
			t.Errorf("%s: smaller than small", name)
		}
	}
}

func TestTrySmallHelloAfterErrors(t *testing.T) {
	nothing := Observe(nil)
	for _, err := range []error{os.ErrDeadlineExceeded, fmt.Errorf("no progress: %w", os.ErrDeadlineExceeded), io.EOF, syscall.ECONNRESET, syscall.EPIPE} {
		if !(Decision{}).TrySmallHello(err, nothing) {
			t.Errorf("%v: no", err)
		}
	}
	for _, err := range []error{nil, context.Canceled, errors.New("bytes were injected")} {
		if (Decision{}).TrySmallHello(err, nothing) {
			t.Errorf("%v: yes", err)
		}
	}
}
