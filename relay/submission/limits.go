package submission

import "time"

// Limits of one connection. Lengths are octets with the line end.
const (
	maxCommandLine = 2048  // RFC 5321, 4.5.3.1.4 wants 512, extensions add some hundreds
	maxAuthLine    = 12288 // RFC 4954, 4
	maxHello       = 255

	maxErrors       = 10   // 5xx replies between two accepted messages; refused recipients do not count
	maxFailedLogins = 3    // then the connection is closed
	maxCommands     = 1000 // between two accepted messages, beside two for each recipient that is allowed
)

// Times of one connection.
const (
	proxyTimeout     = 5 * time.Second // for a PROXY header
	handshakeTimeout = 30 * time.Second
	commandTimeout   = 5 * time.Minute // for a whole line, RFC 5321, 4.5.3.2.7
	messageTimeout   = time.Hour       // from one message to the end of the commands for the next, whatever they are
	writeTimeout     = time.Minute     // a client that reads no replies

	// While a message comes in, only the time spent waiting for the client counts.
	bodyIdle  = 3 * time.Minute // for the next bytes, RFC 5321, 4.5.3.2.5
	bodyGrace = 3 * time.Minute // in all, on top of what bodyRate grants
	bodyRate  = 500             // bytes a second
	bodyTotal = 3 * time.Hour

	lingerTime  = time.Second // to let a client read why it was cut off
	lingerBytes = 1 << 20
)

// times is what tests shorten.
type times struct {
	proxy, handshake, command, message, write time.Duration
	bodyIdle, bodyGrace, bodyTotal            time.Duration
}

var standardTimes = times{
	proxy: proxyTimeout, handshake: handshakeTimeout, command: commandTimeout, message: messageTimeout, write: writeTimeout,
	bodyIdle: bodyIdle, bodyGrace: bodyGrace, bodyTotal: bodyTotal,
}

// StopGrace is how long messages in transfer may go on after the order to stop.
const StopGrace = 30 * time.Second

// Times of the server.
const (
	refuseTime  = time.Second // to tell a client that it is turned away
	acceptPause = time.Second // longest pause after a failed accept
)

// Sizes of buffers in bytes.
const (
	smallBuffer = 2048     // of an idle connection
	bodyBuffer  = 32 << 10 // of a message in transfer
	replyBuffer = 4096     // replies that wait for the end of a pipelined group
)
