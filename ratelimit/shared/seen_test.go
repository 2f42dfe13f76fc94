package shared

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/ratelimit"
)

// sightingOf names what was seen of a key on a day with the same scopes.
type sightingOf struct {
	id     apikey.ID
	day    apikey.Day
	scopes *apikey.ScopeSet
}

// TestSeenModel counts requests of keys at random, some on the account of another,
// on days that go up and down, with an engine that is often away. What requests that
// passed have shown is saved in the end, and nothing else.
func TestSeenModel(t *testing.T) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 15))
	type all = map[sightingOf]apikey.Sighting
	add := func(facts all, id apikey.ID, day apikey.Day, s apikey.Sighting) {
		of := sightingOf{id, day, s.Scopes}
		have := facts[of]
		facts[of] = apikey.Sighting{Scopes: s.Scopes, Needed: have.Needed | s.Needed, Network: have.Network.With(s.Network)}
	}
	want, saved := make(all), make(all)
	sightings := 0
	away := false
	l := New(nil, Options{Save: func(_ context.Context, used []apikey.Usage) error {
		if away && r.IntN(3) > 0 {
			return errors.New("away")
		}
		for i, u := range used {
			if u.Seen != nil {
				sightings++
				add(saved, u.ID, u.Day, *u.Seen)
			}
			if away { // and nobody knows whether it was saved
				used[i] = apikey.Usage{ID: u.ID, Day: u.Day, Seen: u.Seen}
			}
		}
		if away {
			return errors.New("its answer was lost")
		}
		return nil
	}})
	sets := []*apikey.ScopeSet{apikey.NewScopeSet([]string{"a:a", "b:b", "c:c"}), apikey.NewScopeSet([]string{"b:b", "c:c", "d:d"})}
	now, uses := noon, 0
	for range 20_000 {
		id := apikey.ID{byte(r.IntN(4)), byte(r.IntN(300) / 290 * r.IntN(250)), byte(r.IntN(30) / 29 * r.IntN(250))}
		caps := ratelimit.Caps{Account: id}
		if id[0] == 3 {
			caps.Account[0] = 2
		}
		switch r.IntN(60) {
		case 0:
			l.Save()
		case 1:
			now = now.Add(time.Duration(r.IntN(60)-20) * 10 * time.Minute)
		case 2:
			away = r.IntN(3) == 0
		case 3:
			l.sweep(now)
		case 4:
			l.Rewatch(id)
		default:
			s := apikey.Sighting{Scopes: sets[r.IntN(60)/58], Needed: uint64(r.IntN(8)), Network: apikey.Network(4<<56 + uint64(r.IntN(60)/59))}
			passes := r.IntN(5) > 0
			l.count(id, &caps, 1, passes, now, &s)
			if passes {
				uses++
				add(want, id, apikey.DayOf(now), s)
			}
		}
	}
	away = false
	l.Save()
	if !maps.Equal(saved, want) {
		t.Fatalf("seed %d: %d are saved; want %d", seed, len(saved), len(want))
	}
	if sightings*3 > uses {
		t.Errorf("seed %d: %d requests have led to %d sightings", seed, uses, sightings)
	}
}

// TestSeenIsBounded uses more keys than there is room for: what was seen of them is
// saved all the same.
func TestSeenIsBounded(t *testing.T) {
	saved := 0
	l := New(nil, Options{Save: func(_ context.Context, used []apikey.Usage) error {
		for _, u := range used {
			if u.Seen != nil {
				saved++
			}
		}
		return nil
	}})
	seen := apikey.Sighting{Scopes: apikey.NewScopeSet([]string{"a:a"}), Needed: 1}
	const keys = MaxRemembered * 3 / 2
	for n := range keys {
		id := apikey.ID{byte(n), byte(n >> 8), byte(n >> 16)}
		l.count(id, &ratelimit.Caps{Account: id}, 1, true, noon, &seen)
	}
	watched := 0
	for i := range l.memory.keys.shards {
		watched += len(l.memory.keys.shards[i].watches)
	}
	if l.Save(); saved != keys || watched > MaxRemembered {
		t.Errorf("of %d keys was seen, %d are watched; want all, and at most %d", saved, watched, MaxRemembered)
	}
	l.Forget(apikey.ID{1})
	l.sweep(noon.AddDate(0, 0, 1))
	for i := range l.memory.keys.shards {
		if n := len(l.memory.keys.shards[i].watches); n > 0 {
			t.Fatalf("%d keys are watched the day after", n)
		}
	}
}
