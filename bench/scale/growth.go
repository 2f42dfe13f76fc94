package main

import (
	"context"
	"runtime"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/bench/internal/keyset"
	"github.com/socialpatra/keygate/keystore"
	"github.com/socialpatra/keygate/ratelimit"
)

// tooLong is how long the growth of a table may hold a request.
const tooLong = 200 * time.Microsecond

// measureGrowth does something a million times that makes the tables of a shard grow,
// and then as often what leaves them as they are: what is slow then is the machine.
func measureGrowth(_ context.Context, _ *gateway, set keyset.Set, r *report) error {
	ids := make([]apikey.ID, set.N)
	for i := range ids {
		ids[i] = apikey.NewID()
	}
	limiter, now := ratelimit.New(), time.Now()
	caps := ratelimit.Caps{Limits: apikey.Limits{PerMinute: 60, PerDay: 10_000, Burst: 60}}
	take := func(i int) (func(), error) {
		return func() { limiter.Take(ids[i], caps, 1, now) }, nil
	}
	index := keystore.NewIndex()
	put := func(i int) (func(), error) {
		k, err := set.Key(i)
		if err != nil {
			return nil, err
		}
		grant, err := k.Grant()
		return func() { index.Put(k.ID, grant, k.Opaque) }, err
	}
	for _, tt := range []struct {
		what    string
		prepare func(i int) (func(), error)
	}{
		{"first request of each key", take},
		{"second request of each key", take},
		{"key more in the index", put},
		{"key changed in the index", put},
	} {
		if err := r.addSlow(tt.what, set.N, tt.prepare); err != nil {
			return err
		}
	}
	runtime.KeepAlive(index)
	return nil
}

// addSlow counts what took longer than tooLong, in processor time: what waits for
// others on the machine is slow too, and not meant. What is done is prepared one by
// one, because a million keys in memory, full of pointers, would let the collector
// charge requests for work that no gateway has.
func (r *report) addSlow(what string, n int, prepare func(i int) (func(), error)) error {
	runtime.GC() // what was before
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	slow, slowest := 0, time.Duration(0)
	for i := range n {
		do, err := prepare(i)
		if err != nil {
			return err
		}
		begin := threadTime()
		do()
		took := threadTime() - begin
		if took > tooLong {
			slow++
		}
		slowest = max(slowest, took)
	}
	r.add(what+": longer than "+tooLong.String(), "%d of %d, at most %s", slow, n, slowest.Round(time.Microsecond))
	return nil
}
