package smtpclient

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Auth logs in (RFC 4954) with PLAIN, or with LOGIN where the server has nothing better. It refuses to without TLS. No
// error holds the password, even if the server repeats it.
func (c *Conn) Auth(ctx context.Context, username, password string) error {
	switch {
	case c.tls == nil:
		return &Error{Stage: StageAuth, Err: ErrAuthClear}
	case strings.ContainsRune(username+password, 0):
		return &Error{Stage: StageAuth, Err: fmt.Errorf("a name or password with NUL %w", ErrArgument)}
	}
	plain := encode("\x00" + username + "\x00" + password)
	secrets := []string{plain, encode(password), password}
	switch {
	case slices.Contains(c.ext.Auth, "PLAIN"):
		return c.authStep(ctx, "AUTH PLAIN "+plain, 235, secrets)
	case slices.Contains(c.ext.Auth, "LOGIN"):
		if err := c.authStep(ctx, "AUTH LOGIN", 334, secrets); err != nil {
			return err
		}
		if err := c.authStep(ctx, encode(username), 334, secrets); err != nil {
			return err
		}
		return c.authStep(ctx, encode(password), 235, secrets)
	}
	return &Error{Stage: StageAuth, Err: ErrAuthMechanism}
}

func encode(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

// authStep sends a line that only the code wanted answers well.
func (c *Conn) authStep(ctx context.Context, line string, want int, secrets []string) error {
	reply, err := c.command(ctx, StageAuth, c.timeouts.Command, line)
	if err == nil && reply.Code == want {
		return nil
	}
	if err == nil {
		err = c.refused(StageAuth, reply)
	}
	return redact(err, secrets)
}

// redact takes secrets out of what the server said.
func redact(err error, secrets []string) error {
	e, ok := err.(*Error)
	if !ok {
		return err
	}
	if errors.Is(e.Err, ErrProtocol) {
		e.Err = ErrProtocol // the text quotes the server
	}
	if e.Reply == nil {
		return e
	}
	for i, line := range e.Reply.Lines {
		text := line[min(len(line), 4):]
		for _, secret := range secrets {
			if secret != "" {
				text = strings.ReplaceAll(text, secret, "[hidden]")
			}
		}
		e.Reply.Lines[i] = line[:min(len(line), 4)] + text
	}
	return e
}
