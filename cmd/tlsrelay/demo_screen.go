package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"strings"
	"sync"
	"time"
)

// demoScreen shows the relay's log as a story: it is the log's handler.
type demoScreen struct {
	mu    sync.Mutex
	out   io.Writer
	start time.Time
	quiet bool // the story has been told
}

func (s *demoScreen) print(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintf(s.out, format+"\n", args...)
}

func (s *demoScreen) hush() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.quiet = true
}

func (s *demoScreen) isQuiet() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.quiet
}

// Enabled implements [slog.Handler].
func (s *demoScreen) Enabled(_ context.Context, level slog.Level) bool {
	return level >= slog.LevelInfo
}

// WithAttrs implements [slog.Handler].
func (s *demoScreen) WithAttrs([]slog.Attr) slog.Handler { return s }

// WithGroup implements [slog.Handler].
func (s *demoScreen) WithGroup(string) slog.Handler { return s }

// Handle implements [slog.Handler]: one line for each event that belongs to the story.
func (s *demoScreen) Handle(_ context.Context, r slog.Record) error {
	if s.isQuiet() {
		return nil
	}
	a := map[string]string{}
	r.Attrs(func(attr slog.Attr) bool { a[attr.Key] = attr.Value.String(); return true })
	at := fmt.Sprintf("%5.1fs", r.Time.Sub(s.start).Seconds())
	switch {
	case r.Message == "accepted":
		s.print("%s  accepted   a mail from %s as %s", at, a["sender"], a["id"])
	case r.Message == "delivery" && a["result"] == "delivered":
		s.print("%s  delivered  %s over TLS %s (%s, %s)", at, a["recipient"], a["tls_version"], a["tls_cipher"], a["tls_group"])
	case r.Message == "delivery":
		s.print("%s  %-9s  %s, attempt %s: %s (%s)\n%20s%s", at, a["result"], a["recipient"], a["attempt"], a["cause"], a["status"], "", a["reply"]+a["detail"])
	case r.Message == "notice":
		s.print("%s  notice     to %s about %s", at, a["recipient"], a["about"])
	case r.Level >= slog.LevelError:
		s.print("%s  %s %v", at, r.Message, a)
	}
	return nil
}

// notices prints the plain text of the notice that names the domain, and mentions the others.
func (s *demoScreen) notices(all []string, domain string) error {
	for _, text := range all {
		plain, subject, err := noticeText(text)
		if err != nil {
			return err
		}
		if !strings.Contains(plain, domain) {
			continue
		}
		s.hush()
		rule := strings.Repeat("-", 78)
		s.print("\nOf the %d notices in the sender's mailbox, this is the one about %s:\n\n%s\nSubject: %s\n\n%s%s", len(all), domain, rule, subject, plain, rule)
		s.print("\nThat was all on this machine. Next: tlsrelay serve --help")
		return nil
	}
	return errors.New("no notice names " + domain)
}

// noticeText takes the part for people out of a multipart/report.
func noticeText(text string) (plain, subject string, err error) {
	m, err := mail.ReadMessage(strings.NewReader(text))
	if err != nil {
		return "", "", fmt.Errorf("the notice is no message: %w", err)
	}
	subject, err = new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
	if err != nil {
		return "", "", fmt.Errorf("the notice's subject: %w", err)
	}
	_, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil {
		return "", "", fmt.Errorf("the notice is no report: %w", err)
	}
	part, err := multipart.NewReader(m.Body, params["boundary"]).NextRawPart()
	if err != nil {
		return "", "", fmt.Errorf("the notice has no text: %w", err)
	}
	var body io.Reader = part
	if strings.EqualFold(part.Header.Get("Content-Transfer-Encoding"), "quoted-printable") {
		body = quotedprintable.NewReader(part)
	}
	b, err := io.ReadAll(body)
	return strings.ReplaceAll(string(b), "\r\n", "\n"), subject, err
}
