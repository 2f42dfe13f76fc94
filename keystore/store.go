// Package keystore stores API keys, what they are used for, and the history of
// their changes. It never sees a token, only the token's hash.
//
// [Store] is the contract that every store meets. It is composed of roles, so
// that a caller asks only for what it uses: [Grants] for look-ups, [Keys],
// [Workspaces], [Use], [Trail], [Outboxes] and [Upkeep].
//
//   - [Bolt] keeps everything in one bbolt file, for one gateway. [OpenBolt] opens
//     or creates it, [VerifyFile], [CompactFile] and [BuildFile] work on files.
//   - Package redisstore keeps keys on an engine that several gateways share.
//   - Package storetest has the contract as tests, for stores of others too.
//
// Look-ups are on the path of every request. So a store answers them from an
// [Index] in memory, which holds a [apikey.Grant] for each key. A change is
// stored and in the index before the method that makes it returns.
//
// Every stored value has a checksum that also covers its place. A key whose
// record does not verify is refused; all other keys work. See [ErrDamaged] and
// [Store.Check].
//
// A store tells three kinds of errors apart: those that callers decide on, such
// as [ErrNotFound]; those of the disk or engine below it, for which [IsFailure]
// is true; and the errors of the caller's own functions, which it returns as they
// are.
package keystore

import (
	"errors"
	"io"
	"time"

	"github.com/socialpatra/keygate/apikey"
)

// Errors that callers decide on. If the store could not do what it was asked,
// [IsFailure] is true for the error: a store marks errors of the disk or engine
// below it by [Unavailable].
var (
	ErrNotFound = errors.New("no such key")
	ErrExists   = errors.New("a key with this ID exists already")
	ErrClosed   = errors.New("the key store is closed")
)

// Store keeps keys, their use and the history of their changes. All methods are
// safe for concurrent use.
//
// A write is on disk, and takes effect for every later [Store.Lookup], before the
// method that made it returns nil. If a method returns an error, nothing was
// changed, unless the error says that the outcome is unknown.
//
// A store never sees a token, only its hash.
type Store interface {
	Grants
	Keys
	Workspaces
	Use
	Trail
	Outboxes
	Upkeep
}

// Grants answers look-ups for decisions, without I/O where it can.
type Grants interface {
	// Lookup returns what decisions need of a key. It answers from memory and
	// allocates nothing. Only a store on an engine has to ask for a key that was
	// not used lately. For an unknown ID it returns (Grant{}, false, nil). An
	// error means that the store cannot answer, and the request must not pass.
	Lookup(id apikey.ID) (apikey.Grant, bool, error)

	// LookupOpaque is Lookup for keys whose token comes from another system, by
	// the hash of the token. It costs nothing if the store has no such key; see
	// HasOpaque.
	LookupOpaque(hash apikey.Hash) (apikey.ID, apikey.Grant, bool, error)

	// HasOpaque reports whether there is any key that LookupOpaque could find.
	HasOpaque() bool
}

// Keys administers the keys.
type Keys interface {
	// Get returns a whole key, or ErrNotFound.
	Get(id apikey.ID) (apikey.Key, error)

	// List returns the keys that a query selects, in its order. It returns the
	// error of [Query.Check] for a query that says nothing.
	List(Query) (Page, error)

	// Create adds a key, which must be valid. It returns ErrExists if the ID is
	// taken, or if another opaque key has the same hash.
	Create(k apikey.Key, by Actor) error

	// CreateAll adds all keys or none. Each gets the action "import" in the audit
	// trail. An [*ExistsError] says which key exists already, or shares its hash
	// with another opaque key. progress, unless nil, is called now and then with
	// how many keys are ready to be written. It must return soon and must not
	// call the store.
	CreateAll(keys []apikey.Key, by Actor, progress func(done int)) error

	// Update changes one key. It calls edit with a copy of the stored key and
	// stores what edit leaves there. Writers take turns, or edit is called again
	// if another writer was faster. ID, Hash, Opaque, Prefix, Workspace and
	// CreatedAt keep their values. If edit returns an error, Update returns it
	// unchanged and stores nothing. If edit changes nothing, nothing is stored or
	// recorded, unless by has a Reason: then the trail says so all the same. action
	// names the change in the audit trail: "update", "revoke", ….
	Update(id apikey.ID, action string, by Actor, edit func(*apikey.Key) error) (apikey.Key, error)

	// Rotate stores a successor and the changed predecessor, both or neither. It
	// calls edit as Update does. successor starts with the settings of old; edit
	// adds ID, Hash, Prefix and CreatedAt. The store keeps it in the same
	// workspace, on the same account, and links the two by RotatedFrom and
	// ReplacedBy. The audit trail gets a "create" of the successor and a "rotate"
	// of the predecessor.
	Rotate(id apikey.ID, by Actor, edit func(old, successor *apikey.Key) error) (successor apikey.Key, err error)

	// Delete removes a key and its use, or returns ErrNotFound. Its audit entries
	// stay. check, unless nil, is called with the stored key; writers take turns
	// as in Update. If check returns an error, Delete returns it unchanged and
	// removes nothing. A key that cannot be read is removed only if check is nil.
	Delete(id apikey.ID, by Actor, check func(*apikey.Key) error) error

	// HeldScopes returns the scopes that the keys of a workspace hold, or all keys
	// if workspace is "", sorted, each with the number of keys that hold it. It
	// lists up to most of these keys, the first by ID; most must be at least one.
	// It may read each of the keys.
	HeldScopes(workspace string, most int) ([]HeldScope, error)
}

