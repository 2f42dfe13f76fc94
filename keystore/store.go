// Package keystore keeps keys. [Store] is the contract that any store must
// meet, [Bolt] the store on one bbolt file, redisstore the one on an engine that
// several gateways share, and the package storetest the contract as tests.
package keystore

import (
	"errors"
	"io"
	"time"

	"github.com/socialpatra/keygate/apikey"
)

// What callers decide on. What a store could not do is an error for which
// [IsFailure] is true: a store marks errors of what is underneath it by
// [Unavailable].
var (
	ErrNotFound = errors.New("no such key")
	ErrExists   = errors.New("a key with this ID exists already")
	ErrClosed   = errors.New("the key store is closed")
)

// Store keeps keys, their use and the history of their changes. All methods
// may be called at once from many goroutines.
//
// A write is on disk, and in force for every later [Store.Lookup], before the
// method that made it returns nil. Where it returns an error nothing was
// changed, unless the error says that the outcome is unknown.
//
// A store never sees a token, only its hash.
type Store interface {
	// Lookup returns what decisions need of a key. It answers from memory and
	// allocates nothing, but where the store is on an engine and the key has not
	// been asked for lately. An unknown ID is (Grant{}, false, nil); an error
	// means that the store cannot answer, and the request must not pass.
	Lookup(id apikey.ID) (apikey.Grant, bool, error)

	// LookupOpaque is Lookup for keys whose token has another system's form, by
	// the hash of the token. Where the store has no such key it costs nothing
	// to ask; see HasOpaque.
	LookupOpaque(hash apikey.Hash) (apikey.ID, apikey.Grant, bool, error)

	// HasOpaque reports whether there is any key for LookupOpaque to find.
	HasOpaque() bool

	// Get returns a whole key, or ErrNotFound.
	Get(id apikey.ID) (apikey.Key, error)

	// List returns keys in the order of their IDs.
	List(Query) (Page, error)

	// Create adds a key, or returns ErrExists, also for an opaque key with the
	// hash of another. The key must be valid.
	Create(k apikey.Key, by Actor) error

	// CreateAll adds keys together or not at all, with the action "import" in
	// the audit trail of each. An [*ExistsError] says which key exists already,
	// or shares its hash with another opaque key. progress, unless it is nil, is
	// called now and then with how many keys are ready to be written; it must
	// return soon, and not call the store.
	CreateAll(keys []apikey.Key, by Actor, progress func(done int)) error

	// Update changes one key. It calls edit with a copy of the stored key, in
	// turn with all other writes or again where one was faster, and stores what
	// edit left there; ID, Hash, Opaque, Prefix, Workspace and CreatedAt stay as
	// they were. An error of edit is returned as it is and nothing is stored. What
	// edit left as it was is no change: it is neither stored nor recorded. action
	// names the change in the audit trail: "update", "revoke", ….
	Update(id apikey.ID, action string, by Actor, edit func(*apikey.Key) error) (apikey.Key, error)

	// Rotate stores successor and the changed predecessor together or not at
	// all. It calls edit as Update does. successor has the settings of old, to
	// which edit adds ID, Hash, Prefix and CreatedAt; the store keeps it in the
	// same workspace and links the two by RotatedFrom and ReplacedBy. The audit
	// trail has a "create" of the one and a "rotate" of the other.
	Rotate(id apikey.ID, by Actor, edit func(old, successor *apikey.Key) error) (successor apikey.Key, err error)

	// Delete removes a key and its use, or returns ErrNotFound. Its audit
	// entries stay. It calls check, unless that is nil, with the stored key, in
	// turn with all other writes; an error of check is returned as it is and
	// nothing is removed. A key that cannot be read is removed only where check
	// is nil.
	Delete(id apikey.ID, by Actor, check func(*apikey.Key) error) error

	// SaveUsage stores totals of days, all or none. A total that is higher
	// already stays as it is. Usage of keys that do not exist is dropped; that
	// of workspaces is kept whether they have keys or not.
	SaveUsage(keys []apikey.Usage, workspaces []apikey.WorkspaceUsage) error

	// UsageSince calls the functions with what was used on a day and on later
	// ones, which there are where the clock was set back, for restoring limits
	// after a start. A record that does not verify is told in an error, after
	// all others, and yielded as one that exhausts any quota.
	UsageSince(day apikey.Day, key func(apikey.Usage), workspace func(apikey.WorkspaceUsage)) error

	// SaveBuckets stores minute buckets, in place of all that were stored, for
	// going on with them after a graceful restart.
	SaveBuckets([]apikey.Bucket) error

	// Buckets calls yield with what SaveBuckets stored last.
	Buckets(yield func(apikey.Bucket)) error

	// WorkspaceLimits returns the limits that a workspace has of its own. It
	// answers from memory and allocates nothing.
	WorkspaceLimits(workspace string) (apikey.WorkspaceLimits, bool)

	// AllWorkspaceLimits returns the limits of all workspaces that have their
	// own. The map must not be changed.
	AllWorkspaceLimits() map[string]apikey.WorkspaceLimits

	// SetWorkspaceLimits gives a workspace limits of its own, or takes them away
	// where lim is nil. A workspace needs no keys for that. The audit trail has
	// it as "limit" or "unlimit".
	SetWorkspaceLimits(workspace string, lim *apikey.WorkspaceLimits, by Actor) error

	// Usage returns a key's use from one day to another, both included, oldest
	// first, days without use left out.
	Usage(id apikey.ID, from, to apikey.Day) ([]apikey.Usage, error)

	// LastUsed returns when a key last authenticated a request, to the minute;
	// the zero time means never.
	LastUsed(id apikey.ID) (time.Time, error)

	// HeldScopes returns the scopes that keys hold, sorted, each with how many
	// keys hold it and the first of these in the order of their IDs, at most so
	// many, one or more. It may read every key.
	HeldScopes(most int) ([]HeldScope, error)

	// Audit returns changes, newest first.
	Audit(AuditQuery) (AuditPage, error)

	// Brand returns the brand that SetBrand last recorded, "" before that: the
	// serving process records its own, so that keys made offline get it too.
	Brand() (string, error)
	SetBrand(brand string) error

	// Backup writes a consistent copy of the whole store, while it serves.
	Backup(w io.Writer) error

	// Check reads every record of the store and calls yield with what does not
	// verify; name is the key's ID, or what stands in place of it. It returns how
	// many keys it read.
	Check(yield func(name string, problem error)) (keys int, err error)

	// Prune drops the use of days before day, and audit entries before the
	// instant before.
	Prune(day apikey.Day, before time.Time) error

	// Counts returns how many keys have each status at the instant now.
	Counts(now time.Time) map[apikey.Status]int

	// Writable returns nil while the store takes changes, or why it does not.
	Writable() error

	// Close gives the store up. Every later call returns ErrClosed.
	Close() error
}

