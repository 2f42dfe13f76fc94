package lasting

import (
	"bufio"
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/socialpatra/keygate/access"
	"github.com/socialpatra/keygate/apikey"
)

var start = time.Unix(1_800_000_000, 0)

// keys is a store of grants that tests change while it is read.
type keys struct {
	mu     sync.Mutex
	grants map[apikey.ID]apikey.Grant
	err    error
}

func (k *keys) Lookup(id apikey.ID) (apikey.Grant, bool, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	g, ok := k.grants[id]
	return g, ok, k.err
}

func (k *keys) LookupOpaque(apikey.Hash) (apikey.ID, apikey.Grant, bool, error) {
	return apikey.ID{}, apikey.Grant{}, false, k.err
}

func (k *keys) HasOpaque() bool { return false }

// add makes a key that expires in an hour.
func (k *keys) add() (apikey.ID, apikey.Hash) {
	_, id, hash := apikey.Generate(apikey.DefaultBrand)
	k.set(id, apikey.Grant{Hash: hash, ExpiresAt: start.Add(time.Hour).UnixNano()})
	return id, hash
}

func (k *keys) set(id apikey.ID, g apikey.Grant) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.grants == nil {
		k.grants = make(map[apikey.ID]apikey.Grant)
	}
	k.grants[id] = g
}

// client is the writer of an answer, and its connection. It notes what was done to it.
type client struct {
	http.ResponseWriter
	net.Conn
	read, write, both, closed atomic.Int32
}

func (c *client) count(n *atomic.Int32, at time.Time) error {
	if at.Before(start) {
		n.Add(1)
	}
	return nil
}

func (c *client) SetReadDeadline(at time.Time) error  { return c.count(&c.read, at) }
func (c *client) SetWriteDeadline(at time.Time) error { return c.count(&c.write, at) }
func (c *client) SetDeadline(at time.Time) error      { return c.count(&c.both, at) }

func (c *client) Write(p []byte) (int, error) { return len(p), nil }

func (c *client) Close() error {
	c.closed.Add(1)
	return nil
}

func (c *client) Hijack() (net.Conn, *bufio.ReadWriter, error) { return c, nil, nil }

// wrapped is a writer of a handler around, which keeps deadlines for itself.
type wrapped struct{ http.ResponseWriter }

func (w wrapped) Unwrap() http.ResponseWriter         { return w.ResponseWriter }
func (w wrapped) SetWriteDeadline(at time.Time) error { return errors.New("not safe here") }

func (s *Set) len() (n int) {
	for i := range s.shards {
		for r := s.shards[i].first; r != nil; r = r.next {
			n++
		}
	}
	return n
}

func TestRequestsEndWithTheirKey(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*keys, apikey.ID, apikey.Grant)
		at     time.Duration
		want   access.Reason
	}{
		"as it was":           {nil, 0, access.Allowed},
		"just before the end": {nil, time.Hour - 1, access.Allowed},
		"other limits": {func(k *keys, id apikey.ID, g apikey.Grant) {
			g.Limits.PerMinute = 1
			k.set(id, g)
		}, 0, access.Allowed},
		"revoked": {func(k *keys, id apikey.ID, g apikey.Grant) {
			g.State = apikey.StateRevoked
			k.set(id, g)
		}, 0, access.KeyRevoked},
		"disabled": {func(k *keys, id apikey.ID, g apikey.Grant) {
			g.State = apikey.StateDisabled
			k.set(id, g)
		}, 0, access.KeyDisabled},
		"expired": {nil, time.Hour, access.KeyExpired},
		"deleted": {func(k *keys, id apikey.ID, _ apikey.Grant) { delete(k.grants, id) }, 0, access.InvalidKey},
		"another key in its place": {func(k *keys, id apikey.ID, g apikey.Grant) {
			_, _, g.Hash = apikey.Generate(apikey.DefaultBrand)
			k.set(id, g)
		}, 0, access.InvalidKey},
		"nobody knows": {func(k *keys, _ apikey.ID, _ apikey.Grant) { k.err = errors.New("no answer") }, 0, access.StoreUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			var set Set
			var store keys
			id, hash := store.add()
			neighbourID, neighbourHash := store.add()
			var r, upgraded, neighbour Request
			c, tunnel, other := new(client), new(client), new(client)
			ctx, cancel := context.WithCancel(t.Context())
			set.Join(&r, id, hash, wrapped{c}, cancel)
			set.Join(&upgraded, id, hash, c, nil)
			upgraded.Upgraded(tunnel)
			set.Join(&neighbour, neighbourID, neighbourHash, other, nil)
			for range 3 {
				set.Look(&store, start)
			}
			if r.Ended() || upgraded.Ended() || ctx.Err() != nil {
				t.Fatal("ended before the change")
			}
			if test.change != nil {
				test.change(&store, id, store.grants[id])
			}
			set.Look(&store, start.Add(test.at))
			end := test.want != access.Allowed
			if r.Ended() != end || upgraded.Ended() != end || (ctx.Err() != nil) != end || (c.read.Load() == 1) != end || (c.write.Load() == 1) != end || (tunnel.both.Load() == 1) != end {
				t.Errorf("ended: %v, %v; context %v; cut %+v, %+v", r.Ended(), upgraded.Ended(), ctx.Err(), c, tunnel)
			}
			if r.Enter() == end {
				t.Errorf("may write: %v", !end)
			}
			if mustEnd := r.Leave(); mustEnd != end || end && r.Reason() != test.want {
				t.Errorf("must end: %v, %v", mustEnd, r.Reason())
			}
			if together := test.want == access.KeyExpired || test.want == access.StoreUnavailable; neighbour.Leave() != together || !together && other.read.Load() > 0 {
				t.Error("another key's request has ended")
			}
			if upgraded.Leave(); set.len() != 0 || ctx.Err() == nil {
				t.Errorf("%d are left, context %v", set.len(), ctx.Err())
			}
		})
	}
}

