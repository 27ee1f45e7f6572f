package bare

import (
	"context"
	"fmt"
	"net"
	"net/smtp"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// TestServe has several clients hand in mail, and finds all of it in the file under the numbers that they were told.
func TestServe(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "messages")
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- Serve(ctx, l, path) }()
	const clients, each = 5, 20
	var mu sync.Mutex
	told := map[string]string{}
	var all sync.WaitGroup
	for n := range clients {
		all.Go(func() {
			c, err := smtp.Dial(l.Addr().String())
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			for i := range each {
				recipient := fmt.Sprintf("r%d-%d@x.test", n, i)
				id := send(t, c, recipient, strings.Repeat("text\r\n", i))
				mu.Lock()
				told[id] = recipient
				mu.Unlock()
			}
		})
	}
	all.Wait()
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	found := 0
	err = Read(path, func(id, recipient string) error {
		found++
		if told[id] != recipient {
			t.Errorf("message %s is for %s; the client was told so for %s", id, recipient, told[id])
		}
		return nil
	})
	if err != nil || found != clients*each || len(told) != found {
		t.Errorf("%d messages in the file, %d IDs told, %v", found, len(told), err)
	}
}

// send hands in a message and gives the ID in the reply.
func send(t *testing.T, c *smtp.Client, recipient, text string) string {
	t.Helper()
	if c.Mail("a@x.test") != nil || c.Rcpt(recipient) != nil {
		t.Error("envelope refused")
		return ""
	}
	id, _ := c.Text.Cmd("DATA")
	c.Text.StartResponse(id)
	_, _, err := c.Text.ReadResponse(354)
	c.Text.EndResponse(id)
	if err != nil {
		t.Error(err)
		return ""
	}
	w := c.Text.DotWriter()
	fmt.Fprint(w, text)
	w.Close()
	_, reply, err := c.Text.ReadResponse(250)
	if err != nil {
		t.Error(err)
	}
	words := strings.Fields(reply)
	if i := slices.Index(words, "as"); i >= 0 && i+1 < len(words) {
		return words[i+1]
	}
	t.Errorf("no ID in %q", reply)
	return ""
}
