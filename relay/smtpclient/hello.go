package smtpclient

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Extensions is what a server offers in its answer to EHLO. The zero value is a server that offers nothing.
type Extensions struct {
	STARTTLS     bool     // RFC 3207
	Pipelining   bool     // RFC 2920
	EightBitMIME bool     // RFC 6152
	SMTPUTF8     bool     // RFC 6531
	Chunking     bool     // RFC 3030
	DSN          bool     // RFC 3461
	Size         bool     // RFC 1870: MAIL may tell the size
	MaxSize      int64    // the largest message the server takes, bytes; 0: not said
	RequireTLS   bool     // RFC 8689
	Auth         []string // mechanisms, upper case, RFC 4954
}

// Hello introduces us as name (a host name or an address literal) with EHLO, or with HELO to a server that does not
// know EHLO. It must be called again after StartTLS, which makes all that was offered before void.
func (c *Conn) Hello(ctx context.Context, name string) (Extensions, error) {
	c.ext = Extensions{}
	if name == "" || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return c.ext, &Error{Stage: StageHello, Err: fmt.Errorf("the name %q %w", name, ErrArgument)}
	}
	reply, err := c.command(ctx, StageHello, c.timeouts.Hello, "EHLO "+name)
	if err != nil {
		return c.ext, err
	}
	if reply.Positive() {
		c.ext = parseExtensions(reply)
		c.ext.Chunking = c.ext.Chunking && !c.noBDAT
		return c.ext, nil
	}
	if reply.Code >= 500 && reply.Code <= 504 { // it does not know the command, or says so in some way
		if reply, err = c.command(ctx, StageHello, c.timeouts.Hello, "HELO "+name); err != nil {
			return c.ext, err
		}
	}
	if !reply.Positive() {
		return c.ext, c.refused(StageHello, reply)
	}
	return c.ext, nil
}

// parseExtensions reads all lines but the first, which is the server's name (RFC 5321 section 4.1.1.1). Keywords are
// matched in any case: to overlook 250-StartTLS would be to refuse a good host.
func parseExtensions(reply Reply) Extensions {
	var e Extensions
	for _, line := range reply.Lines[1:] {
		if len(line) < 4 {
			continue
		}
		words := strings.Fields(strings.ToUpper(line[4:]))
		if len(words) == 0 {
			continue
		}
		switch words[0] {
		case "STARTTLS":
			e.STARTTLS = true
		case "PIPELINING":
			e.Pipelining = true
		case "8BITMIME":
			e.EightBitMIME = true
		case "SMTPUTF8":
			e.SMTPUTF8 = true
		case "CHUNKING":
			e.Chunking = true
		case "REQUIRETLS":
			e.RequireTLS = true
		case "DSN":
			e.DSN = true
		case "SIZE":
			e.Size, e.MaxSize = true, 0
			if len(words) > 1 {
				e.MaxSize = parseSize(words[1])
			}
		default:
			e.addMechanisms(words)
		}
	}
	return e
}

// maxMechanisms bounds those of AUTH. A reply has room for 30,000, each of which would be compared with all others.
const maxMechanisms = 30

// addMechanisms reads AUTH, also in the old form AUTH=LOGIN.
func (e *Extensions) addMechanisms(words []string) {
	first, old := strings.CutPrefix(words[0], "AUTH=")
	if !old && words[0] != "AUTH" {
		return
	}
	mechanisms := words[1:]
	if old && first != "" {
		mechanisms = append([]string{first}, mechanisms...)
	}
	for _, m := range mechanisms {
		if len(e.Auth) < maxMechanisms && !slices.Contains(e.Auth, m) {
			e.Auth = append(e.Auth, m)
		}
	}
}

func parseSize(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 {
		return 0
	}
	return n
}