// What is over within a round is not looked up at all.
func TestShortRequestsAreNotLookedUp(t *testing.T) {
	var set Set
	var store keys
	for range 100 {
		var r Request
		set.Join(&r, apikey.ID{}, apikey.Hash{}, new(client), nil) // no such key
		set.Look(&store, start)
		if r.Leave() {
			t.Fatal("it was looked up")
		}
	}
}

// Nothing touches the connection of a request that has left: it may serve
// another key's request by then.
func TestWhatHasLeftIsLeftAlone(t *testing.T) {
	var set Set
	var store keys
	c := new(client)
	var r Request
	set.Join(&r, apikey.ID{}, apikey.Hash{}, c, nil)
	set.Look(&store, start)
	set.lasting = append(set.lasting, &r) // as if it left during the look
	first, again := r.Leave(), r.Leave()
	if first || again || r.end(access.KeyRevoked) || r.again() || r.Ended() {
		t.Error("it was ended after it had left")
	}
	if set.endAll(); c.read.Load()+c.write.Load()+c.closed.Load() > 0 {
		t.Errorf("it was touched: %+v", c)
	}
	var never Request
	if never.Leave() || never.Ended() || !never.Enter() {
		t.Error("a request that never joined has ended")
	}
}

// What does not end though it was cut is cut again, and then loses its
// connection, unless a handler is writing to it, which a deadline ends.
func TestRequestsThatDoNotEnd(t *testing.T) {
	for name, test := range map[string]struct {
		writing, upgraded bool
		closed            int32
	}{
		"waiting":    {false, false, 1},
		"writing":    {true, false, 0},
		"a tunnel":   {false, true, 0},
		"both of it": {true, true, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var set Set
				var store keys
				stop := make(chan struct{})
				go set.Keep(&store, time.Now, stop)
				defer close(stop)
				c := new(client)
				var r Request
				set.Join(&r, apikey.ID{}, apikey.Hash{}, wrapped{c}, nil)
				if test.writing && !r.Enter() {
					t.Fatal("it may not write")
				}
				if test.upgraded {
					r.Upgraded(c)
				}
				time.Sleep(2*Every + cutEvery/2)
				synctest.Wait()
				if cuts := c.write.Load() + c.both.Load(); cuts != 1 || c.closed.Load() > 0 {
					t.Fatalf("after two rounds: %+v", c)
				}
				time.Sleep(5*time.Second - 2*Every)
				synctest.Wait()
				if cuts := c.write.Load() + c.both.Load(); cuts < int32(triesToClose) || c.closed.Load() != test.closed {
					t.Errorf("after 5 s: %+v", c)
				}
				time.Sleep(time.Minute)
				synctest.Wait()
				if cuts := c.write.Load() + c.both.Load(); cuts > int32(mostTries)+1 || c.closed.Load() != test.closed || len(set.ending) > 0 {
					t.Errorf("after a minute: %+v, %d in hand", c, len(set.ending))
				}
				if !r.Leave() {
					t.Error("it has not ended")
				}
			})
		})
	}
}

