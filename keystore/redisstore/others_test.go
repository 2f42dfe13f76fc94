//go:build fleet

package redisstore

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/internal/redis/redistest"
	"github.com/socialpatra/keygate/keystore"
)

func TestOthersHear(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	c := calm(server.Addr)
	a, b := open(t, c), open(t, c)
	k := testKey(1)
	k.Opaque = true
	finds := func(want bool) {
		t.Helper()
		redistest.Until(t, fmt.Sprintf("the other finds the opaque key: %t", want), func() bool {
			id, g, ok, err := b.LookupOpaque(k.Hash)
			return err == nil && ok == want && (!ok || id == k.ID && g.Hash == k.Hash) && b.HasOpaque() == want
		})
	}
	finds(false)
	succeeds(t, func() error { return a.Create(k, by) })
	finds(true)
	if err := b.Create(apikey.Key{ID: testKey(2).ID, Hash: k.Hash, Opaque: true, Workspace: "acme", CreatedAt: by.At}, by); !errors.Is(err, keystore.ErrExists) {
		t.Errorf("a second key with the hash: %v", err)
	}
	succeeds(t, func() error { return a.Delete(k.ID, by, nil) })
	finds(false)

	lim := apikey.WorkspaceLimits{PerMinute: 7}
	for _, want := range []*apikey.WorkspaceLimits{&lim, nil} {
		if err := a.SetWorkspaceLimits("acme", want, by); err != nil {
			t.Fatal(err)
		}
		redistest.Until(t, "the other has the limits of the workspace", func() bool {
			got, ok := b.WorkspaceLimits("acme")
			return ok == (want != nil) && (want == nil || got == *want)
		})
	}
}

func TestAddUsage(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	c := calm(server.Addr)
	a, b := openWith(t, c, 1), open(t, c)
	id := testKey(0).ID
	var wg sync.WaitGroup
	for i, s := range []*Store{a, b, a, b} {
		wg.Go(func() {
			for range 25 {
				err := s.AddUsage([]apikey.Usage{
					{ID: id, Day: 20000, Charged: 5, Allowed: 1, LastUsed: int64(60 * i)}, {ID: id, Day: 20001, Denied: 2}, {ID: testKey(9).ID, Day: 20000, Allowed: 1},
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	got, err := b.Usage(id, 0, 30000)
	want := []apikey.Usage{{ID: id, Day: 20000, Charged: 500, Allowed: 100, LastUsed: 180}, {ID: id, Day: 20001, Denied: 200}}
	if err != nil || len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}
}

// TestMended has a gateway that ended between a record and its place in the
// index, and one that ended after it had reserved a hash.
func TestMended(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	c := calm(server.Addr)
	s := openWith(t, c, 1)
	k := testKey(5)
	server.Do("SET", s.names.recordOf(k.ID), string(keystore.EncodeKey(&k)))
	opaque := testKey(6)
	opaque.Opaque = true
	server.Do("HSET", s.names.opaque, string(opaque.Hash[:]), testKey(7).ID.String())
	wantState(t, s, 5, apikey.StateUsable)
	problems := map[string]bool{}
	if _, err := s.Check(func(name string, _ error) { problems[name] = true }); err != nil {
		t.Fatal(err)
	}
	if len(problems) != 2 || !problems[k.ID.String()] || !problems[testKey(7).ID.String()] {
		t.Errorf("problems with %v", problems)
	}
	if err := s.Create(opaque, by); err != nil {
		t.Errorf("the hash cannot be used: %v", err)
	}
	server.Do("DEL", s.names.mending) // as after a minute
	open(t, c)
	redistest.Until(t, "the index has the key", func() bool {
		page, err := s.List(keystore.Query{})
		return err == nil && len(page.Keys) == 3
	})
	if _, err := s.Check(func(name string, problem error) { t.Errorf("%s: %v", name, problem) }); err != nil {
		t.Error(err)
	}
}

func TestReplicated(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, "--repl-diskless-sync-delay", "0")
	var stored names
	want := func(n, have int, patience time.Duration) {
		t.Helper()
		c := calm(server.Addr)
		c.Timeout = patience
		s, err := Open(dial(t, c), Config{Replicas: 1})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		stored = s.names
		told := by
		told.Replication = new(keystore.Replication)
		if err := s.Create(testKey(n), told); err != nil {
			t.Fatal(err)
		}
		if got := *told.Replication; got != (keystore.Replication{Wanted: 1, Have: have}) {
			t.Errorf("%+v; want %d of 1", got, have)
		}
	}
	want(1, 0, 5*time.Second)
	replica := redistest.Start(t, "--replicaof", "127.0.0.1 "+server.Port, "--repl-diskless-sync-delay", "0")
	redistest.Until(t, "the replica is in step", func() bool { return strings.Contains(replica.Do("INFO", "replication"), "master_link_status:up") })
	want(2, 1, 10*time.Second) // a fresh replica acknowledges every second, and at first only then
	if got := replica.Do("EXISTS", stored.recordOf(testKey(2).ID)); got != "1" {
		t.Error("the replica lacks the key")
	}
}