// Query chooses keys. The zero Query is the first page of all keys.
type Query struct {
	Workspace string        // "": of any workspace
	Status    apikey.Status // "": in any status
	Now       time.Time     // when Status is asked for
	After     apikey.ID     // only IDs after this one, which need not exist any more
	Limit     int           // at most so many; 0: DefaultPage
}

// Page sizes of [Store.List] and [Store.Audit].
const (
	DefaultPage = 100
	MaxPage     = 1000
)

// UsageDays is how many days the use of a key is kept and shown.
const UsageDays = 400

// Page is one page of a list. Next is the ID to go on after, zero at the end.
type Page struct {
	Keys     []apikey.Key
	LastUsed []time.Time // of each key, see [Store.LastUsed]; zero also where that fails
	Next     apikey.ID
}

// Actor says who changes a key, when and through which door.
type Actor struct {
	At  time.Time
	Via string // "api 127.0.0.1:51234", "unix /run/caddy/admin.sock", "offline"

	// Replication, unless it is nil, is filled in by a change that succeeds in a
	// store that asks for replicas. It is left alone by all others.
	Replication *Replication
}

// Replication says how many replicas a change had to reach, and how many had it
// when the change was acknowledged. With fewer, a failover may undo the change.
type Replication struct{ Wanted, Have int }

// AuditEntry is one change of one key or workspace. No entry holds a token or a hash.
type AuditEntry struct {
	Seq     uint64            `json:"seq"` // grows by every change of the store
	At      time.Time         `json:"at"`
	Via     string            `json:"via"`
	Action  string            `json:"action"`
	Key     apikey.ID         `json:"key_id,omitzero"`
	Changes map[string]Change `json:"changes,omitempty"` // by field of the JSON record

	Workspace string `json:"workspace,omitempty"` // whose limits were changed; then there is no key
}

// Change is one field's value before and after, as in the JSON record.
type Change struct {
	From any `json:"from"`
	To   any `json:"to"`
}

// AuditQuery chooses audit entries. The zero AuditQuery is the newest page.
type AuditQuery struct {
	Key    apikey.ID // zero: of any key
	Before uint64    // only entries with a smaller Seq; 0: from the newest
	Limit  int       // at most so many; 0: DefaultPage
}

// AuditPage is one page of the audit trail. Next is the Before of the next
// page, 0 at the end.
type AuditPage struct {
	Entries []AuditEntry
	Next    uint64
}
