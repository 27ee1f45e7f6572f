package main

import (
	"fmt"
	"io"
	"reflect"
	"strings"
	"time"

	"tlsrelay/relay"
)

// printEvidence writes for people what was seen of the TLS of the servers for which a message waits: once where several recipients
// wait for the same.
func printEvidence(w io.Writer, m relay.Message) error {
	var b strings.Builder
	for i := range m.Recipients {
		r := &m.Recipients[i]
		if i > 0 && reflect.DeepEqual(r.Evidence, m.Recipients[i-1].Evidence) {
			continue
		}
		for j := range r.Evidence {
			writeEvidence(&b, &r.Evidence[j])
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func writeEvidence(b *strings.Builder, e *relay.Evidence) {
	certain := ""
	if e.Proven {
		certain = ", proven by a probe"
	}
	fmt.Fprintf(b, "    %s at %s: %s%s\n", e.Host, e.Address, e.Cause, certain)
	line := func(what, format string, args ...any) {
		fmt.Fprintf(b, "       %-13s "+format+"\n", append([]any{what}, args...)...)
	}
	if e.Attempts > 0 {
		line("attempts", "%d, from %s to %s", e.Attempts, minute(e.First), minute(e.Last))
	} else {
		line("attempts", "none: another message failed there, the last time %s", minute(e.Last))
	}
	if e.Seen != "" {
		line("seen", "%s", e.Seen)
	}
	if !e.Probed.IsZero() {
		offers := e.Offers
		if offers == "" {
			offers = "no TLS"
		}
		line("offers", "%s (probed %s)", offers, minute(e.Probed))
	}
	line("needed", "TLS %s or newer", e.Needed)
	if e.KeyExchange != "" {
		line("key exchange", "%s", e.KeyExchange)
	}
	if c := e.Certificate; c != nil {
		line("certificate", "for %s, by %s, valid until %s", c.Names, c.Issuer, c.NotAfter.Local().Format(time.DateOnly))
	}
}

func minute(t time.Time) string { return t.Local().Format("2006-01-02 15:04") }
