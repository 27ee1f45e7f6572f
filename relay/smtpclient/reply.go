package smtpclient

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"
)

// Bounds of one reply. RFC 5321 section 4.5.3.1.5 asks for 512 octets a line; some servers send more.
const (
	maxReplyLine  = 2048      // bytes kept of a line, the rest is dropped
	maxReplyLines = 100       //
	maxReplyBytes = 128 << 10 // of all lines, dropped bytes included
)

// Reply is the remote's answer to one command. The text is as it came: it may hold anything but NUL and line ends.
type Reply struct {
	Code     int      // 200 to 599; 0 in the zero Reply, which is no answer
	Enhanced string   // enhanced status code "5.1.1" (RFC 2034, 3463), "" if there is none of the class of Code
	Lines    []string // each with its code, without the line end
}

// Text gives the reply as sent, lines joined by "\n".
func (r Reply) Text() string { return strings.Join(r.Lines, "\n") }

// Positive reports a code from 200 to 299.
func (r Reply) Positive() bool { return r.Code/100 == 2 }

// Refusal reports a code from 400 to 599.
func (r Reply) Refusal() bool { return r.Code >= 400 }

// readReply reads one reply of one or more lines (RFC 5321 section 4.2). It is liberal where servers are sloppy (bare
// LF, nothing behind the code, long lines) and strict where a guess could be wrong.
func readReply(r *bufio.Reader) (Reply, error) {
	var reply Reply
	room := maxReplyBytes
	for len(reply.Lines) < maxReplyLines {
		line, n, err := readLine(r, room)
		if err == io.EOF && (n > 0 || len(reply.Lines) > 0) {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return Reply{}, err
		}
		room -= n
		code, last, err := parseLine(line)
		if err != nil {
			return Reply{}, err
		}
		if reply.Code != 0 && reply.Code != code {
			return Reply{}, protocolError("codes %d and %d in one reply", reply.Code, code)
		}
		reply.Code = code
		reply.Lines = append(reply.Lines, string(line))
		if last {
			reply.Enhanced = enhancedCode(reply)
			return reply, nil
		}
	}
	return Reply{}, protocolError("a reply of more than %d lines", maxReplyLines)
}

// readLine reads up to LF, at most room bytes. It gives the line without its end, cut to maxReplyLine, and the bytes
// read. The line holds until the next one is read.
func readLine(r *bufio.Reader, room int) (line []byte, n int, err error) {
	for {
		part, err := r.ReadSlice('\n')
		n += len(part)
		if n > room {
			return nil, n, protocolError("a reply of more than %d bytes", maxReplyBytes)
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return nil, n, err
		}
		if err == nil && line == nil {
			line = part // the usual case: no need to copy
		} else {
			line = append(line, part[:min(len(part), maxReplyLine+2-len(line))]...)
		}
		if err == nil {
			line = bytes.TrimRight(line, "\r\n")
			return line[:min(len(line), maxReplyLine)], n, nil
		}
	}
}

// parseLine reads the code, and whether the line is the last one of its reply.
func parseLine(line []byte) (code int, last bool, err error) {
	if len(line) < 3 || !digits(line[:3]) || line[0] < '2' || line[0] > '5' {
		return 0, false, protocolError("%.80q has no reply code", line)
	}
	if bytes.IndexByte(line, 0) >= 0 {
		return 0, false, protocolError("NUL in %.80q", line)
	}
	code = int(line[0]-'0')*100 + int(line[1]-'0')*10 + int(line[2]-'0')
	if len(line) == 3 {
		return code, true, nil
	}
	switch line[3] {
	case ' ':
		return code, true, nil
	case '-':
		return code, false, nil
	}
	return 0, false, protocolError("%.80q has neither space nor hyphen behind the code", line)
}

func digits(b []byte) bool {
	for _, c := range b {
		if c < '0' || c > '9' {
			return false
		}
	}
	return len(b) > 0
}

// enhancedCode finds the enhanced status code of the reply's own class. Every line should have it (RFC 2034 section 4);
// some servers write it into the last one only.
func enhancedCode(r Reply) string {
	for _, line := range r.Lines {
		if len(line) < 4 {
			continue
		}
		word, _, _ := strings.Cut(line[4:], " ")
		if isEnhanced(word) && word[0] == line[0] {
			return word
		}
	}
	return ""
}

// isEnhanced checks the form class.subject.detail (RFC 3463 section 2).
func isEnhanced(s string) bool {
	class, rest, _ := strings.Cut(s, ".")
	subject, detail, _ := strings.Cut(rest, ".")
	if class != "2" && class != "4" && class != "5" {
		return false
	}
	for _, part := range []string{subject, detail} {
		if len(part) > 3 || !digits([]byte(part)) || len(part) > 1 && part[0] == '0' {
			return false
		}
	}
	return true
}
