package expiry

import (
	"errors"
	"time"

	"github.com/socialpatra/keygate/keystore"
)

// unsureFor is for how long an attempt is asked for whose outcome is unknown. Within
// that time the store has finished it or undone it.
const unsureFor = time.Hour

// settleUnsure announces each warning of this Announcer whose outcome was unknown and
// that turns out to be stored. Its time in the trail tells it from a warning of another
// gateway. It does nothing while the store takes no changes: one on a failed disk may
// yet lose what it shows.
func (c *check) settleUnsure() {
	if len(c.unsure) == 0 || c.Store.Writable() != nil {
		return
	}
	for id, a := range c.unsure {
		k, err := c.Store.Get(id)
		over := errors.Is(err, keystore.ErrNotFound) || err == nil && !k.ExpiresAt.Equal(a.expires) || c.Now().Sub(a.at).Abs() > unsureFor
		if !over && err == nil && k.Warned == a.days && c.made(keystore.AuditQuery{Key: id, Limit: keystore.MaxPage}, &a) {
			c.Announced(&k, a.days)
			over = true
		}
		if over {
			delete(c.unsure, id)
		}
	}
}

// made reports whether the trail has an attempt.
func (c *check) made(trail keystore.AuditQuery, a *attempt) bool {
	page, err := c.Store.Audit(trail)
	if err != nil {
		return false
	}
	for _, e := range page.Entries {
		if e.Action == Action && e.Reason == Reason(a.days) && e.At.Equal(a.at) {
			return true
		}
	}
	return false
}
