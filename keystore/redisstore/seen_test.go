//go:build fleet

package redisstore

import (
	"errors"
	"net/netip"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/internal/redis/redistest"
	"github.com/socialpatra/keygate/keystore"
)

// seenOf is that a key needed its first scope.
func seenOf(k apikey.Key) *apikey.Sighting {
	return &apikey.Sighting{Scopes: apikey.NewScopeSet(k.Scopes), Needed: 1, Network: apikey.SeveralNetworks}
}

const laterDay = apikey.Day(40000) // long after these tests run

// TestSeenByTwo has two gateways see what one key needs: all of it is there, and the
// later day of each scope.
func TestSeenByTwo(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	c := calm(server.Addr)
	a, b := open(t, c), open(t, c)
	k := testKey(1)
	k.Scopes = []string{"a:a", "b:b", "c:c"}
	succeeds(t, func() error { return a.Create(k, by) })
	set := apikey.NewScopeSet(k.Scopes)
	near := apikey.NetworkOf(netip.MustParseAddr("203.0.113.7"))
	for _, step := range []struct {
		s      *Store
		day    apikey.Day
		needed uint64
	}{{a, laterDay, 0b001}, {b, laterDay, 0b010}, {a, laterDay + 2, 0b010}, {b, laterDay + 1, 0b011}, {a, laterDay - 5, 0b111}, {b, laterDay + 2, 0b010}} {
		succeeds(t, func() error {
			return step.s.AddUsage([]apikey.Usage{{ID: k.ID, Day: step.day, Seen: &apikey.Sighting{Scopes: set, Needed: step.needed, Network: near}}})
		})
	}
	for _, s := range []*Store{a, b} {
		seen, err := s.Seen([]apikey.ID{k.ID})
		if err != nil {
			t.Fatal(err)
		}
		var last []apikey.Day
		for _, use := range seen[0].Scopes {
			last = append(last, use.Last)
		}
		if !slices.Equal(last, []apikey.Day{laterDay + 1, laterDay + 2, laterDay - 5}) || seen[0].Network.String() != "203.0.113.0/24" {
			t.Errorf("seen %+v", seen)
		}
	}
	succeeds(t, func() error {
		return b.AddUsage([]apikey.Usage{{ID: k.ID, Day: laterDay, Seen: &apikey.Sighting{Scopes: set, Network: apikey.NetworkOf(netip.MustParseAddr("2001:db8::1"))}}})
	})
	if seen, err := a.Seen([]apikey.ID{k.ID}); err != nil || seen[0].Network.IsValid() {
		t.Errorf("the key was used from two networks: %+v, %v", seen, err)
	}
}

// TestSeenDamaged spoils what was seen of keys. Nobody learns from it that a key could
// do without something; whoever writes next begins anew.
func TestSeenDamaged(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := openWith(t, calm(server.Addr), 8)
	today := apikey.DayOf(time.Now())
	other := by
	other.At = (laterDay + 3).Start()
	for n, spoil := range [][]string{
		{"HSET", "since", "x"},
		{"HSET", "network", "203.0.113.7/24"},
		{"HSET", testKey(2).Scopes[0], "1"},
		{"HSET", testKey(3).Scopes[0], "1 2 3"},
		{"HSET", "noscope", "1 2"},
		{"RPUSH", "x"},
		{"RPUSH", "x"},
	} {
		k := testKey(n)
		name := s.names.seenOf(k.ID)
		succeeds(t, func() error { return s.AddUsage([]apikey.Usage{{ID: k.ID, Day: laterDay, Seen: seenOf(k)}}) })
		if spoil[0] == "RPUSH" {
			server.Do("DEL", name)
		}
		server.Do(append([]string{spoil[0], name}, spoil[1:]...)...)
		seen, err := s.Seen([]apikey.ID{k.ID})
		if err != nil || seen[0].Network.IsValid() || seen[0].NetworkSince < today || seen[0].NetworkSince > today+1 || seen[0].Scopes[0].Last != 0 {
			t.Errorf("%q: seen %+v, %v; want nothing, since today", spoil, seen, err)
		}
		var told []string
		if _, err := s.Check(func(name string, problem error) {
			told = append(told, name)
			if !errors.Is(problem, keystore.ErrDamaged) {
				t.Errorf("%q: %v", spoil, problem)
			}
		}); err != nil || !slices.Equal(told, []string{k.ID.String()}) {
			t.Errorf("%q: check tells of %q, %v", spoil, told, err)
		}
		if n == 6 { // as well as a use, other scopes begin anew
			succeeds(t, func() error {
				return last(s.Update(k.ID, "update", other, func(k *apikey.Key) error { k.Scopes = []string{"new:scope"}; return nil }))
			})
			want := apikey.Seen{Scopes: []apikey.ScopeUse{{Scope: "new:scope", Since: laterDay + 3}}, NetworkSince: laterDay + 3}
			if seen, err := s.Seen([]apikey.ID{k.ID}); err != nil || !reflect.DeepEqual(seen[0], want) {
				t.Errorf("after a change: seen %+v, %v", seen, err)
			}
		}
		succeeds(t, func() error { return s.Delete(k.ID, by, nil) })
		if there := server.Do("EXISTS", name); there != "0" {
			t.Errorf("%q: what was seen outlives its key", spoil)
		}
	}
	k := testKey(7)
	for _, spoil := range [][]string{{"SET", "x"}, {"HSET", "since", "x"}} {
		server.Do("DEL", s.names.seenOf(k.ID))
		server.Do(append([]string{spoil[0], s.names.seenOf(k.ID)}, spoil[1:]...)...)
		succeeds(t, func() error { return s.AddUsage([]apikey.Usage{{ID: k.ID, Day: laterDay, Seen: seenOf(k)}}) })
		want := apikey.Seen{Scopes: []apikey.ScopeUse{{Scope: k.Scopes[0], Since: laterDay, Last: laterDay}}, NetworkSince: laterDay}
		if seen, err := s.Seen([]apikey.ID{k.ID}); err != nil || !reflect.DeepEqual(seen[0], want) {
			t.Errorf("%q, and then a use: seen %+v, %v; want %+v", spoil, seen, err, want)
		}
	}
	if _, err := s.Check(func(name string, problem error) { t.Errorf("%s: %v", name, problem) }); err != nil {
		t.Error(err)
	}
}
