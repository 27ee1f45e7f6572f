package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/rogpeppe/go-internal/testscript"
)

// oddHosts are what a mail server does once it offered STARTTLS, and the client said so. n counts such connections, from 1
// on.
var oddHosts = map[string]func(c net.Conn, n int){
	"alert40": func(c net.Conn, _ int) { goAhead(c); answerTLS(c, []byte{21, 3, 3, 0, 2, 2, 40}) },
	"closes":  func(c net.Conn, _ int) { goAhead(c); answerTLS(c, nil) },
	"tires": func(c net.Conn, n int) { // it refuses the first version that it is asked for, and then says no more
		if goAhead(c); n == 1 {
			answerTLS(c, []byte{21, 3, 3, 0, 2, 2, 70})
			return
		}
		io.Copy(io.Discard, c)
	},
}

func goAhead(c net.Conn) { io.WriteString(c, "220 2.0.0 go ahead\r\n") }

// answerTLS reads a ClientHello and gives an answer.
func answerTLS(c net.Conn, answer []byte) {
	c.Read(make([]byte, 4096))
	c.Write(answer)
}

// scriptOddHost is oddhost VAR KIND: it starts a mail server on 127.0.0.1 with odd TLS, and sets VAR to its port.
func scriptOddHost(ts *testscript.TestScript, _ bool, args []string) {
	act := oddHosts[args[1]]
	if act == nil {
		ts.Fatalf("there is no odd host %s", args[1])
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	var sessions sync.WaitGroup
	var count atomic.Int32
	sessions.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			sessions.Go(func() {
				defer c.Close()
				if offerSTARTTLS(c) {
					act(c, int(count.Add(1)))
				}
			})
		}
	})
	ts.Defer(func() { l.Close(); sessions.Wait() })
	ts.Setenv(args[0], strconv.Itoa(l.Addr().(*net.TCPAddr).Port))
}

// offerSTARTTLS holds the dialogue up to that command, and reports whether it came.
func offerSTARTTLS(c net.Conn) bool {
	in := textproto.NewReader(bufio.NewReader(c))
	fmt.Fprint(c, "220 mx.odd.test ESMTP\r\n")
	for {
		line, err := in.ReadLine()
		if err != nil {
			return false
		}
		if strings.EqualFold(line, "STARTTLS") {
			return true
		}
		fmt.Fprint(c, "250-mx.odd.test\r\n250 STARTTLS\r\n")
	}
}
