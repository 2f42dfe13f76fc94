package keystore

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"

	bolt "go.etcd.io/bbolt"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/socialpatra/keygate/apikey"
)

// The fields of a workspace's limits, both varints. A limit of zero, which is
// left out, means not limited.
const (
	fieldTogetherPerMinute protowire.Number = 1
	fieldTogetherPerDay    protowire.Number = 2
)

// damagedLimits apply if the limits of a workspace do not verify. Any other
// number would be a guess, and might grant more than was intended.
var damagedLimits = apikey.WorkspaceLimits{PerMinute: 1, PerDay: 1}

// WorkspaceLimits implements [Store]. A workspace whose record does not verify is
// limited to one request a minute and a day until its limits are set again.
func (b *Bolt) WorkspaceLimits(workspace string) (apikey.WorkspaceLimits, bool) {
	all := b.together.Load()
	if all == nil { // the most common case, without the cost of hashing
		return apikey.WorkspaceLimits{}, false
	}
	lim, ok := (*all)[workspace]
	return lim, ok
}

// AllWorkspaceLimits implements [Store].
func (b *Bolt) AllWorkspaceLimits() map[string]apikey.WorkspaceLimits {
	if all := b.together.Load(); all != nil {
		return *all
	}
	return nil
}

// SetWorkspaceLimits implements [Store].
func (b *Bolt) SetWorkspaceLimits(workspace string, lim *apikey.WorkspaceLimits, by Actor) error {
	if err := apikey.CheckWorkspace(workspace); err != nil {
		return err
	}
	b.writing.Lock()
	defer b.writing.Unlock()
	if err := b.accepting(); err != nil {
		return err
	}
	var old, now *apikey.WorkspaceLimits
	damaged := false
	err := b.view(func(tx *bolt.Tx) error {
		old, damaged = storedLimits(tx, workspace)
		return nil
	})
	if err != nil {
		return err
	}
	if lim != nil {
		now = new(*lim)
	}
	if !damaged && sameLimits(old, now) {
		return nil
	}
	err = b.commit(func(tx *bolt.Tx) error {
		return putLimits(tx, workspace, old, now, by)
	})
	if errors.Is(err, ErrUnknownOutcome) {
		now = stricter(old, now)
	} else if err != nil {
		return err
	}
	all := maps.Clone(b.AllWorkspaceLimits())
	if all == nil {
		all = make(map[string]apikey.WorkspaceLimits)
	}
	if delete(all, workspace); now != nil {
		all[workspace] = *now
	}
	b.publishLimits(all)
	return err
}

// stricter returns the stricter of each limit, or old if either of the two is nil.
// Without limits of its own a workspace has those of the config, and nobody here knows
// whether they are stricter than the others.
func stricter(old, now *apikey.WorkspaceLimits) *apikey.WorkspaceLimits {
	if old == nil || now == nil {
		return old
	}
	return &apikey.WorkspaceLimits{PerMinute: lower(old.PerMinute, now.PerMinute), PerDay: lower(old.PerDay, now.PerDay)}
}

// lower returns the lower of two limits. Zero means not limited.
func lower(x, y uint32) uint32 {
	if x == 0 || y == 0 {
		return max(x, y)
	}
	return min(x, y)
}

func (b *Bolt) publishLimits(all map[string]apikey.WorkspaceLimits) {
	if len(all) == 0 {
		b.together.Store(nil)
		return
	}
	b.together.Store(&all)
}

func sameLimits(x, y *apikey.WorkspaceLimits) bool {
	return x == y || x != nil && y != nil && *x == *y
}

// storedLimits returns the stored limits, or nil if there are none or they cannot
// be read.
func storedLimits(tx *bolt.Tx, workspace string) (lim *apikey.WorkspaceLimits, damaged bool) {
	value := tx.Bucket(bucketTogether).Get([]byte(workspace))
	if value == nil {
		return nil, false
	}
	found, err := decodeLimits([]byte(workspace), value)
	if err != nil {
		return nil, true // to be replaced
	}
	return &found, false
}

func putLimits(tx *bolt.Tx, workspace string, old, now *apikey.WorkspaceLimits, by Actor) error {
	limits, name, action := tx.Bucket(bucketTogether), []byte(workspace), "limit"
	var err error
	if now == nil {
		action, err = "unlimit", limits.Delete(name)
	} else {
		err = limits.Put(name, encodeLimits(name, *now))
	}
	if err != nil {
		return err
	}
	changed, err := json.Marshal(map[string]Change{"limits": {From: old, To: now}})
	if err != nil {
		return err
	}
	e := by.Entry(action, apikey.ID{})
	e.Workspace = workspace
	return putAudit(tx, e, workspace, changed)
}

// loadLimits reads the limits of all workspaces.
func (b *Bolt) loadLimits() error {
	all := make(map[string]apikey.WorkspaceLimits)
	err := b.view(func(tx *bolt.Tx) error {
		limits := tx.Bucket(bucketTogether)
		if limits == nil { // schema 1
			return nil
		}
		return limits.ForEach(func(name, value []byte) error {
			lim, err := decodeLimits(name, value)
			if err != nil {
				lim = damagedLimits
				b.damaged = append(b.damaged, err)
			}
			all[string(name)] = lim
			return nil
		})
	})
	b.publishLimits(all)
	return err
}

func encodeLimits(name []byte, lim apikey.WorkspaceLimits) []byte {
	v := newSealed(12)
	v = appendVarint(v, fieldTogetherPerMinute, uint64(lim.PerMinute))
	v = appendVarint(v, fieldTogetherPerDay, uint64(lim.PerDay))
	return seal(bucketTogether, name, v)
}

func decodeLimits(name, value []byte) (apikey.WorkspaceLimits, error) {
	var lim apikey.WorkspaceLimits
	fields, err := unseal(bucketTogether, name, value)
	if err == nil {
		err = eachField(fields, func(field protowire.Number, v uint64) bool {
			switch field {
			case fieldTogetherPerMinute:
				lim.PerMinute = uint32(v)
			case fieldTogetherPerDay:
				lim.PerDay = uint32(v)
			default:
				return false
			}
			return v <= math.MaxUint32
		}, func(protowire.Number, []byte) bool { return false })
	}
	if err != nil {
		return apikey.WorkspaceLimits{}, fmt.Errorf("the limits of workspace %s: %w", workspaceName(name), err)
	}
	return lim, nil
}

// workspaceName returns the name of a workspace. What is not one is returned in
// quotes.
func workspaceName(name []byte) string {
	if apikey.CheckWorkspace(string(name)) == nil {
		return string(name)
	}
	return quoteName(name)
}
