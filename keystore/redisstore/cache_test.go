//go:build fleet

package redisstore

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/internal/redis"
	"github.com/socialpatra/keygate/internal/redis/redistest"
	"github.com/socialpatra/keygate/keystore"
)

// calm is a configuration for what is about no fault: a machine that stops for seconds
// is none, and the heartbeat is too slow to mend anything.
func calm(address string) redis.Config {
	return redis.Config{Addresses: []string{address}, Timeout: 10 * time.Second, Heartbeat: 10 * time.Second}
}

// TestChangedWhileRead has a key revoked after the engine was asked for it, and
// before the answer is stored.
func TestChangedWhileRead(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	a, b := openWith(t, calm(server.Addr), 1), open(t, calm(server.Addr))
	id := testKey(0).ID
	read := b.keys.read
	var once sync.Once
	b.keys.read = func(id apikey.ID) (apikey.Grant, bool, error) {
		g, ok, err := read(id)
		once.Do(func() {
			if _, err := a.Update(id, "revoke", by, revoke); err != nil {
				t.Error(err)
			}
			s := b.keys.shard(id)
			redistest.Until(t, "the word of it has come", func() bool {
				s.mu.RLock()
				defer s.mu.RUnlock()
				return s.find(id) == nil
			})
		})
		return g, ok, err
	}
	if _, ok, err := b.Lookup(id); !ok || err != nil {
		t.Errorf("the first look-up: %t, %v", ok, err)
	}
	wantState(t, b, 0, apikey.StateRevoked)
}

// TestOwnChange has a change that is acknowledged before the word of it comes.
func TestOwnChange(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := openWith(t, calm(server.Addr), 2)
	s.ready.Store(false) // it hears nothing
	revokes(t, s, 0)
	wantState(t, s, 0, apikey.StateRevoked)
}

// TestWordLost has a connection that ends together with the word of a change.
func TestWordLost(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	proxy := redistest.NewProxy(t, server.Addr)
	a, b := openWith(t, calm(server.Addr), 4), open(t, calm(proxy.Addr))
	var took time.Duration
	for n := range 3 { // a machine that stops makes one of them slow, and waiting for a heartbeat all of them
		wantState(t, b, n, apikey.StateUsable)
		proxy.Cut()
		revokes(t, a, n)
		lim := apikey.WorkspaceLimits{PerDay: 7 + uint32(n)}
		if err := a.SetWorkspaceLimits("acme", &lim, by); err != nil {
			t.Fatal(err)
		}
		proxy.Reset()
		reset := time.Now()
		redistest.Until(t, "the key is revoked, and the workspace limited", func() bool {
			g, ok, err := b.Lookup(testKey(n).ID)
			got, _ := b.WorkspaceLimits("acme")
			return err == nil && ok && g.State == apikey.StateRevoked && got == lim
		})
		if took = time.Since(reset); took <= calm("").Heartbeat/2 {
			return
		}
	}
	t.Errorf("that took %s", took)
}

// TestEnteredLate has two gateways change a key, of which the first to change it
// is the last to enter it.
func TestEnteredLate(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	a, b := openWith(t, calm(server.Addr), 1), open(t, calm(server.Addr))
	k := testKey(0)
	old := keystore.EncodeKey(&k)
	k.Disabled = true
	disabled := keystore.EncodeKey(&k)
	c, err := a.begin(entry{op: "put", k: k})
	if err != nil {
		t.Fatal(err)
	}
	if ok, err := c.swap(k.ID, old, disabled, by); !ok || err != nil {
		t.Fatal(ok, err)
	}
	if _, err := b.Update(k.ID, "enable", by, func(k *apikey.Key) error { k.Disabled = false; return nil }); err != nil {
		t.Fatal(err)
	}
	if err := c.complete(by, nil); err != nil {
		t.Fatal(err)
	}
	if n := a.Counts(by.At)[apikey.Active]; n != 1 {
		t.Errorf("%d active keys", n)
	}
	if _, err := a.Check(func(name string, problem error) { t.Errorf("%s: %v", name, problem) }); err != nil {
		t.Error(err)
	}
}

// TestEnteredByAnother has two gateways finish one change. What the slower one
// enters, with what it knew before, must not take the place of what is there.
func TestEnteredByAnother(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	a, b := openWith(t, calm(server.Addr), 1), open(t, calm(server.Addr))
	k := testKey(0)
	old := keystore.EncodeKey(&k)
	k.Disabled = true
	c, err := a.begin(entry{op: "put", k: k})
	if err != nil {
		t.Fatal(err)
	}
	if ok, err := c.swap(k.ID, old, keystore.EncodeKey(&k), by); !ok || err != nil {
		t.Fatal(ok, err)
	}
	other, steps, err := b.noted(c.name, c.keys)
	if err != nil {
		t.Fatal(err)
	}
	entries, err := b.entriesNow(steps)
	if err != nil {
		t.Fatal(err)
	}
	if entered, err := other.enter(0, by, entries[0]); !entered || err != nil {
		t.Fatalf("the first to enter it: %t, %v", entered, err)
	}
	if entered, err := c.enter(0, by, c.pages[0]); entered || err != nil {
		t.Errorf("the second to enter it: %t, %v", entered, err)
	}
	c.clear()
	if server.Do("HLEN", a.names.pending) != "1" {
		t.Error("a change was cleared by somebody who has not looked since it was entered")
	}
	if is, err := b.resolve(c.name, c.keys, true); is != made || err != nil {
		t.Errorf("fate %d, %v", is, err)
	}
	if n := server.Do("HLEN", a.names.pending); n != "0" {
		t.Errorf("%s changes are left", n)
	}
}

// TestOneRead has many requests for one key that is not in memory.
func TestOneRead(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := openWith(t, calm(server.Addr), 2)
	read := s.keys.read
	var reads atomic.Int64
	enough := make(chan struct{})
	s.keys.read = func(id apikey.ID) (apikey.Grant, bool, error) {
		reads.Add(1)
		<-enough
		return read(id)
	}
	var started, done sync.WaitGroup
	for range 20 {
		started.Add(1)
		done.Go(func() {
			started.Done()
			if _, ok, err := s.Lookup(testKey(1).ID); !ok || err != nil {
				t.Errorf("%t, %v", ok, err)
			}
		})
	}
	started.Wait()
	close(enough)
	done.Wait()
	if n := reads.Load(); n != 1 {
		t.Errorf("%d reads", n)
	}
}

func TestCacheBounds(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := openWith(t, calm(server.Addr), 1)
	s.keys.read = func(id apikey.ID) (apikey.Grant, bool, error) { return apikey.Grant{}, false, nil }
	for n := range mostUnknown + 5000 {
		if _, ok, err := s.Lookup(testKey(1000 + n).ID); ok || err != nil {
			t.Fatal(ok, err)
		}
	}
	size := func() (n int) {
		for i := range s.keys.shards {
			n += len(s.keys.shards[i].known) + len(s.keys.shards[i].unknown)
		}
		return n
	}
	if n := size(); n > mostUnknown+1 || n < mostUnknown/2 {
		t.Errorf("%d answers are kept", n)
	}
	s.keys.minute.Add(idle)
	s.keys.sweep()
	if n := size(); n != 0 {
		t.Errorf("%d answers are kept for an hour", n)
	}
}