// A tunnel whose connection is only known after it has to end is cut then.
func TestUpgradedTooLate(t *testing.T) {
	var set Set
	var r Request
	set.endAll()
	set.Join(&r, apikey.ID{}, apikey.Hash{}, new(client), nil)
	c := new(client)
	if r.Upgraded(c); c.both.Load() != 1 || !r.Leave() || r.Reason() != access.StoreUnavailable {
		t.Errorf("%+v, %v", c, r.Reason())
	}
}

// When the store closes, what is about to finish may do so.
func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var set Set
		var short, long, late Request
		c := new(client)
		set.Join(&short, apikey.ID{}, apikey.Hash{}, c, nil)
		set.Join(&long, apikey.ID{}, apikey.Hash{}, c, nil)
		set.Close()
		time.Sleep(closeGrace - 1)
		synctest.Wait()
		if short.Leave() {
			t.Error("ended at once")
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		set.Join(&late, apikey.ID{}, apikey.Hash{}, c, nil)
		if closeGrace >= 5*time.Second || !long.Leave() || !late.Leave() {
			t.Error("lasts without a store")
		}
	})
}

// Over many keys that come and go at random, exactly the requests of those whose
// key is bad end, whoever else joins, leaves or is looked at meanwhile.
func TestOthersAreNeverCut(t *testing.T) {
	var set Set
	var store keys
	type kept struct {
		Request
		id   apikey.ID
		c    client
		hash apikey.Hash
	}
	var all []*kept
	for range 200 {
		id, hash := store.add()
		for range 1 + rand.IntN(20) {
			k := &kept{id: id, hash: hash}
			set.Join(&k.Request, id, hash, &k.c, nil)
			all = append(all, k)
		}
	}
	done := make(chan struct{})
	var passing sync.WaitGroup
	for range 4 {
		passing.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				k := all[rand.IntN(len(all))]
				var r Request
				set.Join(&r, k.id, k.hash, new(client), nil)
				runtime.Gosched()
				r.Leave()
			}
		})
	}
	bad := make(map[apikey.ID]bool)
	for range 20 {
		id := all[rand.IntN(len(all))].id
		bad[id] = true
		switch g, _, _ := store.Lookup(id); rand.IntN(3) {
		case 0:
			g.State = apikey.StateRevoked
			store.set(id, g)
		case 1:
			g.State = apikey.StateDisabled
			store.set(id, g)
		case 2:
			g.ExpiresAt = start.UnixNano()
			store.set(id, g)
		}
		set.Look(&store, start)
		set.Look(&store, start)
		set.cutAgain()
		for _, k := range all {
			if k.Ended() != bad[k.id] || (k.c.write.Load() > 0) != bad[k.id] {
				t.Errorf("ended: %v, cut %d times, key is bad: %v", k.Ended(), k.c.write.Load(), bad[k.id])
			}
		}
	}
	close(done)
	passing.Wait()
	for _, k := range all {
		if k.Leave() != bad[k.id] {
			t.Error("left otherwise than it was")
		}
	}
	if set.len() != 0 {
		t.Errorf("%d are left", set.len())
	}
}

// BenchmarkJoin is what an ordinary request pays.
func BenchmarkJoin(b *testing.B) {
	var set Set
	w := new(client)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		var r Request
		for pb.Next() {
			set.Join(&r, apikey.ID{}, apikey.Hash{}, w, nil)
			r.Enter()
			r.Exit()
			r.Leave()
			r.state.Store(open)
		}
	})
}

// BenchmarkLook is one round over what lasts, of as many keys. It happens once a
// second.
func BenchmarkLook(b *testing.B) {
	const many = 10_000
	var set Set
	var store keys
	requests := make([]Request, many)
	for i := range requests {
		id, hash := store.add()
		set.Join(&requests[i], id, hash, nil, nil)
	}
	b.ReportAllocs()
	for b.Loop() {
		set.Look(&store, start)
	}
}
