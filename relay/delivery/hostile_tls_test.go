package delivery

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"io"
	"math/big"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tlsrelay/queue"
	"tlsrelay/relay/memnet"
	"tlsrelay/tlspolicy"
)

// handshakes are what a remote may do instead of its part of the handshake.
var handshakes = map[string]func(*visit){
	"endless warnings":                repeats("\x15\x03\x03\x00\x02\x01\x5a"),
	"endless empty records":           repeats("\x16\x03\x03\x00\x00"),
	"endless change cipher spec":      repeats("\x14\x03\x03\x00\x01\x01"),
	"endless hello requests":          repeats("\x16\x03\x03\x00\x04\x00\x00\x00\x00"),
	"endless server hello":            repeats("\x16\x03\x03\x40\x00\x02\x00\xff\xff" + strings.Repeat("\x00", 1<<14-4)),
	"server hello of 16 MB":           repeats("\x16\x03\x03\x40\x00\x02\xff\xff\xff" + strings.Repeat("\x00", 1<<14-4)),
	"message in pieces of one byte":   repeats("\x16\x03\x03\x00\x01\x02"),
	"record of 64 KB":                 repeats("\x16\x03\x03\xff\xff"),
	"SSLv2":                           says("\x80\x2e\x01\x00\x02"),
	"alert for the wrong version":     says("\x15\x03\x03\x00\x02\x02\x46"),
	"alert in pieces, then silence":   says("\x15\x03\x03\x00\x02\x02"),
	"server hello for TLS 1.0":        cut(firstRecord, nil, tls.VersionTLS10),
	"1 byte, then silence":            cut(1, nil, tls.VersionTLS13),
	"half a server hello, silence":    cut(60, nil, tls.VersionTLS13),
	"server hello, then silence":      cut(firstRecord, nil, tls.VersionTLS13),
	"server hello, then warnings":     cut(firstRecord, repeats("\x15\x03\x03\x00\x02\x01\x5a"), tls.VersionTLS13),
	"server hello, then cipher specs": cut(firstRecord, repeats("\x14\x03\x03\x00\x01\x01"), tls.VersionTLS13),
	"server hello, then garbage":      cut(firstRecord, repeats("\x17\x03\x03\x40\x00"+strings.Repeat("x", 1<<14)), tls.VersionTLS13),
	"TLS 1.2 and then silence":        cut(firstRecord, nil, tls.VersionTLS12),
	"TLS 1.2 and then warnings":       cut(firstRecord, repeats("\x15\x03\x03\x00\x02\x01\x5a"), tls.VersionTLS12),
	"TLS 1.2 and then empty records":  cut(firstRecord, repeats("\x16\x03\x03\x00\x00"), tls.VersionTLS12),
	"TLS 1.2 and no end of a message": cut(firstRecord, repeats("\x16\x03\x03\x00\x04\x0b\x03\xff\xff"), tls.VersionTLS12),
	"a byte a second":                 slowly(time.Second),
	"a byte a minute":                 slowly(time.Minute),
}

const firstRecord = -1

// cut lets so many bytes of a good handshake out and then does something else.
func cut(n int, then func(*visit), version uint16) func(*visit) {
	return func(v *visit) {
		cfg := v.tls.Clone()
		cfg.MaxVersion, cfg.MinVersion = version, min(version, tls.VersionTLS12)
		c := &cutter{wire: v.wire, left: n}
		tls.Server(c, cfg).Handshake()
		if then != nil {
			then(v)
		}
		v.drain()
	}
}

// cutter loses all but the first bytes written.
type cutter struct {
	wire
	left int
}

func (c *cutter) Write(b []byte) (int, error) {
	if c.left == firstRecord {
		c.left = 5 + int(binary.BigEndian.Uint16(b[3:]))
	}
	n := min(c.left, len(b))
	c.left -= n
	if _, err := c.wire.Write(b[:n]); err != nil || c.left > 0 {
		return n, err
	}
	return n, context.Canceled
}

// slowly makes pauses between the bytes of a good handshake.
func slowly(pause time.Duration) func(*visit) {
	return func(v *visit) {
		tls.Server(&slow{v.wire, pause}, v.tls).Handshake()
		v.drain()
	}
}

type slow struct {
	wire
	pause time.Duration
}

func (s *slow) Write(b []byte) (int, error) {
	for i := range b {
		if _, err := s.wire.Write(b[i : i+1]); err != nil {
			return i, err
		}
		time.Sleep(s.pause)
	}
	return len(b), nil
}

func TestHostileHandshake(t *testing.T) {
	config := newAuthority(t).server(t, "mx.dest.test", tls.VersionTLS10, tls.VersionTLS13)
	for _, name := range names(handshakes) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				act := func(v *visit) {
					v.wire.(*memnet.End).Ready() // for the ClientHello: what comes before is seen to be out of place
					handshakes[name](v)
				}
				o, bytes, took := measure(t, &tarpit{tls: config, stage: "handshake", act: act}, jobTo("a@dest.test"))
				blameless(t, o)
				if o.Stage != queue.StageTLS || !o.TLS.Broken || o.TLS.Seen == "" {
					t.Errorf("stage %s, %+v", o.Stage, o.TLS)
				}
				if took > time.Minute { // two handshakes: the second one with a small ClientHello
					t.Errorf("it took %v", took)
				}
				t.Logf("%d bytes, %v: %s, %s (%s)", bytes, took, o.Cause, o.Detail, o.TLS.Seen)
			})
		})
	}
}

