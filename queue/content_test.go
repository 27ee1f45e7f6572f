package queue_test

import (
	"context"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tlsrelay/queue"
)

// What was made when the message was accepted stands before its text wherever the message goes: to the next hop, and back
// to its sender.
func TestHeaderGoesFirst(t *testing.T) {
	const header, text = "DKIM-Signature: v=1;\r\n b=x\r\n", "Subject: signed\r\n\r\nhello\r\n"
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		got := map[string]string{}
		st := start(t, dir, &remote{outcome: func(job queue.Job) queue.Outcome {
			body, err := job.Open()
			if err != nil {
				t.Error(err)
				return queue.Outcome{Result: queue.ResultDeferred}
			}
			defer body.Close()
			b, err := io.ReadAll(body)
			if err != nil {
				t.Error(err)
			}
			got[job.Destination()] = string(b)
			if job.Destination() == "no.test" {
				return queue.Outcome{Result: queue.ResultFailed, Cause: "remote-permanent", Status: "5.1.1"}
			}
			return queue.Outcome{Result: queue.ResultDelivered}
		}})
		body, err := st.NewBody(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(body, text)
		now := st.now()
		item := queue.Item{ID: st.NextID(), Sender: "a@app.test", Header: header, Size: int64(len(header + text)), Arrived: now,
			Expires:    now.Add(time.Hour),
			Recipients: []queue.Recipient{{Address: "b@no.test", Destination: "no.test", NextAttempt: now}}}
		if err := st.Enqueue(context.Background(), item, body); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		st.stop()
		if got["no.test"] != header+text {
			t.Errorf("delivered was %q", got["no.test"])
		}
		if !strings.HasSuffix(got["app.test"], "\r\n\r\n"+header+text) {
			t.Errorf("the notice returns %q", got["app.test"])
		}
	})
}