// Workspaces keeps the limits of single workspaces.
type Workspaces interface {
	// WorkspaceLimits returns the limits set for a workspace, and whether there
	// are any. It answers from memory and allocates nothing.
	WorkspaceLimits(workspace string) (apikey.WorkspaceLimits, bool)

	// AllWorkspaceLimits returns the limits of all workspaces that have limits
	// set. The map must not be changed.
	AllWorkspaceLimits() map[string]apikey.WorkspaceLimits

	// SetWorkspaceLimits sets the limits of a workspace, or removes them if lim
	// is nil. The workspace need not have keys. The audit trail records "limit"
	// or "unlimit".
	SetWorkspaceLimits(workspace string, lim *apikey.WorkspaceLimits, by Actor) error
}

// Use keeps counts of requests, and the state of minute buckets.
type Use interface {
	// SaveUsage stores totals of days. After an error some or all of them may be
	// stored; as totals never shrink, they can be saved again. A stored total that is
	// higher stays as it is. Usage of keys that do not exist is dropped, except for
	// what is charged to such a key while other keys are on its account. That is
	// stored, and outlives the deletion of the key, unless the store's engine counts
	// the limits itself. Usage of workspaces is kept whether they have keys or not.
	SaveUsage(keys []apikey.Usage, workspaces []apikey.WorkspaceUsage) error

	// UsageSince calls the functions with the use on a day and on later days,
	// which exist only if the clock was set back. It serves to restore limits
	// after a start. If a record does not verify, it is yielded as use that
	// exhausts any quota, and the error, which comes after all records, says so.
	UsageSince(day apikey.Day, key func(apikey.Usage), workspace func(apikey.WorkspaceUsage)) error

	// SaveBuckets replaces all stored minute buckets. They are saved for a
	// graceful restart.
	SaveBuckets([]apikey.Bucket) error

	// Buckets calls yield with the buckets that SaveBuckets stored last.
	Buckets(yield func(apikey.Bucket)) error

	// Usage returns the use of a key from one day to another, both included,
	// oldest first. Days without use are left out.
	Usage(id apikey.ID, from, to apikey.Day) ([]apikey.Usage, error)

	// LastUsed returns when a key last authenticated a request, to the minute;
	// the zero time means never.
	LastUsed(id apikey.ID) (time.Time, error)

	// Seen returns what was seen of the use of keys, in the order of ids. Keys that
	// do not exist have the zero Seen.
	Seen(ids []apikey.ID) ([]apikey.Seen, error)
}

// Trail is the history of changes. Every change writes it.
type Trail interface {
	// Audit returns changes, newest first.
	Audit(AuditQuery) (AuditPage, error)
}

