package ratelimit_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/ratelimit"
)

// seenFact is one fact that is to be saved: that a key needed a scope of a set on a
// day, or that it was used from a network, then with scope "".
type seenFact struct {
	key     int
	day     apikey.Day
	scopes  *apikey.ScopeSet
	scope   string
	network apikey.Network
}

// factsOf adds what was drained of a key.
func factsOf(facts map[seenFact]bool, us []apikey.Usage, number func(apikey.ID) int) {
	for _, u := range us {
		if u.Seen == nil {
			continue
		}
		for scope := range u.Seen.Names {
			facts[seenFact{number(u.ID), u.Day, u.Seen.Scopes, scope, 0}] = true
		}
		facts[seenFact{key: number(u.ID), day: u.Day, scopes: u.Seen.Scopes, network: u.Seen.Network}] = true
	}
}

// TestSeenModel uses keys at random, some on the account of others, whose scopes
// change, on days that go up and down, while tables grow and are swept and what is
// drained cannot be saved. Everything that requests which passed have shown is saved
// in the end, nothing else is, and nothing twice that is not new.
func TestSeenModel(t *testing.T) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 15))
	l := ratelimit.New()
	const keys = 2000
	number := make(map[apikey.ID]int)
	for n := range keys {
		number[key(n)] = n
	}
	sets := []*apikey.ScopeSet{
		apikey.NewScopeSet([]string{"a:a", "b:b", "c:c"}), apikey.NewScopeSet([]string{"b:b", "c:c", "d:d"}),
		apikey.NewScopeSet([]string{"a:a", "b:b", "c:c"}), // the same again, of a key that lost some meanwhile
	}
	addrs := []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.9"), netip.MustParseAddr("2001:db8::1")}
	type usedFrom struct {
		key    int
		day    apikey.Day
		scopes *apikey.ScopeSet
	}
	want, networks := make(map[seenFact]bool), make(map[usedFrom]apikey.Network)
	saved := make(map[seenFact]bool)
	now, drained := noon, 0
	save := func() {
		us, ws := l.Drain(nil, nil)
		if r.IntN(3) == 0 { // the disk is full
			l.Undrain(us, ws)
			return
		}
		for _, u := range us {
			if u.Seen != nil {
				drained++
			}
		}
		factsOf(saved, us, func(id apikey.ID) int { return number[id] })
	}
	for range 60_000 {
		n := r.IntN(keys)
		if r.IntN(4) > 0 {
			n = r.IntN(20) // which are used more often
		}
		caps := limits(600, 600, 1_000_000)
		if n%5 == 1 {
			caps.Account = key(n - 1)
		}
		switch r.IntN(40) {
		case 0:
			save()
		case 1:
			if r.IntN(100) == 0 {
				now = now.Add([]time.Duration{26 * time.Hour, -25 * time.Hour}[r.IntN(2)])
			}
			now = now.Add(time.Duration(r.IntN(5000)) * time.Millisecond)
		case 2:
			if r.IntN(20) == 0 {
				l.Sweep(now)
			}
		case 3:
			l.Deny(key(n), caps, now)
		case 4:
			l.Rewatch(key(n))
		default:
			set := sets[r.IntN(60)%7%len(sets)]
			seen := apikey.Sighting{Scopes: set, Needed: uint64(r.IntN(8)), Network: apikey.NetworkOf(addrs[r.IntN(50)/24])}
			if !l.TakeSeen(key(n), caps, 1, now, &seen).Allowed {
				continue
			}
			from := usedFrom{n, apikey.DayOf(now), set}
			networks[from] = networks[from].With(seen.Network)
			for scope := range seen.Names {
				want[seenFact{n, from.day, set, scope, 0}] = true
			}
		}
	}
	us, _ := l.Drain(nil, nil)
	factsOf(saved, us, func(id apikey.ID) int { return number[id] })
	scopes := maps.Clone(saved)
	maps.DeleteFunc(scopes, func(f seenFact, _ bool) bool { return f.scope == "" })
	if !maps.Equal(scopes, want) {
		t.Fatalf("seed %d: %d facts are saved; want %d", seed, len(scopes), len(want))
	}
	got := make(map[usedFrom]apikey.Network)
	for f := range saved {
		if f.scope == "" {
			from := usedFrom{f.key, f.day, f.scopes}
			got[from] = got[from].With(f.network)
		}
	}
	if !maps.Equal(got, networks) {
		t.Fatalf("seed %d: networks differ", seed)
	}
	if drained == 0 {
		t.Error("nothing was drained on the way")
	}
}

