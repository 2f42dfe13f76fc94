package storetest

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
)

// A store watches from the day on that it was made. All that is seen here happens
// long after that.
const later = 5000 // days

func firstDay() apikey.Day { return apikey.DayOf(time.Now()) + later }

// onDay is who changes a key on a day.
func onDay(day apikey.Day) keystore.Actor {
	return keystore.Actor{At: day.Start().Add(time.Hour), Via: "offline"}
}

// watchedKey is a key that is made on a day.
func watchedKey(t *testing.T, n int, day apikey.Day, scopes ...string) apikey.Key {
	t.Helper()
	k := newKey(t, n)
	k.Scopes, k.CreatedAt = scopes, day.Start()
	return k
}

// sighting is one of the given scopes, which are those of the key, unless there are
// others after "of".
func sighting(network string, needed ...string) *apikey.Sighting {
	held := needed
	if i := slices.Index(needed, "of"); i >= 0 {
		needed, held = needed[:i], needed[i+1:]
	}
	set := apikey.NewScopeSet(held)
	s := &apikey.Sighting{Scopes: set}
	for _, scope := range needed {
		s.Needed |= 1 << set.Index(scope)
	}
	if network != "" {
		s.Network = apikey.NetworkOf(netip.MustParseAddr(network))
	}
	return s
}

func saveSeen(t *testing.T, s keystore.Store, n int, day apikey.Day, seen *apikey.Sighting) {
	t.Helper()
	saveUsage(t, s, apikey.Usage{ID: keyID(n), Day: day, Seen: seen})
}

func wantSeen(t *testing.T, s keystore.Store, n int, want apikey.Seen) {
	t.Helper()
	got, err := s.Seen([]apikey.ID{keyID(n)})
	if err != nil || len(got) != 1 || !reflect.DeepEqual(got[0], want) {
		t.Errorf("of key %d was seen\n%+v, %v; want\n%+v", n, got, err, want)
	}
}

