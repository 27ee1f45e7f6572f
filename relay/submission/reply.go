package submission

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"

	"github.com/emersion/go-smtp"
)

// errorLine is an error as a reply: a line for each of its message, all with the status code (RFC 2034, 4).
func errorLine(e *smtp.SMTPError) []byte {
	status := e.EnhancedCode
	lines := strings.Split(e.Message, "\n")
	var reply []byte
	for i, line := range lines {
		mark := '-'
		if i == len(lines)-1 {
			mark = ' '
		}
		reply = fmt.Appendf(reply, "%d%c%d.%d.%d %s\r\n", e.Code, mark, status[0], status[1], status[2], line)
	}
	return reply
}

var statusCode = regexp.MustCompile(`^[245]\.[0-9]{1,3}\.[0-9]{1,3} `)

// inEveryLine puts the status code of go-smtp's last line into those before it, which go-smtp leaves without.
func inEveryLine(reply []byte) []byte {
	if len(reply) < 4 || reply[3] != '-' {
		return reply
	}
	lines := bytes.SplitAfter(bytes.TrimSuffix(reply, []byte("\r\n")), []byte("\r\n"))
	last := lines[len(lines)-1]
	if len(last) < 4 {
		return reply
	}
	status := statusCode.Find(last[4:])
	var out []byte
	for _, line := range lines {
		if len(line) < 4 || statusCode.Match(line[4:]) {
			out = append(out, line...)
			continue
		}
		out = append(out, line[:4]...)
		out = append(append(out, status...), line[4:]...)
	}
	return append(out, "\r\n"...)
}