// records are floods after the handshake, of which no byte comes up to SMTP, or hardly any.
var records = map[string]func(*forger) error{
	"tickets":               func(f *forger) error { return f.send(recordHandshake, ticket) },
	"tickets, one record":   func(f *forger) error { return f.send(recordHandshake, strings.Repeat(ticket, 500)) },
	"key updates":           (*forger).update,
	"empty records":         func(f *forger) error { return f.send(recordData, "") },
	"warnings":              func(f *forger) error { return f.send(recordAlert, warning) },
	"certificate requests":  func(f *forger) error { return f.send(recordHandshake, certificateRequest) },
	"pieces of a message":   func(f *forger) error { return f.send(recordHandshake, "\x04") },
	"one byte a record":     func(f *forger) error { return f.send(recordData, "2") },
	"tickets and bytes":     between(func(f *forger) error { return f.send(recordHandshake, ticket) }),
	"key updates and bytes": between((*forger).update),
	"empty and bytes":       between(func(f *forger) error { return f.send(recordData, "") }),
	"warnings and bytes":    between(func(f *forger) error { return f.send(recordAlert, warning) }),
}

// between does something as often as package tls bears it, and then sends a byte, so that it starts to count anew.
func between(do func(*forger) error) func(*forger) error {
	return func(f *forger) error {
		for range 15 {
			if err := do(f); err != nil {
				return err
			}
		}
		return f.send(recordData, "2")
	}
}

// flood repeats it without end, and reads or not.
func flood(send func(*forger) error, reads bool) func(*visit) {
	return func(v *visit) {
		if reads {
			go io.Copy(io.Discard, v.wire)
		}
		for send(v.nc.(*forger)) == nil {
		}
	}
}

func TestHostileRecords(t *testing.T) {
	config := newAuthority(t).server(t, "mx.dest.test", tls.VersionTLS13, tls.VersionTLS13)
	for _, name := range names(records) {
		t.Run(name, func(t *testing.T) {
			for _, stage := range []string{"ehlo+tls", "dot"} {
				for _, reads := range []bool{true, false} {
					if !reads && !strings.HasPrefix(name, "key updates") {
						continue // only those are answered
					}
					synctest.Test(t, func(t *testing.T) {
						h := &tarpit{tls: config, forge: true, stage: stage, act: flood(records[name], reads)}
						o, bytes, took := measure(t, h, jobTo("a@dest.test"))
						blameless(t, o)
						t.Logf("%s: %d bytes, %v: %s, %s", stage, bytes, took, o.Cause, o.Detail)
					})
				}
			}
		})
	}
}

// A certificate that is as large as package tls bears, and one that is larger.
func TestHugeCertificate(t *testing.T) {
	config := newAuthority(t).server(t, "mx.dest.test", tls.VersionTLS12, tls.VersionTLS13)
	one := config.Certificates[0].Certificate[0]
	for size, delivered := range map[int]bool{200 << 10: true, 300 << 10: false} {
		huge := config.Clone()
		chain := [][]byte{one}
		for len(chain)*(len(one)+5) < size {
			chain = append(chain, one)
		}
		huge.Certificates = []tls.Certificate{{Certificate: chain, PrivateKey: config.Certificates[0].PrivateKey}}
		synctest.Test(t, func(t *testing.T) {
			o, _, _ := measure(t, &tarpit{tls: huge}, jobTo("a@dest.test"))
			if got := o.Result == queue.ResultDelivered; got != delivered {
				t.Errorf("%d bytes: %v, %s", size, o.Result, o.Detail)
			}
		})
	}
}

// The names in a certificate are the remote's words. They stand in the notice about it.
func TestHostileCertificate(t *testing.T) {
	ca := newAuthority(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), DNSNames: []string{"\x1b]0;owned\a.test", strings.Repeat("x", 50000)},
		NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca.cert, ca.key.Public(), ca.key)
	if err != nil || !bytes.Contains(der, []byte("\x1b]0;")) {
		t.Fatal("no such certificate", err)
	}
	h := &tarpit{tls: &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: ca.key}}}}
	synctest.Test(t, func(t *testing.T) {
		w := worldOf(h)
		d := w.deliverer(tlspolicy.Rule{Level: tlspolicy.Verified})
		d.opts.Policy.Roots = ca.pool()
		lane := d.Open()
		o := lane.Deliver(t.Context(), jobTo("a@dest.test"), nil).Outcomes[0]
		lane.Close()
		w.visits.Wait()
		blameless(t, o)
		if o.Stage != queue.StageTLS || !strings.Contains(o.Detail, "owned") {
			t.Errorf("%+v", o)
		}
	})
}
