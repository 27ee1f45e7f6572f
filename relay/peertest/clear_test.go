//go:build linux

package peertest

import (
	"bytes"
	"testing"
)

// commands are what a client must not say before TLS.
func commands() []string { return []string{"MAIL FROM", "RCPT TO", "DATA\r\n"} }

// checkCapture looks for the canary and for commands in what went over the network in clear text. The one host that may
// get clear text shows that they would be found.
func checkCapture(t *testing.T, streams []*stream, canary string) {
	t.Helper()
	secure := []string{atModern, atTLS12, atOld, atFirst, atWorse, atSender}
	for _, host := range append(secure, atPlain, atLast) {
		all := with(streams, host)
		if !clientSays(all, "EHLO "+hostname+"\r\n") {
			t.Errorf("the capture does not show the relay greeting %s", host)
		}
		for _, command := range commands() {
			if clientSays(all, command) {
				t.Errorf("%s got %q in clear text", host, command)
			}
		}
	}
	for _, host := range secure {
		const handshake = "\r\n\x16\x03\x01" // the head of a TLS record with a ClientHello, behind a command
		if !clientSays(with(streams, host), "STARTTLS"+handshake) {
			t.Errorf("the capture does not show STARTTLS with %s", host)
		}
	}
	for _, s := range streams {
		if s.host != atClear && (bytes.Contains(s.toHost, []byte(canary)) || bytes.Contains(s.fromHost, []byte(canary))) {
			t.Errorf("the canary was on the way to or from %s in clear text", s.host)
		}
	}
	for _, word := range append(commands(), canary+"-from@", canary+"-to@", "Subject: Order "+canary, "\r\n\r\n"+canary) {
		if !clientSays(with(streams, atClear), word) {
			t.Errorf("the capture does not show %q to %s, so it proves nothing", word, atClear)
		}
	}
}

// clientSays tells whether a text was sent to the host in clear, in upper or lower case.
func clientSays(streams []*stream, text string) bool {
	for _, s := range streams {
		if bytes.Contains(bytes.ToUpper(s.toHost), bytes.ToUpper([]byte(text))) {
			return true
		}
	}
	return false
}
