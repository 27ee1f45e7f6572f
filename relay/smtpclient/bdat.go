package smtpclient

import (
	"bytes"
	"errors"
	"io"
	"strconv"
	"strings"
)

// BDAT (RFC 3030) needs no go-ahead, so a message can be in one flight with its envelope: one round trip. A message that
// does not fit a flight goes with DATA. That takes two round trips whatever the size, and the server can read on while we
// write; with chunks there would be one for the envelope and one for each chunk.
//
// A server that refuses BDAT must read the chunk all the same and throw it away. Some do not (go-smtp did not for a chunk
// without recipients, and there are servers that offer CHUNKING and do not know BDAT): they take the text of the message
// for commands. What they say to those ends the session at the next step. Before that they would obey, and someone could
// hide a message of his own, with any sender and header, inside of one that will be refused. Nothing is delivered without
// DATA or BDAT, so a text with a line like that never goes with BDAT.

// maxChunk is the largest message that goes with BDAT, bytes.
const maxChunk = 64 << 10

// prepareChunk puts BDAT in the place of DATA if the message is fit for it. If not it gives the message for DATA.
func (t *transaction) prepareChunk(body io.Reader) (io.Reader, error) {
	s := t.scratch
	text := wireText{lineStart: true}
	s.chunk = s.chunk[:0]
	for len(s.chunk) <= maxChunk {
		n, err := body.Read(s.raw)
		var unfit error
		if s.chunk, unfit = text.append(s.chunk, s.raw[:n]); unfit != nil {
			return nil, t.c.fail(t.ctx, StageData, 0, unfit)
		}
		if err == io.EOF {
			return t.useChunk(text.end(s.chunk)), nil
		}
		if err != nil {
			return nil, t.unreadable(err)
		}
	}
	return io.MultiReader(bytes.NewReader(s.chunk), strings.NewReader(text.rest()), body), nil
}

// useChunk makes a whole message the chunk of this transaction, or gives it back for DATA.
func (t *transaction) useChunk(message []byte) io.Reader {
	t.scratch.chunk = message
	if len(message) > maxChunk || hidesData(message) {
		return bytes.NewReader(message)
	}
	t.chunked = true
	t.lines[len(t.lines)-1] = "BDAT " + strconv.Itoa(len(message)) + " LAST"
	return nil
}

// hidesData reports whether a server could take a line for DATA or BDAT.
func hidesData(message []byte) bool {
	for line := range bytes.Lines(message) {
		for len(line) > 0 && (line[0] == ' ' || line[0] == '\t') {
			line = line[1:]
		}
		if len(line) >= 4 && (bytes.EqualFold(line[:4], []byte("DATA")) || bytes.EqualFold(line[:4], []byte("BDAT"))) {
			return true
		}
	}
	return false
}

// withoutChunks repeats the transaction with DATA if a server that offers CHUNKING does not know BDAT after all. err is
// what the transaction ended with.
func (t *transaction) withoutChunks(env Envelope, err error) error {
	code := t.res.Dot.Code
	if err == nil || t.c.over || code < 500 || code > 504 || code == 501 {
		return err
	}
	dot := t.res.Dot
	t.c.ext.Chunking = false
	if err := t.c.Reset(t.ctx); err != nil {
		if t.ctx.Err() == nil { // the answer was not to RSET: the server is busy with the text
			err = &Error{Stage: StageData, Reply: &dot, Err: ErrChunking}
		}
		return err
	}
	message := bytes.NewReader(t.scratch.chunk)
	*t = transaction{c: t.c, ctx: t.ctx, next: t.next, scratch: t.scratch, res: Result{Rcpt: make([]Reply, len(env.To))}}
	return t.run(env, message)
}

// ofUnknownFate marks the error of a transaction whose whole message was sent without a go-ahead, unless it is an answer
// that says no.
func (t *transaction) ofUnknownFate(err error) error {
	var e *Error
	if t.sent && errors.As(err, &e) && (e.Reply == nil || !e.Reply.Refusal()) {
		e.unknown = true
	}
	return err
}

// discardChunk handles the answer to a chunk that came with an envelope that was refused. It means nothing, but a server
// that is glad of such a message is too confused to go on with.
func (t *transaction) discardChunk() {
	if t.res.Dot.Code != 0 && !t.res.Dot.Refusal() {
		t.c.end()
	}
	t.res.Dot = Reply{}
}
