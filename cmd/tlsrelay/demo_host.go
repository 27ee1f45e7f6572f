package main

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/textproto"
	"strings"
	"sync"
	"time"
)

// demoHost plays a mail server on loopback. It takes all mail that reaches it and keeps it.
type demoHost struct {
	name     string
	tls      *tls.Config // nil: STARTTLS is not offered
	listener net.Listener
	received chan string // whole messages, as they came
	sessions sync.WaitGroup
}

// startDemoHost opens a port. With a version, STARTTLS is offered with that version and no other.
func startDemoHost(name string, version uint16) (*demoHost, error) {
	h := &demoHost{name: name, received: make(chan string, 16)}
	if version != 0 {
		cert, err := demoCertificate(name)
		if err != nil {
			return nil, err
		}
		h.tls = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: version, MaxVersion: version}
	}
	var err error
	if h.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return nil, err
	}
	h.sessions.Go(h.accept)
	return h, nil
}

func (h *demoHost) port() int { return h.listener.Addr().(*net.TCPAddr).Port }

func (h *demoHost) stop() {
	h.listener.Close()
	h.sessions.Wait()
}

func (h *demoHost) accept() {
	for {
		c, err := h.listener.Accept()
		if err != nil {
			return
		}
		h.sessions.Go(func() {
			defer c.Close()
			c.SetDeadline(time.Now().Add(30 * time.Second))
			h.serve(c)
		})
	}
}

// serve holds one SMTP dialogue: just enough for a relay that behaves.
func (h *demoHost) serve(c net.Conn) {
	in := textproto.NewReader(bufio.NewReader(c))
	say := func(lines string) { io.WriteString(c, strings.ReplaceAll(lines, "\n", "\r\n")+"\r\n") }
	encrypted := false
	say("220 " + h.name + " ESMTP")
	for {
		line, err := in.ReadLine()
		if err != nil {
			return
		}
		verb, _, _ := strings.Cut(strings.ToUpper(line), " ")
		switch verb {
		case "EHLO":
			if h.tls != nil && !encrypted {
				say("250-" + h.name + "\n250-STARTTLS\n250 PIPELINING")
			} else {
				say("250-" + h.name + "\n250 PIPELINING")
			}
		case "STARTTLS":
			say("220 2.0.0 go ahead")
			tc := tls.Server(c, h.tls)
			if tc.Handshake() != nil {
				return
			}
			c, encrypted = tc, true
			in = textproto.NewReader(bufio.NewReader(c))
		case "DATA":
			say("354 go ahead")
			text, err := in.ReadDotBytes()
			if err != nil {
				return
			}
			h.received <- string(text)
			say("250 2.0.0 taken")
		case "QUIT":
			say("221 2.0.0 bye")
			return
		default:
			say("250 2.0.0 ok")
		}
	}
}

func demoCertificate(name string) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("certificate for %s: %w", name, err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}
