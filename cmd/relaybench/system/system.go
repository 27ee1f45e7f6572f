//go:build linux

// Package system starts, watches and stops the mail servers under test: tlsrelay, Postfix, and a bare go-smtp server. Each
// runs in processes of its own, with a queue of its own, in a folder that the caller makes and removes.
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
	// Close stops the server and gives back the space of its files. They go with the folder that they are in.
	Close() error
}

// Queued is a message in a queue, with one recipient.
type Queued struct {
	ID        string
	Recipient string
	Deferred  bool // it was tried, and failed for a reason that the queue names
}

// Mode says what becomes of mail that a system has taken.
type Mode int

// Modes.
const (
	Hold   Mode = iota // it waits; delivery costs next to nothing
	Refuse             // it is tried once, deferred because the next host refuses connections, and not due again for weeks
)

// Backlogger is a System whose queue can be filled with deferred mail.
type Backlogger interface {
	System
	// Switch sets the mode of mail that comes from now on. Mail that is held may be tried when the mode is Refuse again. It can
	// be called before Start and while the server runs, and may change Address.
	Switch(ctx context.Context, m Mode) error
	// Deferrals counts attempts that ended in a deferral since the first Start, as the log has them.
	Deferrals() (int, error)
	// Delete removes all mail from the queue of the running server.
	Delete(ctx context.Context) error
}
