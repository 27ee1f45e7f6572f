package delivery

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"time"

	"tlsrelay/relay/memnet"
)

// tarpit is a mail host that behaves well up to a stage, and then does something else instead of what it should.
type tarpit struct {
	tls    *tls.Config
	offers string // EHLO keywords
	stage  string // see visit.serve; after TLS it is "ehlo+tls"
	act    func(v *visit)
	takes  int           // messages that it takes before that
	forge  bool          // it makes its TLS records itself
	rcpt   string        // the answer to it, instead of 250
	pause  time.Duration // before each of its replies
	rate   int           // bytes of a message that it reads in a second; 0: all it gets

	after func(v *visit) // done after each message that was taken
}

// wire is the tarpit's end of a connection: an end of a link, or a socket.
type wire interface {
	net.Conn
	CloseWrite() error
	Reset()
	Wait() // for the client to leave, without reading
}

// visit is one connection to a tarpit.
type visit struct {
	*tarpit
	wire  wire
	nc    io.ReadWriter // wire, or TLS above it
	r     *bufio.Reader
	taken int
}

func (h *tarpit) serve(e *memnet.End) { h.meet(e) }

func (h *tarpit) meet(w wire) {
	v := &visit{tarpit: h, wire: w, nc: w, r: bufio.NewReader(w)}
	if v.at("greeting") || v.say("220 mx.test\r\n") != nil {
		return
	}
	for {
		line, err := v.r.ReadString('\n')
		if err != nil || !v.answer(strings.Fields(line)) {
			return
		}
	}
}

// answer reports whether the visit goes on.
func (v *visit) answer(words []string) bool {
	switch verb := strings.ToLower(words[0]); {
	case v.at(verb):
		return false
	case verb == "ehlo":
		return v.say(v.extensions()) == nil
	case verb == "starttls":
		return v.say("220 go\r\n") == nil && !v.at("handshake") && v.encrypt() == nil
	case verb == "rcpt" && v.rcpt != "":
		return v.say(v.rcpt) == nil
	case verb == "data":
		return v.say("354 go\r\n") == nil && !v.at("body") && v.readBody() == nil && v.take()
	case verb == "bdat":
		var n int64
		fmt.Sscan(words[1], &n)
		io.CopyN(io.Discard, v.r, n)
		return v.take()
	case verb == "quit":
		v.say("221 bye\r\n")
		return false
	}
	return v.say("250 ok\r\n") == nil
}

// at does what the tarpit is for if this is the stage.
func (v *visit) at(stage string) bool {
	if stage == "ehlo" && v.nc != v.wire {
		stage = "ehlo+tls"
	}
	if stage != v.stage || v.taken < v.takes {
		return false
	}
	v.act(v)
	return true
}

func (v *visit) say(text string) error {
	time.Sleep(v.pause)
	_, err := io.WriteString(v.nc, text)
	return err
}

func (v *visit) extensions() string {
	text := "250-mx.test\r\n"
	for _, word := range strings.Fields(v.offers) {
		text += "250-" + word + "\r\n"
	}
	if v.nc == v.wire && v.tls != nil {
		text += "250-STARTTLS\r\n"
	}
	return text + "250 HELP\r\n"
}

func (v *visit) encrypt() error {
	if v.forge {
		f, err := forgeTLS(v.wire, v.tls)
		v.nc, v.r = f, bufio.NewReader(f)
		return err
	}
	tc := tls.Server(v.wire, v.tls)
	v.nc, v.r = tc, bufio.NewReader(tc)
	return tc.Handshake()
}

func (v *visit) readBody() error {
	for left := v.rate; ; {
		line, err := v.r.ReadString('\n')
		if left -= len(line); v.rate > 0 && left < 0 {
			time.Sleep(time.Second)
			left += v.rate
		}
		if err != nil || line == ".\r\n" {
			return err
		}
	}
}

func (v *visit) take() bool {
	if v.at("dot") {
		return false
	}
	v.taken++
	err := v.say("250 2.0.0 taken\r\n")
	if v.after != nil {
		v.after(v)
	}
	return err == nil
}

// drain reads on without a word.
func (v *visit) drain() { io.Copy(io.Discard, v.r) }

// says is a behaviour: to say something and then nothing more.
func says(text string) func(*visit) {
	return func(v *visit) { v.say(text); v.drain() }
}

// repeats says something without end, and is deaf.
func repeats(text string) func(*visit) {
	text = strings.Repeat(text, 1+1000/len(text))
	return func(v *visit) {
		for v.say(text) == nil {
		}
	}
}

// garbage is the same at each run.
func garbage(n int) string {
	r := rand.NewChaCha8([32]byte{})
	b := make([]byte, n)
	r.Read(b)
	return string(b)
}

// behaviours are what a remote may do at any stage.
var behaviours = map[string]func(*visit){
	"silence":               func(v *visit) { v.drain() },
	"zero window":           func(v *visit) { v.wire.Wait() },
	"closes":                func(*visit) {},
	"resets":                func(v *visit) { v.wire.Reset() },
	"half closes":           func(v *visit) { v.wire.CloseWrite(); v.drain() },
	"endless reply":         repeats("250-x\r\n"),
	"endless refusal":       repeats("550-5.1.1 x\r\n"),
	"endless line":          repeats("250-xxxxxxxx"),
	"endless line ends":     repeats("\n"),
	"endless NUL":           repeats("\x00"),
	"endless TLS records":   repeats("\x16\x03\x03\x00\x01\x00"),
	"line of a million":     says("250 " + strings.Repeat("x", 1e6) + "\r\n"),
	"lines of a million":    repeats("250-" + strings.Repeat("x", 1e6) + "\r\n"),
	"million keywords":      repeats("250-AUTH " + strings.Repeat("A B C D ", 200) + "\r\n"),
	"NUL in a reply":        says("250 o\x00k\r\n"),
	"garbage":               says(garbage(1000)),
	"lines of garbage":      repeats(garbage(100) + "\r\n"),
	"HTTP":                  says("HTTP/1.1 400 Bad Request\r\n\r\n"),
	"code 150":              says("150 soon\r\n"),
	"code 600":              says("600 what\r\n"),
	"code 25":               says("25 ok\r\n"),
	"code in Arabic digits": says("٢٥٠ ok\r\n"),
	"two codes":             says("250-ok\r\n550 no\r\n"),
	"half a reply":          says("250-ok\r\n"),
	"escapes":               says("\x1b]0;owned\a\x1b[2J\u202e220 ok\r\n"),
	"byte a minute": func(v *visit) {
		for _, b := range "250-" + strings.Repeat("x", 10000) {
			if v.say(string(b)) != nil {
				return
			}
			time.Sleep(time.Minute)
		}
	},
	"line a minute": func(v *visit) {
		for v.say("250-wait\r\n") == nil {
			time.Sleep(time.Minute)
		}
	},
}

// answers are behaviours that are all right at some stages.
var answers = map[string]func(*visit){
	"354":             says("354 go\r\n"),
	"334":             says("334 go\r\n"),
	"421":             says("421 4.3.2 no\r\n"),
	"endless replies": repeats("250 ok\r\n"),
	"all after 250":   func(v *visit) { v.say("250 ok\r\n"); repeats("350 \x1b[2J\r\n")(v) },
}

func names[V any](m map[string]V) []string {
	var list []string
	for name := range m {
		list = append(list, name)
	}
	slices.Sort(list)
	return list
}
