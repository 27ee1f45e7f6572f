package bare

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
)

// appender writes messages to a file. One goroutine writes what has gathered while the last sync was under way, syncs once, and
// answers.
type appender struct {
	file     *os.File
	requests chan request
	quit     chan struct{}
	ended    chan struct{}
	last     int // number of the last message; the goroutine's own
	buf      []byte
}

type request struct {
	sender, recipient string
	text              []byte
	answer            chan answer
}

type answer struct {
	id  int
	err error
}

// gathers is how many messages may wait for the next sync.
const gathers = 1024

func newAppender(file *os.File) *appender {
	a := &appender{file: file, requests: make(chan request, gathers), quit: make(chan struct{}), ended: make(chan struct{})}
	go a.run()
	return a
}

// errStopped is the answer to a message that comes while the server stops.
var errStopped = errors.New("the server stops")

// add gives the number of the message once it is durable.
func (a *appender) add(sender, recipient string, text []byte) (int, error) {
	r := request{sender, recipient, text, make(chan answer, 1)}
	select {
	case a.requests <- r:
	case <-a.ended:
		return 0, errStopped
	}
	select {
	case got := <-r.answer:
		return got.id, got.err
	case <-a.ended:
		return 0, errStopped
	}
}

// stop ends the goroutine.
func (a *appender) stop() {
	close(a.quit)
	<-a.ended
}

func (a *appender) run() {
	defer close(a.ended)
	for {
		var group []request
		select {
		case first := <-a.requests:
			group = append(group, first)
		case <-a.quit:
			return
		}
		for len(a.requests) > 0 {
			group = append(group, <-a.requests)
		}
		err := a.write(group)
		for i, r := range group {
			r.answer <- answer{a.last - len(group) + 1 + i, err}
		}
	}
}

func (a *appender) write(group []request) error {
	a.buf = a.buf[:0]
	for _, r := range group {
		a.last++
		a.buf = fmt.Appendf(a.buf, recordFormat, a.last, len(r.text), r.sender, r.recipient)
		a.buf = append(a.buf, r.text...)
	}
	if _, err := a.file.Write(a.buf); err != nil {
		return err
	}
	return datasync(a.file)
}

// recordFormat precedes each text in the file.
const recordFormat = "%d %d %q %q\n"

// Read calls each for every message in a file of [Serve].
func Read(path string, each func(id, recipient string) error) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	for in := bufio.NewReader(file); ; {
		var id, sender, recipient string
		var size int
		if _, err := fmt.Fscanf(in, "%s %d %q %q\n", &id, &size, &sender, &recipient); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if _, err := in.Discard(size); err != nil {
			return fmt.Errorf("%s: message %s: %w", path, id, err)
		}
		if err := each(id, recipient); err != nil {
			return err
		}
	}
}
