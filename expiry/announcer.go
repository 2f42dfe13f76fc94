// Package expiry announces that keys expire soon: each of [apikey.Warnings] once for
// each expiry, over restarts, reloads, clocks that are set, and all gateways of a
// fleet.
//
// What keeps it to once is a mark in the key's record, [apikey.Key.Warned]. Whoever
// sets it has announced the warning, and nobody else does: a store lets one of
// several writers win. So a gateway that ends between the two has announced nothing;
// the audit trail has the warning all the same.
package expiry

import (
	"errors"
	"strconv"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
)

// Action is what the audit trail calls a warning. Its reason is [Reason].
const Action = "expiring"

// via is the interface that warnings come through.
const via = "keygate"

// Reason returns how the audit trail writes a warning, such as 7d.
func Reason(days uint8) string { return strconv.Itoa(int(days)) + "d" }

// Store is what an Announcer needs of a [keystore.Store].
type Store interface {
	Get(id apikey.ID) (apikey.Key, error)
	Update(id apikey.ID, action string, by keystore.Actor, edit func(*apikey.Key) error) (apikey.Key, error)
	Audit(keystore.AuditQuery) (keystore.AuditPage, error)
	Expiring(from, to time.Time, yield func(*apikey.Key) bool) error
	Writable() error
}

// Options are what an Announcer works with.
type Options struct {
	Store Store
	Now   func() time.Time

	// Announced is called after a warning is in the store, with the key as it is
	// there.
	Announced func(k *apikey.Key, days uint8)

	// Pause waits between two warnings. It returns false to end the check.
	Pause func(time.Duration) bool
}

// Announcer finds the keys of a store that expire soon. It is not safe for
// concurrent use, but there may be any number of them for one store.
type Announcer struct {
	Options
	through time.Time // warnings up to here were looked for; zero: none
	allDue  time.Time // when all keys that expire soon are to be read again
	unsure  map[apikey.ID]attempt
}

// attempt is a warning that may be in the store.
type attempt struct {
	expires time.Time
	days    uint8
	at      time.Time
}

// New returns an Announcer that has not looked for anything yet.
func New(o Options) *Announcer { return &Announcer{Options: o, unsure: make(map[apikey.ID]attempt)} }

// Reading all keys that expire soon takes up to one part in allShare of the time,
// and happens at least every allWithin.
const (
	allShare  = 1000
	allWithin = time.Hour
)

// mostFailures is how many keys in a row may fail until a check gives up. A key that
// always fails keeps nobody from the others.
const mostFailures = 3

// Check announces all warnings that are due. The error says what the store could
// not do; another check tries it again.
//
// A check looks for the keys whose warnings became due since the last one. Now and
// then it looks at all keys that expire soon: then it finds also what became due by
// a change, or what it could not announce before.
func (a *Announcer) Check() error {
	now := a.Now()
	c := check{Announcer: a}
	c.settleUnsure()
	if all := a.through.IsZero() || now.Before(a.through) || !now.Before(a.allDue); all {
		c.find(now, now.Add(apikey.Soon))
		took := a.Now().Sub(now) - c.paused
		a.allDue = now.Add(min(max(0, allShare*took), allWithin))
	} else {
		for _, days := range apikey.Warnings() {
			ahead := time.Duration(days) * 24 * time.Hour
			c.find(a.through.Add(ahead), now.Add(ahead))
		}
	}
	switch {
	case c.err != nil || c.stopped:
		a.through = time.Time{}
	default:
		a.through = now
	}
	return c.err
}

// check is one run of Check.
type check struct {
	*Announcer
	paused  time.Duration // in announcing
	failed  int           // keys in a row
	stopped bool
	err     error // the last one
}

func (c *check) over() bool { return c.stopped || c.failed >= mostFailures }

// find announces what is due of keys that expire after from and no later than to.
func (c *check) find(from, to time.Time) {
	if c.over() {
		return
	}
	if err := c.Store.Expiring(from, to, func(k *apikey.Key) bool {
		began := c.Now()
		if days := k.Warning(began); days != 0 {
			c.announce(k, days, began)
			c.paused += c.Now().Sub(began)
		}
		return !c.over()
	}); err != nil {
		c.err, c.failed = err, mostFailures
	}
}

// errSettled is the answer to an edit of a key that needs no warning any more.
var errSettled = errors.New("the warning is not due, or was announced")

// announce marks a key as warned of and, if nobody else did, announces it.
func (c *check) announce(k *apikey.Key, days uint8, now time.Time) {
	by := keystore.Actor{At: now, Via: via, Reason: Reason(days)}
	began := time.Now()
	warned, err := c.Store.Update(k.ID, Action, by, func(stored *apikey.Key) error {
		if stored.Warning(now) != days || !stored.ExpiresAt.Equal(k.ExpiresAt) {
			return errSettled
		}
		stored.Warned = days
		return nil
	})
	switch {
	case err == nil:
		c.failed = 0
		delete(c.unsure, k.ID)
		c.Announced(&warned, days)
	case errors.Is(err, errSettled), errors.Is(err, keystore.ErrNotFound):
		c.failed = 0
	default:
		if errors.Is(err, keystore.ErrUnknownOutcome) {
			c.unsure[k.ID] = attempt{k.ExpiresAt, days, now}
		}
		c.err, c.failed = err, c.failed+1
	}
	c.stopped = !c.Pause(restAfter(time.Since(began)))
}

// restAfter is the pause after a warning that took so long, so that any number of
// them leave the store to others for three quarters of the time.
func restAfter(took time.Duration) time.Duration { return max(5*time.Millisecond, 3*took) }
