package access

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/socialpatra/keygate/apikey"
)

// TestNeeded asks at random for routes with alternatives. What an allowed request
// needed is the first set of which the key holds all, no more and no less.
func TestNeeded(t *testing.T) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 15))
	var names []string
	for i := range 64 {
		names = append(names, fmt.Sprintf("s%d:a", i))
	}
	some := func(n int) []string {
		list := slices.Clone(names)
		r.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		return list[:n]
	}
	for range 3000 {
		held := some(1 + r.IntN(64))
		set := apikey.NewScopeSet(held)
		var scopes Scopes
		for range r.IntN(4) {
			alternative := some(1 + r.IntN(3))
			if r.IntN(2) == 0 { // which the key holds
				alternative = held[:min(len(held), 1+r.IntN(4))]
			}
			scopes = append(scopes, alternative)
		}
		var want []string
		met := len(scopes) == 0
		for _, alternative := range scopes {
			if !slices.ContainsFunc(alternative, func(s string) bool { return !slices.Contains(held, s) }) {
				want, met = slices.Sorted(slices.Values(alternative)), true
				break
			}
		}
		needed, reason := checkScopes(&apikey.Grant{Scopes: set}, &Route{Scopes: scopes})
		seen := apikey.Sighting{Scopes: set, Needed: needed}
		if got := slices.Collect(seen.Names); !slices.Equal(got, want) || (reason == Allowed) != met {
			t.Fatalf("seed %d: of %v a key with %v needed %v, and is %s; want %v", seed, scopes, held, got, reason, want)
		}
	}
}

// TestDecisionShows has what a decision shows of the use of its key.
func TestDecisionShows(t *testing.T) {
	k := newKeys()
	p := testPolicy(t, k)
	token, _ := k.add(t, func(key *apikey.Key) { key.Scopes = []string{"media:upload", "posts:read", "posts:write"} })
	client := netip.MustParseAddr("203.0.113.7")
	q := request("GET", "/v1/posts", token)
	q.Client = client
	d := p.Decide(q)
	s := d.Sighting(client)
	if got := slices.Collect(s.Names); d.Reason != Allowed || !slices.Equal(got, []string{"posts:read"}) || s.Scopes != d.Grant.Scopes || s.Network.Prefix().String() != "203.0.113.0/24" {
		t.Errorf("%s, needed %q from %s", d.Reason, got, s.Network.Prefix())
	}
}
