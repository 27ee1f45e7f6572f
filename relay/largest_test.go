package relay

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"tlsrelay/configs"
	"tlsrelay/queue"
	"tlsrelay/queue/spool"
)

// TestLargestEnvelopeFitsTheStore: a result that cannot be stored would be tried to store for ever. So what the configuration
// allows at most, with the longest words that delivery keeps of a remote for each recipient, must fit into one batch.
func TestLargestEnvelopeFitsTheStore(t *testing.T) {
	cfg, err := configs.Parse("test.toml", []byte("[limits]\nrecipients = 10000\n"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := configs.Parse("test.toml", []byte("[limits]\nrecipients = 10001\n")); err == nil {
		t.Fatal("more recipients are allowed than this test tries")
	}
	store, err := spool.Open(t.TempDir(), spool.Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	ctx := context.Background()
	body, err := store.NewBody(ctx)
	if err != nil {
		t.Fatal(err)
	}
	item := queue.Item{ID: 1, Sender: "a@app.test"}
	domain := strings.Repeat("d", 63) + "." + strings.Repeat("e", 63) + ".test"
	words := strings.Repeat("x", 1010)
	for i := range cfg.Limits.Recipients {
		item.Recipients = append(item.Recipients, queue.Recipient{
			Address: fmt.Sprintf("%064d@%s", i, domain), Destination: domain,
			Last: queue.Outcome{Reply: words, Detail: words, Host: "mx." + domain, Remote: "[2001:db8::1]:25"},
		})
	}
	if err := store.Commit(ctx, &queue.Batch{Put: []queue.Put{{Item: item, Body: body}}}); err != nil {
		t.Fatal(err)
	}
	key := queue.JobKey{ID: 1, Destination: domain}
	claimed, token, err := store.Claim(ctx, "test", key)
	if err != nil {
		t.Fatal(err)
	}
	update := queue.Update{Job: key, Token: token}
	for i, r := range claimed.Recipients {
		update.Recipients = append(update.Recipients, queue.RecipientUpdate{Index: i, Recipient: r})
	}
	if err := store.Commit(ctx, &queue.Batch{Update: []queue.Update{update}}); err != nil {
		t.Error(err)
	}
}
