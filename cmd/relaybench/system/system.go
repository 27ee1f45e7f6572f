//go:build linux

// Package system starts, watches and stops the mail servers under test: tlsrelay, Postfix, and a bare go-smtp server. Each
// runs in processes of its own, with a queue of its own, and leaves nothing behind.
package system

import (
	"context"

	"tlsrelay/cmd/relaybench/proc"
)

// System is one mail server with its queue.
type System interface {
	// Name is what tables call it.
	Name() string
	// Start runs the server on its queue, which is empty the first time. When it returns nil the server takes mail.
	Start(ctx context.Context) error
	// Address is where the server takes mail since the last Start.
	Address() string
	// Session holds the server's processes since the last Start.
	Session() proc.Session
	// Queue calls each for every message in the queue of the running server. An error of each ends it.
	Queue(ctx context.Context, each func(Queued) error) error
	// Dir holds the queue.
	Dir() string
	// Stop ends the server in the orderly way, and what is left of it by force. It may be called more than once.
	Stop() error
	// Kill ends all processes at once, as kill -9 does.
	Kill() error
}

// Queued is a message in a queue, with one recipient.
type Queued struct {
	ID        string
	Recipient string
	Deferred  bool // it was tried, and failed for a reason that the queue names
}
