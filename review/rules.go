package review

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/internal/english"
)

// unused finds keys that nobody uses. A key that is young may still be put to use, so
// of that one nothing is suggested.
func (r *reviewer) unused() {
	since := r.waiting()
	switch waited := r.now.Sub(since); {
	case r.LastUnknown:
	case r.idle():
		r.add(Finding{Code: Idle, Detail: "last used " + ago(r.LastUsed, r.now), Suggest: r.ending()})
	case !r.LastUsed.IsZero() || r.Key.CreatedAt.After(r.now):
	default:
		f := Finding{Code: NeverUsed, Detail: r.unusedSince(since)}
		if waited >= GraceDays*day {
			f.Suggest = r.ending()
		}
		r.add(f)
	}
}

// unusedSince says how long a key could have been used, and was not.
func (r *reviewer) unusedSince(since time.Time) string {
	waited := r.now.Sub(since)
	switch watched := since.After(r.Key.CreatedAt.Add(day)); {
	case watched && waited < day:
		return "not used so far; its use has been watched for less than a day"
	case watched:
		return fmt.Sprintf("not used in the %s that its use was watched", days(waited))
	case waited < day:
		return "not used since it was made, less than a day ago"
	default:
		return fmt.Sprintf("never used in the %s since it was made", days(waited))
	}
}

// expiring finds keys that end soon, in time for somebody to be asked whether they
// are still needed.
func (r *reviewer) expiring() {
	at := r.Key.ExpiresAt
	if at.IsZero() || at.After(r.now.Add(ExpiringDays*day)) {
		return
	}
	f := Finding{Code: Expiring, Detail: "expires " + ahead(at, r.now)}
	switch later := r.laterDays(); {
	case !r.Key.ReplacedBy.IsZero():
		f.Detail += ", and " + r.Key.ReplacedBy.String() + " takes its place"
	case r.forgotten():
	case later == 0: // a rotation would not do: the successor has the same expiry
		f.Detail += ", and may not get a later end"
	default:
		f.Suggest = r.update(Change{ExpiresInDays: later})
	}
	r.add(f)
}

// noExpiry finds keys that work until somebody ends them.
func (r *reviewer) noExpiry() {
	if !r.Key.ExpiresAt.IsZero() {
		return
	}
	f := Finding{Code: NoExpiry, Detail: "never expires"}
	if !r.forgotten() {
		f.Suggest = r.update(Change{ExpiresInDays: r.expiryDays()})
	}
	r.add(f)
}

// scopes finds scopes that a key in use does not use.
func (r *reviewer) scopes() {
	var needed []string
	var found []Finding
	for _, scope := range r.Key.Scopes {
		i := slices.IndexFunc(r.Seen.Scopes, func(u apikey.ScopeUse) bool { return u.Scope == scope })
		if i < 0 || !r.isUnused(&r.Seen.Scopes[i]) {
			needed = append(needed, scope)
			continue
		}
		u := &r.Seen.Scopes[i]
		f := Finding{Code: UnusedScope, Scope: scope, WatchedSince: u.Since.String()}
		if u.Last == 0 {
			f.Detail = fmt.Sprintf("%s was not used in the %s that it was watched", scope, english.Plural(int(r.today-u.Since), "day"))
		} else {
			f.Detail = fmt.Sprintf("%s was last used %s", scope, agoDay(u.Last, r.today))
		}
		found = append(found, f)
	}
	for _, f := range found {
		if len(needed) > 0 { // a key holds one scope at least
			f.Suggest = r.update(Change{Scopes: needed})
		}
		r.add(f)
	}
}

// isUnused reports whether a scope was watched for IdleDays days, and not used in
// them.
func (r *reviewer) isUnused(u *apikey.ScopeUse) bool {
	return u.Since > 0 && r.today-max(u.Since, u.Last) >= IdleDays
}

// network finds keys that could be held to the one network that they are used
// from.
func (r *reviewer) network() {
	since := r.Seen.NetworkSince
	watched := int(r.today - since)
	if r.limits.NoIPs || len(r.Key.AllowedIPs) > 0 || !single(r.Seen.Network) || since <= 0 || watched < NetworkDays {
		return
	}
	network := apikey.FormatIP(r.Seen.Network)
	r.add(Finding{
		Code: OneNetwork, WatchedSince: since.String(), Suggest: r.update(Change{AllowedIPs: []string{network}}),
		Detail: fmt.Sprintf("may be used from anywhere, and was used from %s alone in the %s that this was watched", network, english.Plural(watched, "day")),
	})
}

// perDay finds keys that may use far more in a day than they do. What a minute
// needs is not recorded.
func (r *reviewer) perDay() {
	busiest, known := r.busiest()
	perDay := uint64(r.Key.Limits.PerDay)
	if busiest == 0 || known < UseDays || perDay < HighFactor*busiest {
		return
	}
	room := max(LeastPerDay, roundUp(RoomFactor*busiest))
	if room >= perDay {
		return
	}
	r.add(Finding{
		Code: HighLimits, Suggest: r.update(Change{Limits: &LimitChange{uint32(room)}}),
		Detail: fmt.Sprintf("may use %s a day, and used %s on the busiest of %s", number(perDay), number(busiest), english.Plural(known, "day")),
	})
}

// busiest returns what was charged on the busiest day, and for how many days,
// today included, use is known. It returns 0 if it is not known what was charged.
func (r *reviewer) busiest() (units uint64, known int) {
	for i := range r.Use {
		u := &r.Use[i]
		charged := u.Charged
		for j := range r.AccountUse {
			if r.AccountUse[j].Day == u.Day {
				charged = max(charged, r.AccountUse[j].Charged)
			}
		}
		if charged == 0 && u.Allowed > 0 {
			return 0, 0 // an account was charged that is gone; a request may cost more than 1
		}
		units = max(units, charged, u.Allowed)
		if units > 0 && known == 0 {
			known = int(r.today-u.Day) + 1
		}
	}
	return units, known
}

// roundUp returns n or more, with one digit that is not 0, or two of them the
// first of which is 1.
func roundUp(n uint64) uint64 {
	step := uint64(1)
	for n > 20*step {
		step *= 10
	}
	return (n + step - 1) / step * step
}

func number(n uint64) string {
	s := strconv.FormatUint(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// days writes a duration of a day or more in whole days.
func days(d time.Duration) string { return english.Plural(int(d/day), "day") }

func ago(t, now time.Time) string {
	return fmt.Sprintf("%s ago, on %s", days(now.Sub(t)), t.UTC().Format(time.DateOnly))
}

func agoDay(d, today apikey.Day) string {
	return fmt.Sprintf("%s ago, on %s", english.Plural(int(today-d), "day"), d)
}

func ahead(t, now time.Time) string {
	left := t.Sub(now)
	if left < day {
		return "in less than a day, at " + t.UTC().Format(time.RFC3339)
	}
	return fmt.Sprintf("in %s, on %s", days(left.Round(day)), t.UTC().Format(time.DateOnly))
}
