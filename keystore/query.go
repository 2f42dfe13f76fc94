package keystore

import (
	"time"

	"github.com/socialpatra/keygate/apikey"
)

// Query selects keys and orders them. The zero Query is the first page of all
// keys. A key is selected if it passes every filter.
type Query struct {
	Workspace string        // "": any workspace
	Status    apikey.Status // "": any status
	Scope     string        // "": any scopes; otherwise only keys that hold this one
	CreatedBy string        // "": made by anybody; otherwise only by exactly this actor

	// Name selects keys whose name contains it, in upper or lower case. It also
	// selects the keys whose ID begins with it, and those whose prefix begins with
	// it if it reaches into the ID there: all prefixes begin with the brand. In IDs
	// and prefixes the case counts.
	Name string // "": any name

	// A key is live until it is revoked or expires, also while it is disabled.
	Expiring time.Duration // 0: any; otherwise only live keys that expire within this time
	NoExpiry bool          // only keys that never expire

	// Idle, unless 0, selects live keys that were last used at least so long ago.
	// Of keys that were never used it selects those created at least so long ago.
	Idle      time.Duration
	NeverUsed bool // only keys that were never used

	Now time.Time // the instant at which Status, Expiring and Idle are evaluated

	Sort       Sort
	After      apikey.ID // only keys behind this one, which need not exist any more
	AfterValue string    // of the key After: the [Page.NextValue] that came with it
	Limit      int       // maximum number of keys; 0: DefaultPage
}

// Page is one page of a list. Next is the After of the next page, zero at the
// end, and NextValue its AfterValue.
type Page struct {
	Keys      []apikey.Key
	LastUsed  []time.Time // of each key, see [Store.LastUsed]; also zero if it cannot be read
	Damaged   []apikey.ID // the keys of which that cannot be read
	Next      apikey.ID
	NextValue string
}

// Sort is an order of keys. Keys at the same place in it are in the order of their
// IDs. In the orders by ID and by creation, a key never moves, so somebody who
// reads page after page meets every key once that is there all the time, whatever
// is changed meanwhile. In the others that is so for keys that keep their place.
type Sort string

const (
	SortID      Sort = ""
	SortName    Sort = "name"    // upper and lower case are the same; otherwise by code point
	SortCreated Sort = "created" // the oldest first
	SortExpires Sort = "expires" // the soonest first, keys that never expire last

	// SortLastUsed puts keys first that were never used, then those that were not
	// used for longest. A key that is used between two pages moves on, so it may
	// come twice, but is never missed. Use since the first page counts as use at
	// that time: otherwise a gateway in use would have no last page.
	SortLastUsed Sort = "last-used"
)

// Sorts returns every order but that by ID.
func Sorts() []Sort { return []Sort{SortName, SortCreated, SortExpires, SortLastUsed} }

// Check refuses an unknown order, and an AfterValue that no page of this order
// has.
func (q *Query) Check() error {
	_, err := newSelection(*q)
	return err
}

// narrow reports whether the query has a filter other than workspace and status.
func (q *Query) narrow() bool {
	return q.Scope != "" || q.CreatedBy != "" || q.Name != "" || q.Expiring != 0 || q.NoExpiry || q.Idle != 0 || q.NeverUsed
}

// asksUse reports whether a filter or the order needs the last use of each key.
func (q *Query) asksUse() bool { return q.Idle != 0 || q.NeverUsed || q.Sort == SortLastUsed }
