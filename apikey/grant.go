package apikey

import (
	"fmt"
	"math"
	"net/netip"
	"strings"
	"time"
)

// Grant is what a decision needs to know of a key, in the form that is fastest to
// decide on. Strings and slices are shared between grants and must not be
// changed.
type Grant struct {
	Hash      Hash
	State     State
	ExpiresAt int64 // Unix nanoseconds; 0: never
	Limits    Limits
	Account   ID // see [Key.Account]; zero for the key's own

	Workspace string
	Scopes    *ScopeSet
	Places    *Places // nil: anywhere
}

// State is the part of a key's status that does not depend on the time.
type State uint8

// A key is usable, disabled or revoked. Whether it has expired depends on the
// time of asking.
const (
	StateUsable State = iota
	StateDisabled
	StateRevoked
)

// Status returns the key's status at the instant now, like [Key.Status].
func (g *Grant) Status(now time.Time) Status {
	switch {
	case g.State == StateRevoked:
		return Revoked
	case g.State == StateDisabled:
		return Disabled
	case g.ExpiresAt != 0 && now.UnixNano() >= g.ExpiresAt:
		return Expired
	default:
		return Active
	}
}

// Live reports whether a key is neither revoked nor expired at an instant. A
// disabled key is live: whoever may enable it has it still.
func (g *Grant) Live(at time.Time) bool {
	return g.State != StateRevoked && (g.ExpiresAt == 0 || at.UnixNano() < g.ExpiresAt)
}

// Live is [Grant.Live] of a whole key.
func (k *Key) Live(at time.Time) bool {
	return k.RevokedAt.IsZero() && (k.ExpiresAt.IsZero() || at.Before(k.ExpiresAt))
}

// Grant returns what decisions need to know of k. It fails if stored origins or
// addresses do not parse: such a key must not pass.
func (k *Key) Grant() (Grant, error) {
	places, err := k.Places()
	if err != nil {
		return Grant{}, err
	}
	return k.GrantWith(NewScopeSet(k.Scopes), places), nil
}

// GrantWith is [Key.Grant] for those who have the set of the key's scopes already,
// and its places.
func (k *Key) GrantWith(scopes *ScopeSet, places *Places) Grant {
	g := Grant{
		Hash:      k.Hash,
		ExpiresAt: unixNano(k.ExpiresAt),
		Limits:    k.Limits,
		Workspace: k.Workspace,
		Scopes:    scopes,
		Places:    places,
	}
	if k.Account != k.ID {
		g.Account = k.Account
	}
	switch {
	case !k.RevokedAt.IsZero():
		g.State = StateRevoked
	case k.Disabled:
		g.State = StateDisabled
	}
	return g
}

// Places returns where requests with the key may come from, or nil for anywhere.
func (k *Key) Places() (*Places, error) {
	if len(k.AllowedOrigins) == 0 && len(k.AllowedIPs) == 0 {
		return nil, nil
	}
	places := &Places{
		Origins: make([]Origin, len(k.AllowedOrigins)),
		IPs:     make([]netip.Prefix, len(k.AllowedIPs)),
	}
	var err error
	for i, s := range k.AllowedOrigins {
		if places.Origins[i], err = ParseOrigin(s); err != nil {
			return nil, fmt.Errorf("key %s: %w", k.ID, err)
		}
	}
	for i, s := range k.AllowedIPs {
		if places.IPs[i], err = ParseIP(s); err != nil {
			return nil, fmt.Errorf("key %s: %w", k.ID, err)
		}
	}
	return places, nil
}

// unixNano converts an expiry to the form of [Grant.ExpiresAt]. A year outside
// the range of int64 becomes the nearest instant inside it, so that a key that
// expires after 2262 does not count as expired. Only the zero time becomes 0.
func unixNano(t time.Time) int64 {
	switch {
	case t.IsZero():
		return 0
	case t.Unix() <= 0:
		return 1
	case t.Unix() >= math.MaxInt64/int64(time.Second):
		return math.MaxInt64
	default:
		return t.UnixNano()
	}
}

// ScopeSet is a set of scopes, with its form in a header.
type ScopeSet struct {
	List   []string // sorted, without duplicates
	Joined string   // List joined by single spaces
}

// Has reports whether the set holds scope. A scope grants only itself.
func (s *ScopeSet) Has(scope string) bool { return s.Index(scope) >= 0 }

// Index returns where in List a scope is, or -1. It searches Joined, which a
// request needs next anyway. With thousands of keys in use, List is in no cache,
// and waiting for it takes longer.
func (s *ScopeSet) Index(scope string) int {
	i := 0
	for rest := s.Joined; rest != ""; i++ {
		var one string
		if one, rest, _ = strings.Cut(rest, " "); one == scope {
			return i
		}
	}
	return -1
}

// Places says from where a key may be used. An empty list does not restrict.
type Places struct {
	Origins []Origin
	IPs     []netip.Prefix
}
