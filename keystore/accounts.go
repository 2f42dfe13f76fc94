package keystore

import (
	"math"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/socialpatra/keygate/apikey"
)

// accounts holds the accounts of keys that are on the account of another key, see
// [apikey.Key.Account]. An index entry has no room for an account, so such an entry
// refers to a home in place of a workspace. Other keys take no memory for this.
type accounts struct {
	homes *interned[home, home]

	mu    sync.Mutex
	users map[apikey.ID]uint32 // how many other keys are on an account
}

// home is a workspace and, unless it is zero, an account in it. It has no pointer
// for the garbage collector to follow.
type home struct {
	workspace uint32
	account   apikey.ID
}

// onAccount marks a reference to a home. References to workspaces are lower.
const onAccount = 1 << 31

func newAccounts() accounts {
	return accounts{homes: newInterned[home, home](), users: make(map[apikey.ID]uint32)}
}

// at returns the home that a reference is marked to be of.
func (a *accounts) at(ref uint32) (workspace uint32, account apikey.ID) {
	h := a.homes.at(ref &^ onAccount)
	return h.workspace, h.account
}

func (a *accounts) acquire(h home) (ref uint32) {
	a.mu.Lock()
	a.users[h.account]++
	a.mu.Unlock()
	return a.homes.acquire(h, h) | onAccount
}

// release gives back a reference to a home or to a workspace alone. It returns the
// workspace, which the caller has to release.
func (a *accounts) release(ref uint32) (workspace uint32) {
	if ref < onAccount {
		return ref
	}
	workspace, account := a.at(ref)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.users[account]--; a.users[account] == 0 {
		delete(a.users, account)
	}
	a.homes.release(ref &^ onAccount)
	return workspace
}

// usersOf returns how many keys are on the account of another key, which need not
// exist any more.
func (a *accounts) usersOf(account apikey.ID) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return int(a.users[account])
}

// removeUse removes the use of a deleted key. If other keys are on its account, what
// was charged to it stays from the day of the deletion on, because they go on with that
// count. It is removed with the last of these keys, or pruned.
func (b *Bolt) removeUse(tx *bolt.Tx, k *apikey.Key, at time.Time) error {
	if err := b.settle(tx, accountsOf(k)...); err != nil {
		return err
	}
	if err := tx.Bucket(bucketSeen).Delete(k.ID[:]); err != nil {
		return err
	}
	keep := apikey.Day(math.MaxInt32)
	if b.index.accounts.usersOf(k.ID) > 0 {
		keep = apikey.DayOf(at)
	}
	if err := removeUsage(tx, k.ID, keep); err != nil {
		return err
	}
	if k.Account.IsZero() || b.index.accounts.usersOf(k.Account) > 1 || tx.Bucket(bucketKeys).Get(k.Account[:]) != nil {
		return nil
	}
	return removeUsage(tx, k.Account, math.MaxInt32)
}

// removeUsage removes the use of a key, and when it was last used. From the day
// keep on it leaves what was charged, and what does not verify, which counts as
// more than any quota.
func removeUsage(tx *bolt.Tx, id apikey.ID, keep apikey.Day) error {
	usage := tx.Bucket(bucketUsage)
	var names [][]byte
	var charged []apikey.Usage
	for name, value := range usageOf(tx, id, math.MinInt32, math.MaxInt32) {
		day, _, _ := splitUsageKey(name)
		u, err := decodeUsage(name, value)
		switch {
		case day < keep || err == nil && u.Charged == 0:
			names = append(names, name)
		case err == nil:
			charged = append(charged, chargeOf(u))
		}
	}
	if err := deleteAll(usage, names); err != nil {
		return err
	}
	for i := range charged {
		name := usageKey(charged[i].Day, id)
		if err := usage.Put(name, encodeUsage(name, &charged[i])); err != nil {
			return err
		}
	}
	return tx.Bucket(bucketLastUsed).Delete(id[:])
}

// chargeOf leaves out what the key itself did.
func chargeOf(u apikey.Usage) apikey.Usage {
	return apikey.Usage{ID: u.ID, Day: u.Day, Charged: u.Charged}
}

// accountsOf returns the keys whose records of use depend on whether k exists: k
// itself, and the key whose account it is on.
func accountsOf(k *apikey.Key) []apikey.ID {
	if k.Account.IsZero() {
		return []apikey.ID{k.ID}
	}
	return []apikey.ID{k.ID, k.Account}
}
