package relay

import (
	"log/slog"
	"testing"
	"time"
)

// A store that cannot be read ends the relay with an error; nothing goes on beside it for ever.
func TestOutboundEndsWithItsScheduler(t *testing.T) {
	next, _ := startSink(t, true)
	o, err := newOutbound(testConfig(t, t.TempDir(), next), nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	o.store.Close()
	ended := make(chan error, 1)
	go func() { ended <- o.run(t.Context()) }()
	select {
	case err := <-ended:
		if err == nil {
			t.Error("no error")
		}
	case <-time.After(10 * time.Second):
		t.Fatal("still running")
	}
}
