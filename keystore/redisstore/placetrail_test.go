//go:build fleet

package redisstore

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/internal/redis/redistest"
	"github.com/socialpatra/keygate/keystore"
)

// inSome is the nth key, in one of several workspaces.
func inSome(n int, workspace string) apikey.Key {
	k := testKey(n)
	k.Workspace = workspace
	return k
}

var someWorkspaces = []string{"a", "a-b", "b"}

// changeSome makes one change of any kind, of one of the keys from a number on. They
// come again in other workspaces.
func changeSome(s *Store, r *rand.Rand, from, keys, step int) error {
	n, workspace := from+r.IntN(keys), someWorkspaces[r.IntN(3)]
	var err error
	switch r.IntN(6) {
	case 0:
		err = s.Create(inSome(n, workspace), by)
	case 1:
		err = s.CreateAll([]apikey.Key{inSome(n, workspace), inSome(n+1000, workspace)}, by, nil)
	case 2:
		err = s.Delete(testKey(n).ID, by, nil)
	case 3:
		err = s.SetWorkspaceLimits(workspace, &apikey.WorkspaceLimits{PerDay: uint32(step + 1)}, by)
	default:
		err = last(s.Update(testKey(n).ID, "update", by, func(k *apikey.Key) error { k.Name = fmt.Sprint(step); return nil }))
	}
	if errors.Is(err, keystore.ErrNotFound) || errors.Is(err, keystore.ErrExists) {
		return nil
	}
	return err
}

// placesWrong says where the trails of workspaces are not what the trail of all makes
// them: each entry is in that of its workspace, numbered from 1 on in the same order.
func placesWrong(s *Store) error {
	if err := s.placeTrail(time.Now().Add(redistest.Patience)); err != nil {
		return err
	}
	m, err := s.conn.Do(s.conn.B().Hgetall().Key(s.names.places).Build())
	if err != nil {
		return err
	}
	places, err := m.AsStrMap()
	if err != nil {
		return err
	}
	numbers, in := make(map[string]uint64), make(map[apikey.ID]string)
	err = s.eachAudit(func(member string) error {
		e, err := decodeAudit(member)
		if err != nil {
			return err
		}
		workspace := e.Workspace
		if !e.Key.IsZero() {
			if c, ok := e.Changes["workspace"]; ok {
				if to, _ := c.To.(string); to != "" {
					in[e.Key] = to
				}
			}
			workspace = in[e.Key]
		}
		numbers[workspace]++
		want := fmt.Sprintf("%d %s", numbers[workspace], workspace)
		if got := places[formatUint(e.Seq)]; got != want {
			return fmt.Errorf("entry %d, %s of key %s, has the place %q; want %q", e.Seq, e.Action, e.Key, got, want)
		}
		delete(places, formatUint(e.Seq))
		return nil
	})
	if err == nil && len(places) > 0 {
		err = fmt.Errorf("there are places of no entries: %v", places)
	}
	return err
}

// asSchema2 takes from an engine, at once, what gateways of schema 3 have added.
func asSchema2(server *redistest.Server, n *names) {
	const script = `redis.call('DEL', unpack(KEYS, 2)); redis.call('HDEL', KEYS[1], 'placed'); redis.call('HSET', KEYS[1], 'schema', '2')`
	server.Do("EVAL", script, "5", n.meta, n.auditByWs, n.places, n.until, n.reserved)
}

