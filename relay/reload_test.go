package relay

import (
	"context"
	"log/slog"
	"net"
	"testing"
	"time"

	"tlsrelay/configs"
	"tlsrelay/queue"
)

// transaction_time holds for the whole dialogue, also when it came with a reload, which forgets nothing that was learnt of
// addresses.
func TestTransactionTime(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	cfg := testConfig(t, t.TempDir(), silent.Addr().String())
	r, err := New(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer r.close()
	learnt := r.live.Load().known
	next := *cfg
	next.Delivery.TransactionTime = configs.Duration(time.Second / 2)
	if err := r.Reload(&next); err != nil {
		t.Fatal(err)
	}
	if r.live.Load().known != learnt {
		t.Error("a reload has what was learnt of addresses forgotten")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	lane := r.live.Open()
	defer lane.Close()
	item := queue.Item{Recipients: []queue.Recipient{{Address: "a@dest.test", Destination: "dest.test"}}}
	o := lane.Deliver(ctx, queue.Job{Item: item, Recipients: []int{0}, Attempt: 1}, nil).Outcomes[0]
	if o.Cause != queue.ConnectionLost.Key || ctx.Err() != nil {
		t.Errorf("%s, %s", o.Cause, o.Detail)
	}
}
