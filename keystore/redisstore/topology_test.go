//go:build fleet

package redisstore

import (
	"bytes"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/internal/redis"
	"github.com/socialpatra/keygate/internal/redis/redistest"
	"github.com/socialpatra/keygate/keystore"
	"github.com/socialpatra/keygate/keystore/storetest"
)

func TestCluster(t *testing.T) {
	cluster := redistest.StartCluster(t, 3)
	t.Run("every method", func(t *testing.T) { everyMethod(t, factory(cluster.Addrs())) })
	if os.Getenv("KEYGATE_LONG") != "" { // some ten seconds
		t.Run("contract", func(t *testing.T) { storetest.Run(t, factory(cluster.Addrs())) })
	}

	c := config("")
	c.Addresses, c.Timeout, c.Heartbeat, c.Prefix = cluster.Addrs(), time.Second, 250*time.Millisecond, "fleet"
	const keys = 30
	a, b := open(t, c), open(t, c)
	for n := range keys {
		succeeds(t, func() error { return a.Create(testKey(n), by) })
		wantState(t, b, n, apikey.StateUsable)
	}
	t.Run("others hear", func(t *testing.T) {
		for n := range keys / 2 {
			revokes(t, a, n)
			redistest.Until(t, "the revocation is in force everywhere", func() bool {
				g, ok, err := b.Lookup(testKey(n).ID)
				return err == nil && ok && g.State == apikey.StateRevoked
			})
		}
	})
	// A slot moves to another master while gateways run.
	moves := func(t *testing.T, n int) (took time.Duration) {
		id := testKey(n).ID
		name := a.names.recordOf(id)
		slot := cluster.Servers[0].Do("CLUSTER", "KEYSLOT", name)
		var from, to *redistest.Server
		for _, s := range cluster.Servers {
			if _, err := s.Try("EXISTS", name); err == nil {
				from = s
			} else {
				to = s
			}
		}
		source, target := from.Do("CLUSTER", "MYID"), to.Do("CLUSTER", "MYID")
		wantState(t, b, n, apikey.StateUsable)
		before := b.tracking.Generation()
		to.Do("CLUSTER", "SETSLOT", slot, "IMPORTING", source)
		from.Do("CLUSTER", "SETSLOT", slot, "MIGRATING", target)
		from.Do("MIGRATE", "127.0.0.1", to.Port, name, "0", "5000")
		to.Do("CLUSTER", "SETSLOT", slot, "NODE", target)
		for _, s := range cluster.Servers {
			s.Do("CLUSTER", "SETSLOT", slot, "NODE", target)
		}
		redistest.Until(t, "the key is revoked where it is now", func() bool {
			_, err := a.Update(id, "revoke", by, revoke)
			return err == nil
		})
		revoked := time.Now()
		redistest.Until(t, "the revocation is in force everywhere", func() bool {
			g, ok, err := b.Lookup(id)
			return err == nil && ok && g.State == apikey.StateRevoked
		})
		took = time.Since(revoked)
		redistest.Until(t, "what was read from other masters is read again", func() bool { return b.tracking.Generation() != before })
		return took
	}
	t.Run("a key that moves", func(t *testing.T) {
		var took [3]time.Duration // a machine that stops makes one of them slow
		for i := range took {
			if took[i] = moves(t, keys-1-i); took[i] <= 2*c.Heartbeat+slack {
				return
			}
		}
		t.Errorf("that took %v", took)
	})
	t.Run("a master is lost", func(t *testing.T) {
		cluster.Servers[1].Kill9()
		redistest.Until(t, "nothing is believed any more", func() bool {
			_, _, err := b.Lookup(testKey(0).ID)
			return err != nil
		})
		for n := range keys {
			if _, _, err := b.Lookup(testKey(n).ID); !errors.Is(err, redis.ErrUnavailable) {
				t.Fatalf("look-up of key %d: %v", n, err)
			}
		}
		cluster.Servers[1].Restart()
		for n := range keys {
			serves(t, b, n)
		}
	})
}