// TestPlaceTrail has trails of an older gateway, which become what they would be if
// this one had made them, while others make changes. Each has its own keys: of a key
// that one deletes and another makes anew at once, the trail may tell in either order.
func TestPlaceTrail(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	server := redistest.Start(t)
	c := calm(server.Addr)
	s := open(t, c)
	r := rand.New(rand.NewPCG(seed, 1))
	for step := range 3 * placePage { // several pages
		if err := changeSome(s, r, 0, 12, step); err != nil {
			t.Fatal(err)
		}
	}
	if err := firstOf(placesWrong(s), disagreement(s)); err != nil {
		t.Fatal(err)
	}
	stores := []*Store{s, open(t, c), open(t, c)}
	asSchema2(server, &s.names)
	var all sync.WaitGroup
	ended := make(chan struct{})
	for i, s := range stores {
		all.Go(func() {
			r := rand.New(rand.NewPCG(seed, uint64(2+i)))
			for step := range 150 {
				if err := changeSome(s, r, 4*i, 4, 1000*(i+1)+step); err != nil {
					t.Error(err)
				}
				if step%10 == 0 {
					if _, err := s.Audit(keystore.AuditQuery{Workspace: "a"}); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	go func() { all.Wait(); close(ended) }()
	for running := true; running; { // again and again, in the midst of changes
		select {
		case <-ended:
			running = false
		case <-time.After(10 * time.Millisecond):
			if server.Do("HGET", s.names.meta, "placed") == server.Do("HGET", s.names.meta, "seq") { // or a slow machine never gets there
				asSchema2(server, &s.names)
			}
		}
	}
	newest := open(t, c)
	if err := firstOf(placesWrong(newest), mended(newest), disagreement(newest)); err != nil {
		t.Error(err)
	}
	if got := server.Do("HGET", s.names.meta, "schema"); got != schemaVersion {
		t.Errorf("the schema is %s", got)
	}
}

// TestPlaceTrailByTurns has two gateways place entries by turns: what one has read is
// no longer so after what the other has placed.
func TestPlaceTrailByTurns(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := open(t, calm(server.Addr))
	fill := func() {
		for range placePage * 5 / 8 { // two entries each
			succeeds(t, func() error { return s.SetWorkspaceLimits("c", &apikey.WorkspaceLimits{PerDay: 1}, by) })
			succeeds(t, func() error { return s.SetWorkspaceLimits("c", nil, by) })
		}
	}
	remove := func() { succeeds(t, func() error { return s.Delete(testKey(0).ID, by, nil) }) }
	for _, workspace := range someWorkspaces {
		succeeds(t, func() error { return s.Create(inSome(0, workspace), by) })
		fill()
		remove()
	}
	asSchema2(server, &s.names)
	turns := []*placer{{s: s, lives: make(map[apikey.ID]string)}, {s: s, lives: make(map[apikey.ID]string)}}
	for turn, done := 0, false; !done; turn++ {
		var err error
		if done, err = turns[turn%2].page(); err != nil {
			t.Fatal(err)
		}
	}
	if err := placesWrong(s); err != nil {
		t.Error(err)
	}
}

// mended enters what an older gateway does not know of: when disabled keys expire.
func mended(s *Store) error {
	_, err := s.Mend()
	return err
}

// TestPlaceTrailPruned has a trail of an older gateway of which the beginnings are
// pruned, and an entry that cannot be read. A heartbeat is enough to place it.
func TestPlaceTrailPruned(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := open(t, calm(server.Addr))
	early := by
	early.At = by.At.Add(-time.Hour)
	for n := range 3 {
		succeeds(t, func() error { return s.Create(inSome(n, someWorkspaces[n]), early) })
	}
	for n := range 3 {
		succeeds(t, func() error {
			return last(s.Update(testKey(n).ID, "update", by, func(k *apikey.Key) error { k.Name = "x"; return nil }))
		})
	}
	succeeds(t, func() error { return s.Delete(testKey(0).ID, by, nil) })
	succeeds(t, func() error { return s.Delete(testKey(1).ID, by, nil) })
	succeeds(t, func() error { return s.Create(inSome(1, "a"), by) }) // elsewhere
	succeeds(t, func() error { return s.SetWorkspaceLimits("b", &apikey.WorkspaceLimits{PerDay: 1}, by) })
	succeeds(t, func() error { return s.Prune(0, by.At) })
	for _, workspace := range []string{"a-b", "b"} {
		succeeds(t, func() error { return s.Create(inSome(3, workspace), by) })
		succeeds(t, func() error {
			return last(s.Update(testKey(3).ID, "update", by, func(k *apikey.Key) error { k.Name = "x"; return nil }))
		})
		if workspace == "a-b" {
			succeeds(t, func() error { return s.Delete(testKey(3).ID, by, nil) })
		}
	}
	page, err := s.Audit(keystore.AuditQuery{Limit: 2}) // the second creation, which cannot be read from here on
	if err != nil || page.Entries[1].Action != "create" {
		t.Fatal(page, err)
	}
	seq := formatUint(page.Entries[1].Seq)
	server.Do("ZREMRANGEBYSCORE", s.names.audit, seq, seq)
	server.Do("ZADD", s.names.audit, seq, seq+" rubbish")
	server.Do("DEL", s.names.recordOf(testKey(2).ID)) // only the index knows it
	server.Do("SET", s.names.recordOf(testKey(2).ID), "rubbish")
	asSchema2(server, &s.names)
	redistest.Until(t, "a heartbeat has placed all", func() bool {
		return server.Do("HGET", s.names.meta, "placed") == server.Do("HGET", s.names.meta, "seq")
	})
	for workspace, want := range map[string][]string{"a": {"create", "delete", "update"}, "a-b": {"delete", "update", "create", "delete", "update"}, "b": {"update", "limit", "update"}} {
		page, err := s.Audit(keystore.AuditQuery{Workspace: workspace})
		var got []string
		for i, e := range page.Entries {
			got = append(got, e.Action)
			if e.Seq != uint64(len(page.Entries)-i) {
				t.Errorf("%s: entry %d has the number %d", workspace, i, e.Seq)
			}
		}
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %q, %v; want %q", workspace, got, err, want)
		}
	}
}

// TestPlacesChecked has trails of workspaces that are not as the trail of all.
func TestPlacesChecked(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := openWith(t, calm(server.Addr), 3)
	n := &s.names
	at := keystore.AuditPlace{Workspace: "acme", Number: 2}
	for name, spoil := range map[string][]string{
		"no place":            {"HDEL", n.places, "2"},
		"no number":           {"HSET", n.places, "2", "rubbish"},
		"elsewhere":           {"HSET", n.places, "2", "1 other"},
		"place of no entry":   {"HSET", n.places, "9", "9 acme"},
		"missing":             {"ZREM", n.auditByWs, inTrail(at, 2)},
		"twice":               {"ZADD", n.auditByWs, "0", inTrail(keystore.AuditPlace{Workspace: "acme", Number: 4}, 2)},
		"in a second":         {"ZADD", n.auditByWs, "0", inTrail(keystore.AuditPlace{Workspace: "other", Number: 1}, 2)},
		"of no entry":         {"ZADD", n.auditByWs, "0", inTrail(keystore.AuditPlace{Workspace: "acme", Number: 4}, 9)},
		"under a wrong name":  {"ZADD", n.auditByWs, "0", "abc"},
		"under another wrong": {"ZADD", n.auditByWs, "0", "acme\x00x:y"},
	} {
		places, trail := server.Do("DUMP", n.places), server.Do("DUMP", n.auditByWs)
		server.Do(spoil...)
		found := 0
		if _, err := s.Check(func(name string, problem error) {
			if found++; !errors.Is(problem, keystore.ErrDamaged) {
				t.Errorf("%s: %v", name, problem)
			}
		}); err != nil || found == 0 {
			t.Errorf("%s: %d problems, %v", name, found, err)
		}
		server.Do("RESTORE", n.places, "0", places, "REPLACE")
		server.Do("RESTORE", n.auditByWs, "0", trail, "REPLACE")
		if err := disagreement(s); err != nil {
			t.Fatalf("%s: mended: %v", name, err)
		}
	}
}

// TestPlaceOfDamaged deletes a key of which neither record nor index tells the
// workspace: it is that of the entry before.
func TestPlaceOfDamaged(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := openWith(t, calm(server.Addr), 2)
	id := testKey(1).ID
	server.Do("SET", s.names.recordOf(id), "rubbish")
	server.Do("ZREM", s.names.workspaces, inWorkspace("acme", id.String()))
	succeeds(t, func() error { return s.Delete(id, by, nil) })
	page, err := s.Audit(keystore.AuditQuery{Workspace: "acme"})
	if err != nil || len(page.Entries) != 3 || page.Entries[0].Action != "delete" || page.Entries[0].Key != id {
		t.Errorf("the trail is %+v, %v", page.Entries, err)
	}
}

// TestPlaceOfLate has a change that is entered when its key is in another workspace:
// its entry is of the one that the key was in.
func TestPlaceOfLate(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := open(t, calm(server.Addr))
	k := inSome(1, "a")
	succeeds(t, func() error { return s.Create(k, by) })
	record, old, err := s.stored(k.ID)
	if err != nil {
		t.Fatal(err)
	}
	k = old
	k.Name = "late"
	audit, err := newAudit("update", &old, &k, by)
	if err != nil {
		t.Fatal(err)
	}
	c, err := s.begin(entry{op: "put", k: k, audit: audit})
	if err != nil {
		t.Fatal(err)
	}
	if done, err := c.swap(k.ID, record, keystore.EncodeKey(&k), by); !done || err != nil {
		t.Fatal(done, err)
	}
	other := open(t, calm(server.Addr))
	succeeds(t, func() error { return other.Delete(k.ID, by, nil) })
	succeeds(t, func() error { return other.Create(inSome(1, "b"), by) })
	if fate, err := other.resolve(c.name, c.keys, true); fate != made || err != nil {
		t.Fatal(fate, err)
	}
	for workspace, want := range map[string]int{"a": 3, "b": 1} {
		if page, err := s.Audit(keystore.AuditQuery{Workspace: workspace}); err != nil || len(page.Entries) != want {
			t.Errorf("the trail of %s is %+v, %v; want %d entries", workspace, page.Entries, err, want)
		}
	}
}
