package apikey

import (
	"net/netip"
	"slices"
)

// Narrower returns a grant that allows no more than either of two grants of one
// key does, for when nobody knows which of them holds. A key of which nothing
// sure is left becomes disabled, unless it is revoked.
func Narrower(a, b Grant) Grant {
	n := a
	n.State = max(a.State, b.State)
	if b.ExpiresAt != 0 && (a.ExpiresAt == 0 || b.ExpiresAt < a.ExpiresAt) {
		n.ExpiresAt = b.ExpiresAt
	}
	n.Limits = Limits{
		PerMinute: min(a.Limits.PerMinute, b.Limits.PerMinute),
		PerDay:    min(a.Limits.PerDay, b.Limits.PerDay),
		Burst:     min(a.Limits.Burst, b.Limits.Burst),
	}
	n.Scopes = NewScopeSet(inBoth(a.Scopes.List, b.Scopes.List))
	var sure bool
	if n.Places, sure = narrowerPlaces(a.Places, b.Places); !sure {
		n.State = max(n.State, StateDisabled)
	}
	return n
}

// narrowerPlaces keeps what both list word for word. It reports false where
// that is nothing, which would read as anywhere.
func narrowerPlaces(a, b *Places) (narrower *Places, sure bool) {
	if a == nil || b == nil {
		if a == nil {
			a = b
		}
		return a, true
	}
	n := new(Places)
	var origins, ips bool
	n.Origins, origins = narrowerList(a.Origins, b.Origins, func(x, y Origin) bool { return x == y })
	n.IPs, ips = narrowerList(a.IPs, b.IPs, func(x, y netip.Prefix) bool { return x == y })
	return n, origins && ips
}

func narrowerList[T any](a, b []T, same func(x, y T) bool) (narrower []T, sure bool) {
	switch {
	case len(a) == 0:
		return b, true
	case len(b) == 0:
		return a, true
	}
	for _, x := range a {
		if slices.ContainsFunc(b, func(y T) bool { return same(x, y) }) {
			narrower = append(narrower, x)
		}
	}
	return narrower, len(narrower) > 0
}

func inBoth(a, b []string) []string {
	both, _ := narrowerList(a, b, func(x, y string) bool { return x == y })
	if len(a) == 0 || len(b) == 0 {
		return nil // a list of scopes that is empty allows nothing
	}
	return both
}
