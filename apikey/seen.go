package apikey

import (
	"math/bits"
	"net/netip"
)

// Seen is what was seen of the use of one key since it is watched. It serves to
// find out what a key could do without.
type Seen struct {
	// Scopes has every scope that the key holds, sorted by name.
	Scopes []ScopeUse

	// Network is the network of all addresses that the key was used from, an IPv4
	// /24 or an IPv6 /48. It is the zero Prefix if the key was not used, or from
	// several.
	Network netip.Prefix

	// NetworkSince is the day from which on networks are watched.
	NetworkSince Day
}

// ScopeUse says when a key last needed one of its scopes for a request that
// passed. Where a route accepts alternatives, the scopes of the one that was met
// were needed.
type ScopeUse struct {
	Scope string
	Since Day // the day from which on the use of the scope by this key is watched
	Last  Day // the last day of use; 0: none since then
}

// Sighting is what requests of a key that passed on one day have shown. It is one
// fact, or several together: seeing it again shows nothing new.
type Sighting struct {
	// Scopes are those of the grant that the requests were decided on, and Needed
	// says which of them were needed: bit i is for Scopes.List[i]. So what was
	// needed is known by name, whatever the scopes of the key are by now.
	Scopes  *ScopeSet
	Needed  uint64
	Network Network
}

// Names yields the scopes that were needed, sorted.
func (s *Sighting) Names(yield func(scope string) bool) {
	for rest := s.Needed; rest != 0; rest &= rest - 1 {
		if i := bits.TrailingZeros64(rest); i >= len(s.Scopes.List) || !yield(s.Scopes.List[i]) {
			return
		}
	}
}
