package expiry

import (
	"errors"
	"time"

	"github.com/socialpatra/keygate/keystore"
)

// unsureFor is for how long an attempt is asked for whose outcome is unknown. Within
// that time the store has finished it or undone it.
const unsureFor = time.Hour

// settleUnsure announces what turns out to have been stored by an attempt of this
// Announcer, whose outcome was unknown. The trail tells it from that of another
// gateway by its time. A store that takes no changes may yet lose what it shows: one
// on a disk that failed.
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
