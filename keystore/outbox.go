package keystore

import (
	"errors"
	"time"
)

// OutboxLease is how long a holder keeps an outbox without calling
// [Outboxes.KeepOutbox].
const OutboxLease = 30 * time.Second

// ErrOutboxLost is returned if an outbox is not its holder's any more, or is at
// another place than the holder believes. Nothing was changed; OpenOutbox says how
// things are.
var ErrOutboxLost = errors.New("another gateway holds the outbox, or has changed it")

// Outboxes keeps what is still to be told of the trail, and to whom. An outbox has a
// place in the trail, up to which entries were taken from it, and the messages that
// were made of them and are still to be delivered. Both change in one step. So each
// entry is taken exactly once, however often a process ends anywhere.
//
// An outbox has one holder at a time. A store that only one process can open gives it
// to whoever asks.
type Outboxes interface {
	// AuditAfter returns entries of the trail with a greater Seq, oldest first, up to
	// limit, each with the workspace of its key; and the number of the last entry that
	// there ever was. Numbers that are missing were pruned.
	AuditAfter(seq uint64, limit int) (entries []PlacedEntry, last uint64, err error)

	// OpenOutbox makes holder the holder of an outbox, unless another is, and then
	// returns what is in it. A new one begins at the end of the trail. now is the
	// instant at which it was last wanted, see ForgetOutboxes.
	OpenOutbox(name, holder string, now time.Time) (box Outbox, held bool, err error)

	// KeepOutbox goes on holding an outbox, and reports whether holder does.
	KeepOutbox(name, holder string, now time.Time) (held bool, err error)

	// ChangeOutbox changes an outbox, all of it or nothing. It returns ErrOutboxLost
	// if holder does not hold it, or it is at another place than From.
	ChangeOutbox(name, holder string, c OutboxChange) error

	// LeaveOutbox lets another hold an outbox.
	LeaveOutbox(name, holder string) error

	// ForgetOutboxes removes the outboxes that nobody has wanted since an instant, and
	// returns how many messages were in them.
	ForgetOutboxes(before time.Time) (messages int, err error)
}

// PlacedEntry is an entry of the trail with the workspace that it is about, "" if
// nobody knows it any more.
type PlacedEntry struct {
	AuditEntry
	Of string
}

// Damaged reports whether the entry does not verify, so that nobody knows what it
// says.
func (e *AuditEntry) Damaged() bool { return e.Action == actionDamaged }

// Message is one message to be delivered.
type Message struct {
	MessageName
	ID   string    // the same for as long as the message exists
	At   time.Time // of the entry
	Body []byte    // JSON
}

// MessageName tells the messages of an outbox apart, and orders them.
type MessageName struct {
	Seq  uint64 // of the entry that it is about
	Kind string // of the messages about one entry
}

// Outbox is what is in an outbox, the messages in the order of their names.
type Outbox struct {
	Place    uint64 // the number of the last entry that was taken
	Messages []Message

	// Damaged has what does not verify, of which nobody knows what it was.
	Damaged []MessageName
}

// OutboxChange is one step of an outbox.
type OutboxChange struct {
	From, To uint64 // its place before and after
	Put      []Message
	Drop     []MessageName
}