// TestSeenOnce has what was saved once not saved again, until there is something new.
func TestSeenOnce(t *testing.T) {
	set, other := apikey.NewScopeSet([]string{"a:a", "b:b"}), apikey.NewScopeSet([]string{"a:a", "b:b"})
	near, far := apikey.NetworkOf(netip.MustParseAddr("192.0.2.1")), apikey.NetworkOf(netip.MustParseAddr("198.51.100.1"))
	at := func(days int) time.Time { return noon.AddDate(0, 0, days) }
	l := ratelimit.New()
	for i, step := range []struct {
		day  int
		seen apikey.Sighting
		want string
	}{
		{0, apikey.Sighting{Scopes: set, Needed: 1, Network: near}, "[a:a] 192.0.2.0/24"},
		{0, apikey.Sighting{Scopes: set, Needed: 1, Network: near}, ""},
		{0, apikey.Sighting{Scopes: set, Needed: 0, Network: near}, ""},
		{0, apikey.Sighting{Scopes: set, Needed: 2, Network: near}, "[a:a b:b] 192.0.2.0/24"},
		{0, apikey.Sighting{Scopes: set, Needed: 1, Network: far}, "[a:a b:b] invalid Prefix"},
		{0, apikey.Sighting{Scopes: set, Needed: 3, Network: near}, ""},
		{1, apikey.Sighting{Scopes: set, Needed: 1, Network: near}, "[a:a] 192.0.2.0/24"}, // another day
		{1, apikey.Sighting{Scopes: other, Needed: 1, Network: near}, "[a:a] 192.0.2.0/24"},
		{1, apikey.Sighting{Scopes: other, Needed: 1, Network: near}, ""},
		{0, apikey.Sighting{Scopes: other, Needed: 1, Network: near}, "[a:a] 192.0.2.0/24"}, // the clock is set back
		{0, apikey.Sighting{Needed: 3, Network: far}, ""},                                   // nobody asks
	} {
		l.TakeSeen(keyA, limits(600, 600, 1000), 1, at(step.day), &step.seen)
		us, _ := l.Drain(nil, nil)
		got := ""
		for _, u := range us {
			if u.Seen != nil {
				got += fmt.Sprint(slices.Collect(u.Seen.Names), " ", u.Seen.Network.Prefix())
				if u.Day != apikey.DayOf(at(step.day)) {
					t.Errorf("step %d: seen on %s", i, u.Day)
				}
			}
		}
		if got != step.want {
			t.Errorf("step %d: seen %q; want %q", i, got, step.want)
		}
	}
}

// TestSeenForgotten has nothing saved of a key that was deleted, and nothing of a
// request that did not pass.
func TestSeenForgotten(t *testing.T) {
	set := apikey.NewScopeSet([]string{"a:a"})
	seen := apikey.Sighting{Scopes: set, Needed: 1}
	anySeen := func(l *ratelimit.Limiter) bool {
		us, _ := l.Drain(nil, nil)
		return slices.ContainsFunc(us, func(u apikey.Usage) bool { return u.Seen != nil })
	}
	l := ratelimit.New()
	l.TakeSeen(keyA, limits(1, 1, 1000), 1, noon, &seen)
	l.Rewatch(keyA) // what it kept goes as well
	l.TakeSeen(keyB, limits(600, 600, 1000), 1, noon, &seen)
	l.Forget(keyA)
	l.Forget(keyB)
	if anySeen(l) {
		t.Error("something was seen of deleted keys")
	}
	if l.TakeSeen(keyA, limits(1, 1, 1000), 1, noon, &seen).Allowed || anySeen(l) {
		t.Error("a request that was refused has shown something")
	}
}

func TestSeenAllocatesNothing(t *testing.T) {
	l, lim := ratelimit.New(), limits(60, 60, 1_000_000)
	set := apikey.NewScopeSet([]string{"a:a", "b:b"})
	i := uint64(0)
	take := func() {
		i++
		l.TakeSeen(keyA, lim, 1, noon, &apikey.Sighting{Scopes: set, Needed: 1 << (i % 2), Network: apikey.Network(i % 2)})
	}
	take()
	take()
	if n := testing.AllocsPerRun(100, take); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