func testSeen(t *testing.T, f Factory) {
	s, d := f.New(t), firstDay()
	create(t, s, newKey(t, 2)) // before the store watched
	if err := s.Create(watchedKey(t, 1, d, "a:a", "b:b", "c:c"), onDay(d)); err != nil {
		t.Fatal(err)
	}
	if err := s.Create(watchedKey(t, 3, d-100, "a:a"), onDay(d)); err != nil { // made elsewhere
		t.Fatal(err)
	}
	want := apikey.Seen{Scopes: []apikey.ScopeUse{{Scope: "a:a", Since: d}, {Scope: "b:b", Since: d}, {Scope: "c:c", Since: d}}, NetworkSince: d}
	wantSeen(t, s, 1, want)
	three := apikey.Seen{Scopes: []apikey.ScopeUse{{Scope: "a:a", Since: d}}, NetworkSince: d}
	wantSeen(t, s, 3, three)

	all := []string{"of", "a:a", "b:b", "c:c"}
	seen := func(day apikey.Day, address string, needed ...string) {
		t.Helper()
		for range 2 { // the second time changes nothing
			saveSeen(t, s, 1, day, sighting(address, append(needed, all...)...))
		}
	}
	network := netip.MustParsePrefix("203.0.113.0/24")
	seen(d+1, "203.0.113.7", "a:a")
	want.Scopes[0].Last, want.Network = d+1, network
	wantSeen(t, s, 1, want)
	seen(d, "203.0.113.99", "a:a", "c:c")
	want.Scopes[2].Last = d
	wantSeen(t, s, 1, want)
	seen(d-1, "203.0.113.99", "b:b") // before it was watched
	wantSeen(t, s, 1, want)
	seen(d+2, "203.0.113.7") // a route that needs no scope
	wantSeen(t, s, 1, want)
	seen(d+7, "203.0.113.7", "a:a", "b:b")
	want.Scopes[0].Last, want.Scopes[1].Last = d+7, d+7
	wantSeen(t, s, 1, want)
	wantUsage(t, s, keyID(1), d-10, d+10) // nothing was counted
	wantLastUsed(t, s, keyID(1), time.Time{})

	saveUsage(t, s, apikey.Usage{ID: keyID(1), Day: d + 8, Allowed: 3, LastUsed: (d + 8).Start().Unix(), Seen: sighting("203.0.114.7", append([]string{"c:c"}, all...)...)},
		apikey.Usage{ID: keyID(1), Day: d + 9, Seen: sighting("203.0.113.7", append([]string{"b:b"}, all...)...)})
	want.Scopes[1].Last, want.Scopes[2].Last, want.Network = d+9, d+8, netip.Prefix{}
	wantSeen(t, s, 1, want)
	wantUsage(t, s, keyID(1), d-10, d+10, apikey.Usage{ID: keyID(1), Day: d + 8, Allowed: 3, LastUsed: (d + 8).Start().Unix()})
	seen(d+10, "203.0.113.7")
	wantSeen(t, s, 1, want) // several they were, and are

	saveSeen(t, s, 3, d+1, sighting("2001:db8:1:2::1", "a:a"))
	three.Scopes[0].Last, three.Network = d+1, netip.MustParsePrefix("2001:db8:1::/48")
	wantSeen(t, s, 3, three)
	saveSeen(t, s, 9, d+1, sighting("203.0.113.7", "a:a")) // there is no such key
	if err := s.Prune(d+1000, onDay(d+1000).At); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		got, err := s.Seen([]apikey.ID{keyID(3), keyID(9), keyID(1)})
		if err != nil || !reflect.DeepEqual(got, []apikey.Seen{three, {}, want}) {
			t.Errorf("of several keys was seen\n%+v, %v", got, err)
		}
		old, err := s.Seen([]apikey.ID{keyID(2)})
		if today := apikey.DayOf(time.Now()); err != nil || len(old[0].Scopes) != 1 || old[0].Scopes[0].Last != 0 || old[0].NetworkSince != old[0].Scopes[0].Since ||
			old[0].NetworkSince > today || old[0].NetworkSince < today-1 {
			t.Errorf("of a key from before the store watched was seen %+v, %v; want nothing, since today", old, err)
		}
		wantSound(t, s, 3)
		s = f.Reopen(t, s)
	}
	var file bytes.Buffer
	if err := s.Backup(&file); err != nil {
		t.Fatal(err)
	}
	restored := f.Restore(t, &file)
	wantSeen(t, restored, 1, want)
	wantSeen(t, restored, 3, three)
}

