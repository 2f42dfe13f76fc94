// Package review says which keys could do with less, and what to do about it. It
// knows no store: its rules judge what is known of one key, at a given time.
//
// A finding never claims more than was seen. What was watched for too short a
// time, or cannot be read, is not told.
package review

import (
	"cmp"
	"net/netip"
	"time"

	"github.com/socialpatra/keygate/apikey"
)

// Code names a kind of finding. It never changes.
type Code string

// The codes, in the order in which a key has its findings.
const (
	NeverUsed   Code = "never_used"
	Idle        Code = "idle"
	Expiring    Code = "expiring"
	NoExpiry    Code = "no_expiry"
	UnusedScope Code = "unused_scope"
	OneNetwork  Code = "one_network"
	HighLimits  Code = "high_limits"
)

// The times and numbers of the rules.
const (
	// GraceDays is for how many days a key may wait for its first use before it is
	// suggested to end it.
	GraceDays = 7

	// IdleDays is after how many days without use a key counts as idle, and a
	// scope as not used.
	IdleDays = 90

	ExpiringDays = 30 // an expiry within so many days is near

	// NetworkDays is for how many days networks must be watched.
	NetworkDays = 30

	// UseDays is for how many days the use of a key is known at least before its
	// limits are judged by it, and HighFactor how many times the busiest day they
	// have to be to be high. RoomFactor times that day is suggested, and never
	// less than LeastPerDay: less than that is not worth a change.
	UseDays     = 30
	HighFactor  = 20
	RoomFactor  = 4
	LeastPerDay = 100

	usualExpiryDays = 365 // of a suggestion
)

// Facts are what is known of one key.
type Facts struct {
	Key *apikey.Key

	LastUsed    time.Time // zero: never
	LastUnknown bool      // it cannot be read when the key was last used

	// Use is that of the last IdleDays days, today included, oldest first, and
	// AccountUse that of the key's account where it is another key. Both are nil if
	// they are not known.
	Use, AccountUse []apikey.Usage

	Seen apikey.Seen
}

// Limits bound what is suggested. The zero Limits bound nothing.
type Limits struct {
	ExpiryDays    int  // what keys get by default; 0: there is no default
	MaxExpiryDays int  // 0: any
	NoIPs         bool // keys may not have a list of addresses
	NoUse         bool // nothing is to be told of what keys are used for
}

// Finding is one thing that somebody should look at.
type Finding struct {
	Code   Code   `json:"code"`
	Detail string `json:"detail"`          // as a sentence without its first capital and its full stop
	Scope  string `json:"scope,omitempty"` // of an UnusedScope

	// WatchedSince is the day from which on what the finding tells of is watched,
	// as 2006-01-02, or "" if it does not depend on that.
	WatchedSince string `json:"watched_since,omitempty"`

	// Suggest is what to do. It is nil if another finding of the key says it, if the
	// key is still young, has a successor or may not end later, or if only its holder
	// can tell what to do.
	Suggest *Suggestion `json:"suggest,omitempty"`
}

// Deed is what may be done about a finding.
type Deed string

// The deeds. An update makes the change that the suggestion has; the others are
// as those of the API.
const (
	Disable Deed = "disable"
	Revoke  Deed = "revoke"
	Update  Deed = "update"
)

// Suggestion is what to do about a finding.
type Suggestion struct {
	Do     Deed    `json:"do"`
	Change *Change `json:"change,omitempty"` // of an Update
}

// Change is a change of settings, in the form in which the API takes it.
type Change struct {
	Scopes        []string     `json:"scopes,omitempty"`
	ExpiresInDays int          `json:"expires_in_days,omitempty"`
	AllowedIPs    []string     `json:"allowed_ips,omitempty"`
	Limits        *LimitChange `json:"limits,omitempty"`
}

type LimitChange struct {
	PerDay uint32 `json:"per_day"`
}

// NeedsUse reports whether the rules would look at the use of the key by day.
func (f *Facts) NeedsUse(now time.Time) bool {
	r := reviewer{Facts: f, now: now, today: apikey.DayOf(now)}
	return r.inUse() && f.Key.Limits.PerDay > LeastPerDay
}

// Of returns the findings about a key, in the order of their codes above. A key that does
// not live any more has none.
func Of(f *Facts, limits Limits, now time.Time) []Finding {
	if !f.Key.Live(now) {
		return nil
	}
	r := reviewer{Facts: f, limits: limits, now: now, today: apikey.DayOf(now)}
	r.unused()
	r.expiring()
	r.noExpiry()
	if r.inUse() && !limits.NoUse {
		r.scopes()
		r.network()
		r.perDay()
	}
	return r.found
}

// reviewer judges one key.
type reviewer struct {
	*Facts
	limits Limits
	now    time.Time
	today  apikey.Day
	found  []Finding
}

func (r *reviewer) add(f Finding) { r.found = append(r.found, f) }

const day = 24 * time.Hour

// idle reports whether the key was used, and not for IdleDays days.
func (r *reviewer) idle() bool {
	return !r.LastUnknown && !r.LastUsed.IsZero() && !r.LastUsed.After(r.now.Add(-IdleDays*day))
}

// inUse reports whether the key can be used and is. Of any other key it says
// nothing what it was used for.
func (r *reviewer) inUse() bool {
	return r.Key.Status(r.now) == apikey.Active && !r.LastUnknown && !r.LastUsed.IsZero() && !r.idle()
}

// waiting returns since when a key that was never used could have been.
func (r *reviewer) waiting() time.Time {
	since := r.Key.CreatedAt
	// A key that was imported is older than what is known of its use.
	if watched := r.Seen.NetworkSince; watched > 0 && watched.Start().After(since) {
		since = watched.Start()
	}
	return since
}

// forgotten reports whether the key is idle, or was not used for long, so that its
// one suggestion is to end it.
func (r *reviewer) forgotten() bool {
	return len(r.found) > 0 && (r.found[0].Code == NeverUsed || r.found[0].Code == Idle) && r.found[0].Suggest != nil
}

// ending suggests to end a key that nobody seems to need: in a way that can be
// undone, unless that is done already.
func (r *reviewer) ending() *Suggestion {
	if r.Key.Disabled {
		return &Suggestion{Do: Revoke}
	}
	return &Suggestion{Do: Disable}
}

func (r *reviewer) update(c Change) *Suggestion { return &Suggestion{Update, &c} }

// expiryDays returns the days that keys get by default, or else the usual ones.
func (r *reviewer) expiryDays() int {
	return r.limits.bounded(cmp.Or(r.limits.ExpiryDays, usualExpiryDays))
}

// laterDays returns days after which the key would end later than it does, or 0 if
// no later end is accepted.
func (r *reviewer) laterDays() int {
	for _, n := range []int{r.expiryDays(), r.limits.bounded(usualExpiryDays)} {
		if r.now.Add(time.Duration(n) * day).After(r.Key.ExpiresAt) {
			return n
		}
	}
	return 0
}

// bounded returns a number of days, or the most that is accepted if that is less.
func (l *Limits) bounded(days int) int {
	if l.MaxExpiryDays > 0 {
		return min(days, l.MaxExpiryDays)
	}
	return days
}

// single reports whether a network is one, and not all addresses.
func single(network netip.Prefix) bool { return network.IsValid() && network.Bits() > 0 }