// everyMethod calls each method once, for keys in all slots: what a script needs
// in one slot and does not have there shows as an error.
func everyMethod(t *testing.T, f storetest.Factory) {
	s := f.New(t)
	var keys []apikey.Key
	for n := range 40 {
		keys = append(keys, testKey(n))
		keys[n].Opaque = n%2 == 0
	}
	successor := testKey(50)
	var held []keystore.HeldScope
	var backup bytes.Buffer
	// A cluster that has just begun may change its layout once more, which cuts off
	// what is under way.
	succeeds(t, func() error { return s.CreateAll(keys, by, nil) })
	for i, err := range []error{
		s.Create(testKey(40), by),
		last(s.Update(keys[1].ID, "revoke", by, revoke)),
		last(s.Rotate(keys[2].ID, by, func(_, k *apikey.Key) error {
			k.ID, k.Hash, k.Prefix, k.CreatedAt = successor.ID, successor.Hash, successor.Prefix, by.At
			return nil
		})),
		s.Delete(keys[3].ID, by, nil),
		s.SaveUsage([]apikey.Usage{{ID: keys[4].ID, Day: 20000, Allowed: 1, LastUsed: 60}, {ID: keys[5].ID, Day: 20000}},
			[]apikey.WorkspaceUsage{{Workspace: "acme", Day: 20000, Charged: 1}}),
		s.SetWorkspaceLimits("acme", &apikey.WorkspaceLimits{PerDay: 7}, by),
		s.SetBrand("acme"),
		s.Backup(&backup),
		s.Prune(20001, by.At),
	} {
		if err != nil {
			t.Fatalf("call %d: %v", i, err)
		}
	}
	page, err := s.List(keystore.Query{Workspace: "acme"})
	if err != nil || len(page.Keys) != 41 {
		t.Errorf("list: %d keys, %v", len(page.Keys), err)
	}
	if held, err = s.HeldScopes("", 1); err != nil || len(held) != 1 || held[0].Count != 41 {
		t.Errorf("held scopes: %+v, %v", held, err)
	}
	if n := s.Counts(by.At); n[apikey.Active] != 40 || n[apikey.Revoked] != 1 {
		t.Errorf("counts: %v", n)
	}
	if n, err := s.Check(func(name string, problem error) { t.Errorf("%s: %v", name, problem) }); n != 41 || err != nil {
		t.Errorf("check: %d keys, %v", n, err)
	}
	if id, _, ok, err := s.LookupOpaque(keys[4].Hash); !ok || id != keys[4].ID || err != nil {
		t.Errorf("look-up by hash: %s, %t, %v", id, ok, err)
	}
	if page, err := s.Audit(keystore.AuditQuery{Limit: keystore.MaxPage}); err != nil || len(page.Entries) != 46 {
		t.Errorf("audit: %d entries, %v", len(page.Entries), err)
	}
	if page, err := f.Restore(t, &backup).List(keystore.Query{}); err != nil || len(page.Keys) != 41 {
		t.Errorf("the backup has %d keys, %v", len(page.Keys), err)
	}
}

func last(_ apikey.Key, err error) error { return err }

func TestSentinel(t *testing.T) {
	t.Parallel()
	set := redistest.StartSet(t, 1, 1)
	c := config("")
	c.Addresses, c.Master, c.Timeout = set.Addrs(), set.Name, 5*time.Second
	conn := dial(t, c)
	s, err := Open(conn, Config{Replicas: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	other := open(t, c)
	told := by
	told.Replication = new(keystore.Replication)
	for n := range 3 {
		if err := s.Create(testKey(n), told); err != nil || told.Replication.Have != 1 {
			t.Fatalf("%+v, %v", told.Replication, err)
		}
		wantState(t, other, n, apikey.StateUsable)
	}
	revokes(t, s, 0)
	old := set.Master()
	old.Kill9()
	redistest.Until(t, "what was cached is not believed any more", func() bool {
		_, _, err := other.Lookup(testKey(1).ID)
		return err != nil
	})
	redistest.Until(t, "there is another master", func() bool { m := set.Master(); return m != nil && m != old })
	for n := range 3 {
		serves(t, other, n)
	}
	wantState(t, other, 0, apikey.StateRevoked)
	redistest.Until(t, "it takes changes", func() bool {
		_, err := s.Update(testKey(1).ID, "revoke", by, revoke)
		return err == nil
	})
	redistest.Until(t, "the other hears of them", func() bool {
		g, ok, err := other.Lookup(testKey(1).ID)
		return err == nil && ok && g.State == apikey.StateRevoked
	})
}
