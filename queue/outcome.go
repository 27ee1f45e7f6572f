package queue

import (
	"io"
	"time"
)

// Result is what an attempt came to. The zero value is Deferred: an outcome nobody filled in loses no mail.
type Result uint8

const (
	ResultDeferred Result = iota
	ResultDelivered
	ResultFailed
)

var resultNames = [...]string{"deferred", "delivered", "failed"}

func (r Result) String() string { return resultNames[r] }

// Stage is the step of the dialogue that decided the outcome.
type Stage string

const (
	StageDNS      Stage = "dns"
	StageConnect  Stage = "connect"
	StageGreeting Stage = "greeting"
	StageHello    Stage = "ehlo"
	StageSTARTTLS Stage = "starttls" // the command
	StageTLS      Stage = "tls"      // handshake and certificate
	StageAuth     Stage = "auth"
	StageMail     Stage = "mail"
	StageRcpt     Stage = "rcpt"
	StageData     Stage = "data" // the command and the content
	StageDot      Stage = "dot"  // the answer to the end of the content
)

// Outcome is what one attempt came to for one recipient, with all that a notice or a log line says about it.
type Outcome struct {
	Result Result
	Cause  string // key of a row in the table of causes, "" when delivered
	Status string // enhanced status code, RFC 3463
	Stage  Stage
	Reply  string // the remote's words as sent, lines joined by "\n"; "" if it said nothing
	Detail string // what was seen on this side, for example the text of a network or TLS error
	Host   string // next hop as named in DNS or in the route
	Remote string // its address and port
	TLS    TLSFacts
	DSN    bool      // the next hop got the sender's wishes about notices and sees to them (RFC 3461)
	Start  time.Time // of the attempt
	End    time.Time
}

// TLSFacts is what an attempt saw of TLS, as text: this package knows no TLS.
type TLSFacts struct {
	Version string // "1.3"; "" without TLS
	Cipher  string
	Group   string // key exchange, "X25519MLKEM768"
	Seen    string // what a failed handshake showed, "alert 70 (protocol version)"
	Floor   string // what the policy asked for, "1.2"
	Broken  bool   // STARTTLS was refused or failed at some host of this attempt
	Proven  bool   // the cause is one of TLS, and a probe of the host agrees (see Evidence)
}

// Job is one message for one destination, handed to a [Lane].
type Job struct {
	Item       Item
	Recipients []int // indexes into Item.Recipients, all of one destination
	Attempt    int   // 1 for the first
	Open       func() (io.ReadCloser, error)
}

// Destination is the domain that all recipients of the job share.
func (j Job) Destination() string { return j.Item.Recipients[j.Recipients[0]].Destination }
