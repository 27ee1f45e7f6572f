package queue

import (
	"context"
	"errors"
	"io"
)

// Store keeps messages and their state on stable storage. Its methods may be called from many goroutines at once.
type Store interface {
	// NewBody starts taking in a message's content. The body ends in a Put of a committed batch, or by Discard.
	NewBody(ctx context.Context) (Body, error)

	// Commit applies the whole batch or nothing of it, and returns when it is durable. Concurrent callers share a sync.
	// ErrGone: a job to update is no longer there, or its claim is no longer the caller's.
	// ErrFull: there is no room for new messages.
	Commit(ctx context.Context, b *Batch) error

	// Open reads a message's text. What goes out has the item's Header before it: see OpenMessage.
	Open(ctx context.Context, id ID) (io.ReadCloser, error)

	// Get gives the item as it is now, as Scan shows it. ErrGone if it is not there.
	Get(ctx context.Context, id ID) (Item, error)

	// Claim gives a job to owner, with the item as it is now. Update asks for the token back, so that an owner that lost its
	// claim meanwhile (to a second relay on a shared store) cannot write. ErrGone if nothing is left to do for the job,
	// ErrClaimed if another has it. An embedded store has one owner and always grants a free job.
	Claim(ctx context.Context, owner string, job JobKey) (Item, Token, error)

	// Release gives up a claim without an update. A claim that is not held is no error.
	Release(ctx context.Context, job JobKey, t Token) error

	// Scan gives up to limit items in order of ID, starting behind after (0: from the first). Recipients of claimed jobs are
	// shown as Active. It does not stop writers. Fewer than limit: there are no more.
	Scan(ctx context.Context, after ID, limit int) ([]Item, error)

	// Jobs gives the jobs of up to limit messages in order of ID, starting behind after (0: from the first), claimed ones
	// too, each with the time it is due. last is the ID to go on from, 0 when there are no more messages. It reads no message
	// and no outcome: a store answers from its index. The destinations are strings that the store shares between all jobs
	// (interned): to keep one keeps nothing else.
	Jobs(ctx context.Context, after ID, limit int) (jobs []DueJob, last ID, err error)

	// Room is ErrFull while new messages would be refused, nil otherwise.
	Room(ctx context.Context) error

	// Close waits for commits under way and gives up all claims.
	Close() error
}

// Body is the content of a message on its way into the store.
type Body interface {
	io.Writer
	Size() int64 // bytes written so far
	Discard()    // gives the space back; no effect after a commit
}

// Token proves a claim; it rises with each claim of the same job.
type Token uint64

// Batch is what one Commit does, all or nothing.
type Batch struct {
	Put    []Put
	Update []Update
	Delete []ID // by an operator's command; an ID that is not there is no error
}

// Put adds a message.
type Put struct {
	Item Item
	Body Body // of the same store
}

// Update ends a claim and changes recipients of its job. When by that the last recipient of the item is done, the store
// drops the item.
type Update struct {
	Job        JobKey
	Token      Token
	Recipients []RecipientUpdate
}

// RecipientUpdate replaces the recipient at Index.
type RecipientUpdate struct {
	Index     int
	Recipient Recipient
}

// Errors of a Store. Test with errors.Is.
var (
	ErrGone    = errors.New("no such message in the queue")
	ErrClaimed = errors.New("another relay has this job")
	ErrFull    = errors.New("no space for new messages")
	ErrClosed  = errors.New("the store is closed")
)
