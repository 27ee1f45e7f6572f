package queue

import "time"

// Item is one accepted message: its envelope, and what became of each recipient. The message text lies in the [Store];
// [OpenMessage] gives the whole.
type Item struct {
	ID      ID
	Sender  string    // reverse-path in wire form without the angle brackets; "" is the null sender
	Size    int64     // bytes of the message as it goes out: of Header and of the stored text
	Arrived time.Time // when it was accepted
	Expires time.Time // no attempt after the first one at or after this time

	Return     Return // how much of it a failure notice returns
	EnvelopeID string // the sender's own name for this mail, printable ASCII (RFC 3461, 4.4); "" if it gave none
	SMTPUTF8   bool   // its header is UTF-8 (RFC 6532): the next hop must offer SMTPUTF8; of addresses one sees it by themselves
	RequireTLS bool   // the sender asked for TLS with verified certificates on the whole way, or for no delivery (RFC 8689)

	EightBit bool   // the message has bytes above 127: the next hop must offer 8BITMIME
	Account  string // the authenticated account that submitted it, "" if it came from a listed network
	Client   string // address of the client that submitted it, "" for notices made here
	Header   string // header fields that stand before the text, with their line ends; made when the message was accepted

	Recipients []Recipient
}

// Recipient is one recipient of an [Item] and its delivery state.
type Recipient struct {
	Address     string // forward-path in wire form without the angle brackets
	Destination string // domain, lower case, ASCII; all recipients of one destination are tried together

	Notify            Notify // when the sender wants to hear of this recipient
	OriginalRecipient string // whom the sender named, "rfc822;user@example.org" (RFC 3461, 4.2), not encoded; "" if not said

	State       State
	Attempts    int
	NextAttempt time.Time
	DelayTold   bool       // a delay notice went out
	TLSFailed   bool       // some attempt met broken TLS; from then on clear text is out of the question
	Last        Outcome    // of the latest attempt; zero before the first
	Evidence    []Evidence // of all attempts, one for each address of a host; shared by the recipients of a job
}

// State is where a recipient stands.
type State uint8

const (
	Queued    State = iota // waits for NextAttempt
	Active                 // an attempt is under way; seen in listings, never stored
	Delivered              // the next hop took responsibility
	Failed                 // given up; the sender was told unless there is none
)

var stateNames = [...]string{"queued", "active", "delivered", "failed"}

func (s State) String() string { return stateNames[s] }

// Done reports whether nothing is left to do for the recipient.
func (s State) Done() bool { return s == Delivered || s == Failed }

// Done reports whether nothing is left to do for any recipient; a store drops such an item.
func (it *Item) Done() bool {
	for i := range it.Recipients {
		if !it.Recipients[i].State.Done() {
			return false
		}
	}
	return true
}

// Pending lists the indexes of the recipients at destination that still wait.
func (it *Item) Pending(destination string) []int {
	var idx []int
	for i := range it.Recipients {
		if r := &it.Recipients[i]; r.Destination == destination && !r.State.Done() {
			idx = append(idx, i)
		}
	}
	return idx
}

// Clone copies the item so that neither copy sees changes of the other.
func (it Item) Clone() Item {
	it.Recipients = append([]Recipient(nil), it.Recipients...)
	return it
}

// JobKey names a job: one message for one destination.
type JobKey struct {
	ID          ID
	Destination string
}

// DueJob is a job that waits, and the time of its next attempt.
type DueJob struct {
	JobKey
	Due time.Time // the earliest NextAttempt of its recipients that wait
}

// Jobs gives the jobs that are left to do, claimed or not, in order of their first recipients.
func (it *Item) Jobs() []DueJob {
	var jobs []DueJob
	index := make(map[string]int, 1)
	for i := range it.Recipients {
		r := &it.Recipients[i]
		if r.State.Done() {
			continue
		}
		at, known := index[r.Destination]
		if !known {
			index[r.Destination] = len(jobs)
			jobs = append(jobs, DueJob{JobKey{it.ID, r.Destination}, r.NextAttempt})
		} else if r.NextAttempt.Before(jobs[at].Due) {
			jobs[at].Due = r.NextAttempt
		}
	}
	return jobs
}
