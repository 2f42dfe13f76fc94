package apikey

import "slices"

// Narrower returns a grant that allows no more than either of two grants of one
// key. It is for a change whose outcome is unknown. If nothing is left that both
// allow, the key becomes disabled, unless it is revoked.
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
	n.Scopes = NewScopeSet(common(a.Scopes.List, b.Scopes.List))
	var sure bool
	if n.Places, sure = narrowerPlaces(a.Places, b.Places); !sure {
		n.State = max(n.State, StateDisabled)
	}
	return n
}

// narrowerPlaces keeps the places that both list literally. It reports false if
// none is left, because an empty list would mean anywhere.
func narrowerPlaces(a, b *Places) (narrower *Places, sure bool) {
	if a == nil || b == nil {
		if a == nil {
			a = b
		}
		return a, true
	}
	n := new(Places)
	var origins, ips bool
	n.Origins, origins = narrowerList(a.Origins, b.Origins)
	n.IPs, ips = narrowerList(a.IPs, b.IPs)
	return n, origins && ips
}

// narrowerList keeps the elements that both lists have. An empty list means no
// restriction.
func narrowerList[T comparable](a, b []T) (narrower []T, sure bool) {
	switch {
	case len(a) == 0:
		return b, true
	case len(b) == 0:
		return a, true
	}
	narrower = common(a, b)
	return narrower, len(narrower) > 0
}

func common[T comparable](a, b []T) (both []T) {
	for _, x := range a {
		if slices.Contains(b, x) {
			both = append(both, x)
		}
	}
	return both
}
