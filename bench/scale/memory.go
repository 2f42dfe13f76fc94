package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/bench/internal/figures"
	"github.com/socialpatra/keygate/bench/internal/keyset"
	"github.com/socialpatra/keygate/keystore"
	"github.com/socialpatra/keygate/ratelimit"
)

// few is how many keys a small store has.
const few = 1000

// lookups is how many are timed at a time.
const lookups = 2_000_000

// measureLookups compares the store with one of a thousand keys.
func measureLookups(_ context.Context, g *gateway, set keyset.Set, r *report) error {
	ids := make([]apikey.ID, set.N)
	firstKeys := make([]apikey.Key, 0, few)
	for i := range ids {
		k, err := set.Key(i)
		if err != nil {
			return err
		}
		ids[i] = k.ID
		if i < few {
			firstKeys = append(firstKeys, k)
		}
	}
	small, err := keystore.OpenBolt(filepath.Join(g.dir, "small", "keygate.db"))
	if err != nil {
		return err
	}
	defer small.Close()
	if err := small.CreateAll(firstKeys, keystore.Actor{At: time.Now(), Via: "bench"}, nil); err != nil {
		return err
	}
	begin := time.Now()
	large, err := keystore.OpenBolt(g.store())
	if err != nil {
		return err
	}
	defer large.Close()
	r.add("opening the store, in process", "%s", figures.Short(time.Since(begin)))
	r.add(fmt.Sprintf("read of one of %d cache lines, each known from the one before", set.N), "%s", figures.Short(timeReads(set.N)))
	for _, tt := range []struct {
		name  string
		store *keystore.Bolt
		used  []apikey.ID
	}{
		{fmt.Sprintf("look-up, store of %d, all in use", few), small, ids[:few]},
		{fmt.Sprintf("look-up, store of %d, %d in use", set.N, few), large, ids[:few]},
		{fmt.Sprintf("look-up, store of %d, all in use", set.N), large, ids},
	} {
		took, err := timeLookups(tt.store, tt.used)
		if err != nil {
			return err
		}
		r.add(tt.name, "%s", figures.Short(took))
	}
	return nil
}

// timeLookups returns how long one takes among the used keys, in the best of
// five rounds, the order being random and drawn beforehand.
func timeLookups(store *keystore.Bolt, used []apikey.ID) (time.Duration, error) {
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // an order, no secret
	order := make([]apikey.ID, lookups)
	for i := range order {
		order[i] = used[random.IntN(len(used))]
	}
	best := time.Hour
	for range 5 {
		begin := time.Now()
		for i := range order {
			if _, ok, err := store.Lookup(order[i]); !ok || err != nil {
				return 0, fmt.Errorf("key %s: found %v, %w", order[i], ok, err)
			}
		}
		best = min(best, time.Since(begin)/lookups)
	}
	return best, nil
}

// timeReads returns how long this machine takes for what a look-up cannot do without:
// to read a cache line that no cache holds. It is the best of five rounds through all
// lines, in a random order that is known line by line.
func timeReads(n int) time.Duration {
	lines := make([]struct {
		next uint32
		_    [60]byte
	}, n)
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // an order, no secret
	order := random.Perm(n)
	for i, at := range order {
		lines[at].next = uint32(order[(i+1)%n])
	}
	best, at := time.Hour, uint32(0)
	for range 5 {
		begin := time.Now()
		for range lines {
			at = lines[at].next
		}
		best = min(best, time.Since(begin)/time.Duration(n))
	}
	runtime.KeepAlive(at)
	return best
}

// measureLimits tells what the limits of a key in use take, and what is left
// of it once nobody has used them since the day before.
func measureLimits(_ context.Context, _ *gateway, set keyset.Set, r *report) error {
	limits := apikey.Limits{PerMinute: 60, PerDay: 10_000, Burst: 60}
	ids := make([]apikey.ID, set.N)
	for i := range ids {
		ids[i] = apikey.NewID()
	}
	now := time.Now()
	empty := heap()
	limiter := ratelimit.New()
	for i := range ids {
		limiter.Take(ids[i], ratelimit.Caps{Limits: limits}, 1, now)
	}
	limiter.Drain(nil, nil) // as the gateway does every second
	r.add("memory of the limits of a key in use", "%d B", (heap()-empty)/int64(set.N))
	tomorrow := now.Add(24 * time.Hour)
	limiter.Sweep(tomorrow)
	r.add("memory of the limits of all keys after a day idle", "%s", megabytes(heap()-empty))
	runtime.KeepAlive(limiter)
	runtime.KeepAlive(ids)
	return nil
}

func heap() int64 {
	runtime.GC()
	runtime.GC() // what the first one only marks as free
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