// testSeenAnew has keys of which nothing was seen yet although something was of what
// they came from.
func testSeenAnew(t *testing.T, f Factory) {
	s, d := f.New(t), firstDay()
	if err := s.Create(watchedKey(t, 1, d, "a:a"), onDay(d)); err != nil {
		t.Fatal(err)
	}
	saveSeen(t, s, 1, d+1, sighting("203.0.113.7", "a:a"))
	if _, err := s.Rotate(keyID(1), onDay(d+2), func(_, next *apikey.Key) error {
		k := watchedKey(t, 2, d+2, "a:a")
		next.ID, next.Hash, next.Prefix, next.CreatedAt = k.ID, k.Hash, k.Prefix, k.CreatedAt
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	used := apikey.Seen{Scopes: []apikey.ScopeUse{{Scope: "a:a", Since: d, Last: d + 1}}, Network: netip.MustParsePrefix("203.0.113.0/24"), NetworkSince: d}
	anew := func(day apikey.Day) apikey.Seen {
		return apikey.Seen{Scopes: []apikey.ScopeUse{{Scope: "a:a", Since: day}}, NetworkSince: day}
	}
	wantSeen(t, s, 1, used)
	wantSeen(t, s, 2, anew(d+2))

	if err := s.Delete(keyID(1), onDay(d+3), nil); err != nil {
		t.Fatal(err)
	}
	saveSeen(t, s, 1, d+3, sighting("203.0.113.7", "a:a"))
	wantSeen(t, s, 1, apikey.Seen{})
	imported := watchedKey(t, 3, d-5, "a:a")
	again := watchedKey(t, 1, d, "a:a")
	if err := s.CreateAll([]apikey.Key{again, imported}, onDay(d+4), nil); err != nil {
		t.Fatal(err)
	}
	wantSeen(t, s, 1, anew(d+4))
	wantSeen(t, s, 3, anew(d+4))
	saveSeen(t, s, 3, d+3, sighting("203.0.113.7", "a:a")) // from before it came
	last := anew(d + 4)
	last.Network = used.Network
	wantSeen(t, s, 3, last)
	wantSound(t, s, 3)
}

// testSeenModel changes the scopes of keys at random between what is seen of them,
// on days that go up and down. What is saved may be of scopes that a key had before.
func testSeenModel(t *testing.T, f Factory) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 15))
	s, d := f.New(t), firstDay()
	const keys, names = 3, 7
	var all []string
	for i := range names {
		all = append(all, fmt.Sprintf("s:%c", 'a'+i))
	}
	some := func(of []string) []string {
		list := slices.Clone(of)
		r.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		list = list[:1+r.IntN(len(list))]
		slices.Sort(list)
		return list
	}
	type watched struct {
		use  map[string]*apikey.ScopeUse
		had  [][]string // scopes, the last are those that it has
		seen apikey.Network
	}
	var model [keys]watched
	for n := range model {
		scopes := some(all)
		model[n] = watched{use: make(map[string]*apikey.ScopeUse), had: [][]string{scopes}}
		for _, scope := range scopes {
			model[n].use[scope] = &apikey.ScopeUse{Scope: scope, Since: d}
		}
		if err := s.Create(watchedKey(t, n, d, scopes...), onDay(d)); err != nil {
			t.Fatal(err)
		}
	}
	day := d
	for step := range 300 {
		if day += apikey.Day(r.IntN(3)); r.IntN(10) == 0 {
			day -= apikey.Day(r.IntN(5))
		}
		n := r.IntN(keys)
		m := &model[n]
		switch r.IntN(4) {
		case 0:
			scopes := some(all)
			if _, err := s.Update(keyID(n), "update", onDay(day), func(k *apikey.Key) error { k.Scopes = scopes; return nil }); err != nil {
				t.Fatal(err)
			}
			for scope := range m.use {
				if !slices.Contains(scopes, scope) {
					delete(m.use, scope)
				}
			}
			for _, scope := range scopes {
				if m.use[scope] == nil {
					m.use[scope] = &apikey.ScopeUse{Scope: scope, Since: max(d, day)}
				}
			}
			m.had = append(m.had, scopes)
		case 1:
			if _, err := s.Update(keyID(n), "update", onDay(day), func(k *apikey.Key) error { k.Limits.PerDay++; return nil }); err != nil {
				t.Fatal(err)
			}
		default:
			held := m.had[max(0, len(m.had)-1-r.IntN(3))]
			needed := some(held)
			seen := sighting(fmt.Sprintf("192.0.2.%d", step%256), append(append(slices.Clone(needed), "of"), held...)...)
			if r.IntN(100) == 0 {
				seen.Network = apikey.SeveralNetworks
			}
			for range 1 + r.IntN(2) {
				saveSeen(t, s, n, day, seen)
			}
			m.seen = m.seen.With(seen.Network)
			for _, scope := range needed {
				if use := m.use[scope]; use != nil && day >= use.Since {
					use.Last = max(use.Last, day)
				}
			}
		}
		want := apikey.Seen{Network: m.seen.Prefix(), NetworkSince: d}
		for _, scope := range all {
			if use := m.use[scope]; use != nil {
				want.Scopes = append(want.Scopes, *use)
			}
		}
		if got, err := s.Seen([]apikey.ID{keyID(n)}); err != nil || !reflect.DeepEqual(got, []apikey.Seen{want}) {
			t.Fatalf("seed %d, step %d: of key %d was seen\n%+v, %v; want\n%+v", seed, step, n, got, err, want)
		}
	}
	wantSound(t, s, keys)
}