// Upkeep has the operations on a store as a whole.
type Upkeep interface {
	// Brand returns the brand that SetBrand recorded last, or "" before that. The
	// serving process records its brand, so that keys made offline get it too.
	Brand() (string, error)
	SetBrand(brand string) error

	// Backup writes a consistent copy of the whole store while the store serves.
	Backup(w io.Writer) error

	// Check reads every record of the store and calls yield with each that does
	// not verify. name is the key's ID, or what stands in its place. Check
	// returns how many keys it read.
	Check(yield func(name string, problem error)) (keys int, err error)

	// Prune drops use on days before day, and audit entries older than before.
	Prune(day apikey.Day, before time.Time) error

	// Counts returns how many keys have each status at the instant now.
	Counts(now time.Time) map[apikey.Status]int

	// Expiring calls yield with each key that is not revoked, and that expires after
	// from and no later than to, in no order, until yield returns false. Keys that
	// cannot be read are left out. yield may call the store.
	Expiring(from, to time.Time, yield func(*apikey.Key) bool) error

	// CountExpiring returns how many keys there are for Expiring. It costs what
	// Counts does, and need not know which of them can be read.
	CountExpiring(from, to time.Time) (int, error)

	// Writable returns nil while the store takes changes, or why it does not and
	// since when. It asks nothing of a disk or engine: it tells what was seen.
	Writable() error

	// Waiting returns for how long the oldest change under way has waited: for changes
	// before it, for readers, or for the disk or engine. It is 0 if no change is under
	// way. A change that makes progress, and that no other waits for, may be left out.
	Waiting() time.Duration

	// About says which store this is.
	About() About

	// Close closes the store. Every later call returns ErrClosed.
	Close() error
}

// Page sizes of [Store.List] and [Store.Audit].
const (
	DefaultPage = 100
	MaxPage     = 1000
)

// UsageDays is for how many days the use of a key is kept and shown.
const UsageDays = 400

// Actor says who changes a key, when, and over which interface.
type Actor struct {
	At  time.Time
	Via string // "api 127.0.0.1:51234", "unix /run/caddy/admin.sock", "offline"

	// By is who it is, see [apikey.CheckActor], or "" if nobody said. Claimed
	// means that By is only what the caller says of itself.
	By      string
	Claimed bool

	// Reason is why, if there is more to say than the action says.
	Reason string

	// MaxLive is how many live keys the workspace of the key may have after a
	// Create, Update or Rotate: keys that are neither revoked nor expired at At. 0
	// means no bound. A change that would add to them beyond MaxLive changes nothing
	// and returns a [*TooManyError]. Any other change is made, however many there
	// are. Of changes at the same time, no more succeed than there is room for.
	MaxLive int

	// Replication, unless nil, is filled in by a successful change if the store
	// waits for replicas. Other calls leave it alone.
	Replication *Replication
}

// Replication says how many replicas a change had to reach, and how many had it
// when it was acknowledged. If they were fewer, a failover may undo the change.
type Replication struct{ Wanted, Have int }

// AuditEntry is one change of one key or workspace. No entry holds a token or a hash.
type AuditEntry struct {
	Seq     uint64            `json:"seq"` // grows with every change of the store, or see AuditQuery
	At      time.Time         `json:"at"`
	Via     string            `json:"via"`
	By      string            `json:"by,omitempty"`         // who, if somebody said
	Claimed bool              `json:"by_claimed,omitempty"` // nobody but the caller itself said who
	Action  string            `json:"action"`
	Reason  string            `json:"reason,omitempty"` // why, if there is more to say
	Key     apikey.ID         `json:"key_id,omitzero"`
	Changes map[string]Change `json:"changes,omitempty"` // by field of the JSON record

	Workspace string `json:"workspace,omitempty"` // set if its limits were changed; then Key is zero
}

// Change has one field's value before and after, as in the JSON record.
type Change struct {
	From any `json:"from"`
	To   any `json:"to"`
}

// AuditQuery selects audit entries. The zero AuditQuery is the newest page.
//
// With a Workspace, the trail is that of the workspace alone: of the limits of the
// workspace, and of the keys that were in it at the time, also of deleted ones. The
// numbers in the answer, and Before, then count only these entries, from 1 on, so
// that they tell nothing of how much happens elsewhere. With a Key as well, the
// answer is empty unless the last entry of the key is of that workspace.
type AuditQuery struct {
	Key       apikey.ID // zero: any key
	Workspace string    // "": any workspace
	Before    uint64    // only entries with a smaller Seq; 0: from the newest
	Limit     int       // maximum number of entries; 0: DefaultPage
}

// AuditPage is one page of the audit trail. Next is the Before of the next
// page, 0 at the end.
type AuditPage struct {
	Entries []AuditEntry
	Next    uint64
}
