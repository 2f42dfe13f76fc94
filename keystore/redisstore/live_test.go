//go:build fleet

package redisstore

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/internal/redis/redistest"
	"github.com/socialpatra/keygate/keystore"
)

// liveIn counts the live keys of a workspace by their records.
func liveIn(t *testing.T, s *Store, workspace string) (live int) {
	t.Helper()
	all, err := allKeys(s, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range all {
		if k.Workspace == workspace && k.Live(by.At) {
			live++
		}
	}
	return live
}

// TestMaxLiveFleet creates 100 keys at once through several gateways, of which there
// is room for 25: on one engine and on a Cluster.
func TestMaxLiveFleet(t *testing.T) {
	t.Run("one engine", func(t *testing.T) {
		maxLiveFleet(t, redistest.Start(t).Addr)
	})
	t.Run("a Cluster", func(t *testing.T) {
		maxLiveFleet(t, redistest.StartCluster(t, 3).Addrs()...)
	})
}

func maxLiveFleet(t *testing.T, addresses ...string) {
	c := calm("")
	c.Addresses = addresses
	stores := []*Store{open(t, c), open(t, c), open(t, c), open(t, c)}
	var made, refused atomic.Int64
	var all sync.WaitGroup
	for n := range 100 {
		all.Go(func() {
			err := stores[n%len(stores)].Create(testKey(n), within(25))
			full, ok := errors.AsType[*keystore.TooManyError](err)
			switch {
			case err == nil:
				made.Add(1)
			case ok && *full == keystore.TooManyError{Live: 25, Max: 25}:
				refused.Add(1)
			default:
				t.Errorf("key %d: %v", n, err)
			}
		})
	}
	all.Wait()
	if live := liveIn(t, stores[0], "acme"); made.Load() != 25 || refused.Load() != 75 || live != 25 {
		t.Errorf("%d made, %d refused, %d live; want 25 of 100", made.Load(), refused.Load(), live)
	}
	if err := firstOf(disagreement(stores[1]), placesWrong(stores[1])); err != nil {
		t.Error(err)
	}
}

// TestMaxLiveStalls makes changes within a bound through gateways that are cut off
// again and again. There are never more live keys than the bound says, and in the
// end there is room for as many.
func TestMaxLiveStalls(t *testing.T) {
	const most, keys = 6, 40
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	server := redistest.Start(t)
	well := open(t, calm(server.Addr))
	c := config("")
	c.Timeout, c.Heartbeat = 100*time.Millisecond, 50*time.Millisecond
	running := make(chan struct{})
	var workers, stalls sync.WaitGroup
	for i := range 4 {
		proxy := redistest.NewProxy(t, server.Addr)
		behind := c
		behind.Addresses = []string{proxy.Addr}
		s := open(t, behind)
		stalls.Go(func() {
			r := rand.New(rand.NewPCG(seed, uint64(i)))
			for {
				select {
				case <-running:
					return
				case <-time.After(time.Duration(r.IntN(150)) * time.Millisecond):
				}
				if r.IntN(3) == 0 {
					proxy.Cut()
					time.Sleep(time.Duration(r.IntN(300)) * time.Millisecond)
					proxy.Mend()
				} else {
					proxy.Reset()
				}
			}
		})
		workers.Go(func() {
			r := rand.New(rand.NewPCG(seed, uint64(100+i)))
			for end := time.Now().Add(2 * long(t)); time.Now().Before(end); {
				err := boundedChange(s, r, keys, most)
				_, full := errors.AsType[*keystore.TooManyError](err)
				if err != nil && !full && !keystore.IsFailure(err) && !errors.Is(err, keystore.ErrExists) && !errors.Is(err, keystore.ErrNotFound) && !errors.Is(err, errRotated) {
					t.Errorf("a change: %v", err)
				}
			}
		})
		workers.Go(func() { // and looks, through what is well
			for end := time.Now().Add(2 * long(t)); time.Now().Before(end); time.Sleep(time.Millisecond) {
				if live := indexed(t, server, &well.names); live > most {
					t.Errorf("%d keys are live, of at most %d", live, most)
					return
				}
			}
		})
	}
	workers.Wait()
	close(running)
	stalls.Wait()
	redistest.Until(t, "nothing is under way", func() bool { return server.Do("HLEN", well.names.pending) == "0" })
	if _, err := well.Check(func(name string, problem error) { t.Errorf("%s: %v", name, problem) }); err != nil {
		t.Error(err)
	}
	if live := liveIn(t, well, "acme"); live > most {
		t.Errorf("%d live keys, of at most %d", live, most)
	}
	for n := 0; liveIn(t, well, "acme") < most; n++ {
		if err := well.Create(testKey(5000+n), within(most)); err != nil {
			t.Fatalf("there is room that cannot be taken: %v", err)
		}
	}
	full, ok := errors.AsType[*keystore.TooManyError](well.Create(testKey(6000), within(most)))
	if !ok || *full != (keystore.TooManyError{Live: most, Max: most}) {
		t.Errorf("beyond the bound: %+v", full)
	}
	if n := server.Do("HLEN", well.names.reserved); n != "0" {
		t.Errorf("%s reservations are left", n)
	}
}

// indexed counts the live keys of the index in one step.
func indexed(t *testing.T, server *redistest.Server, n *names) (live int) {
	t.Helper()
	const script = `
local live = 0
for _, m in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  local id = string.sub(m, #ARGV[1] + 2)
  local expires = redis.call('ZSCORE', KEYS[3], id) or redis.call('ZSCORE', KEYS[4], id)
  if not redis.call('ZSCORE', KEYS[2], id) and (not expires or tonumber(expires) > tonumber(ARGV[2])) then live = live + 1 end
end
return live`
	if _, err := fmt.Sscan(server.Do("EVAL", script, "4", n.workspaces, n.revoked, n.expires, n.until, "acme", formatInt(by.At.Unix())), &live); err != nil {
		t.Error(err)
	}
	return live
}

// boundedChange makes a change of any kind within a bound.
func boundedChange(s *Store, r *rand.Rand, keys, most int) error {
	n := r.IntN(keys)
	id := testKey(n).ID
	switch r.IntN(6) {
	case 0:
		return s.Delete(id, by, nil)
	case 1:
		return last(s.Update(id, "update", within(most), func(k *apikey.Key) error { k.ExpiresAt, k.Disabled = by.At, r.IntN(2) == 0; return nil }))
	case 2:
		return last(s.Update(id, "update", within(most), func(k *apikey.Key) error { k.ExpiresAt = by.At.Add(time.Hour); return nil }))
	case 3:
		return last(s.Rotate(id, within(most), func(old, k *apikey.Key) error {
			if !old.ReplacedBy.IsZero() {
				return errRotated
			}
			next := testKey(r.IntN(keys))
			k.ID, k.Hash, k.Prefix, k.CreatedAt, k.ExpiresAt, k.Disabled = next.ID, next.Hash, next.Prefix, by.At, time.Time{}, false
			old.ExpiresAt = by.At.Add(time.Duration(r.IntN(2)) * time.Hour)
			return nil
		}))
	}
	return s.Create(testKey(n), within(most))
}

// takes creates a key if there is room, and waits for none. It reports whether there was:
// then the key may be there.
func takes(s *Store, k apikey.Key, most int) (room bool, err error) {
	c, err := s.beginBounded(boundOf(within(most), becomes{to: &k}), []entry{{op: "put", k: k, made: true}})
	if _, full := errors.AsType[*noRoomError](err); full {
		return false, nil
	}
	if err == nil {
		err = c.add(&k, by)
	}
	if err == nil {
		err = c.complete(by, nil)
	}
	return true, err
}

// TestReservations has changes within a bound that are cut off at each step. What they
// have reserved is no more, and no less, than what becomes of them.
func TestReservations(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s, hasty := open(t, calm(server.Addr)), open(t, config(server.Addr))
	begun := func(n, most int) *change {
		t.Helper()
		k := testKey(n)
		audit, err := newAudit("create", nil, &k, by)
		if err != nil {
			t.Fatal(err)
		}
		c, err := s.beginWithin(boundOf(within(most), becomes{to: &k}), entry{op: "put", k: k, audit: audit, made: true})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	wantRoom := func(what string, want bool, n, most int) {
		t.Helper()
		if there, err := takes(s, testKey(n), most); err != nil || there != want {
			t.Errorf("%s there is room: %t, %v; want %t", what, there, err, want)
		}
	}

	// Of a gateway that has ended: the room is free again.
	begun(1, 1)
	redistest.Until(t, "there is the room of a change that nobody goes on with", func() bool { return hasty.Create(testKey(2), within(1)) == nil })
	_ = hasty.Close() // it would give up what follows

	// Entered, and not cleared: it counts once.
	c := begun(3, 2)
	if err := firstOf(c.add(new(testKey(3)), by)); err != nil {
		t.Fatal(err)
	}
	if entered, err := c.enter(0, by, c.pages[0]); !entered || err != nil {
		t.Fatal(entered, err)
	}
	wantRoom("beside what is entered", false, 4, 2)
	wantRoom("beside what is entered", true, 4, 3)
	c.clear()

	// Of no change: it is nothing.
	server.Do("HSET", s.names.reserved, "ghost", testKey(9).ID.String()+","+testKey(10).ID.String()+" acme")
	wantRoom("beside the reservation of no change", true, 5, 4)
	if n := server.Do("HLEN", s.names.reserved); n != "0" {
		t.Errorf("%s reservations are left", n)
	}

	// Of a change of a key that the index has: it counts in the place of that.
	now := formatInt(time.Now().UnixMilli())
	server.Do("HSET", s.names.pending, "x", now+" 1 "+testKey(5).ID.String())
	server.Do("HSET", s.names.reserved, "x", testKey(5).ID.String()+","+testKey(9).ID.String()+" acme")
	wantRoom("beside a rotation under way", false, 6, 5)
	wantRoom("beside a rotation under way", true, 6, 6)
}
