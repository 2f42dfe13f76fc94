//go:build fleet

package redisstore

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/internal/redis"
	"github.com/socialpatra/keygate/internal/redis/redistest"
	"github.com/socialpatra/keygate/keystore"
)

// TestEvictedIndex has an engine that has dropped an index. A key that is not in
// memory is not called unknown.
func TestEvictedIndex(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	for name, drop := range map[string]func(*names) []string{
		"keys": func(n *names) []string {
			return []string{n.ids, n.recordOf(testKey(1).ID)}
		},
		"hashes": func(n *names) []string { return []string{n.opaque} },
		"limits": func(n *names) []string { return []string{n.limits} },
	} {
		t.Run(name, func(t *testing.T) {
			c := config(server.Addr)
			c.Prefix = name
			s := openWith(t, c, 2)
			opaque := testKey(5)
			opaque.Opaque = true
			succeeds(t, func() error { return s.Create(opaque, by) })
			succeeds(t, func() error { return s.SetWorkspaceLimits("acme", &apikey.WorkspaceLimits{PerDay: 1}, by) })
			server.Do(append([]string{"DEL"}, drop(&s.names)...)...)
			redistest.Until(t, "the engine is not believed", func() bool { return s.Writable() != nil })
			wantUnavailable(t, s, 1, 1000)
			if _, _, ok, err := s.LookupOpaque(opaque.Hash); err == nil {
				t.Errorf("a look-up by hash: %t", ok)
			}
			conn := dial(t, c)
			if s, err := Open(conn, Config{Existing: true}); err == nil {
				_ = s.Close()
				t.Error("a gateway that may create nothing starts without the index")
			}
		})
	}
}

func TestCreateOff(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	conn := dial(t, calm(server.Addr))
	if s, err := Open(conn, Config{Existing: true}); !errors.Is(err, keystore.ErrUnavailable) {
		_ = s.Close()
		t.Errorf("on an empty engine: %v", err)
	}
	if n := server.Do("DBSIZE"); n != "0" {
		t.Errorf("%s keys were created", n)
	}
	open(t, calm(server.Addr))
	s, err := Open(conn, Config{Existing: true})
	if err != nil {
		t.Fatal(err)
	}
	_ = s.Close()
}

func TestOtherBrand(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	a := open(t, calm(server.Addr))
	succeeds(t, func() error { return a.SetBrand("patra") })
	succeeds(t, func() error { return a.SetBrand("acme") }) // alone it may
	b := open(t, calm(server.Addr))
	succeeds(t, func() error { return b.SetBrand("acme") })
	if err := b.SetBrand("patra"); err == nil || !strings.Contains(err.Error(), "acme") {
		t.Errorf("another brand: %v", err)
	}
	if brand, err := a.Brand(); brand != "acme" || err != nil {
		t.Errorf("the brand is %q, %v", brand, err)
	}
}

// TestForeign has values of a foreign type in the place of one key: all others
// are served, listed, changed and counted.
func TestForeign(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := openWith(t, calm(server.Addr), 4)
	succeeds(t, func() error { return s.AddUsage([]apikey.Usage{{ID: testKey(2).ID, Day: 20000, Allowed: 1}}) })
	for _, name := range []string{s.names.recordOf(testKey(1).ID), s.names.useOf(testKey(2).ID)} {
		server.Do("DEL", name)
		server.Do("RPUSH", name, "x")
	}
	if _, _, err := s.Lookup(testKey(1).ID); !keystore.IsFailure(err) {
		t.Errorf("look-up of the key: %v", err)
	}
	wantState(t, s, 0, apikey.StateUsable)
	wantState(t, s, 2, apikey.StateUsable)
	page, err := s.List(keystore.Query{})
	if err != nil || len(page.Keys) != 3 {
		t.Errorf("%d keys are listed, %v", len(page.Keys), err)
	}
	if err := s.AddUsage([]apikey.Usage{{ID: testKey(2).ID, Day: 20001, Allowed: 1}, {ID: testKey(3).ID, Day: 20001, Allowed: 1}}); err != nil {
		t.Error(err)
	}
	if used, err := s.Usage(testKey(3).ID, 20001, 20001); err != nil || len(used) != 1 {
		t.Errorf("the use of another key: %+v, %v", used, err)
	}
	var damaged []string
	if _, err := s.Check(func(name string, problem error) {
		damaged = append(damaged, name)
		if !errors.Is(problem, keystore.ErrDamaged) {
			t.Errorf("%s: %v", name, problem)
		}
	}); err != nil {
		t.Error(err)
	}
	slices.Sort(damaged)
	if want := []string{testKey(1).ID.String(), testKey(2).ID.String()}; !slices.Equal(damaged, want) {
		t.Errorf("damaged are %q; want %q", damaged, want)
	}
	if err := s.Prune(20001, by.At); err != nil {
		t.Errorf("pruning: %v", err)
	}
	for _, n := range []int{1, 2} {
		succeeds(t, func() error { return s.Delete(testKey(n).ID, by, nil) })
	}
	if err := disagreement(s); err != nil {
		t.Error(err)
	}
}

// TestNoteDamaged has a note that nobody can read. It goes, and blocks nothing.
func TestNoteDamaged(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := openWith(t, config(server.Addr), 1)
	server.Do("HSET", s.names.pending, "x", "0 1 "+testKey(0).ID.String(), "y", "rubbish")
	server.Do("HSET", s.names.steps, "x/0", "0 rubbish")
	redistest.Until(t, "the notes are gone", func() bool { return server.Do("HLEN", s.names.pending) == "0" })
	reads(t, s.Complete)
}

// TestState has a gateway tell of its engine.
func TestState(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	c := config(server.Addr)
	a, b := open(t, c), open(t, c)
	redistest.Until(t, "there are two", func() bool { return a.State().Gateways == 2 && b.State().Gateways == 2 })
	redistest.Until(t, "the state is that of an engine that is well", func() bool {
		st := a.State()
		return !st.Away && st.Heartbeat >= 0 && st.Heartbeat < time.Minute && st.Skew.Abs() < time.Second && st.Evicted == 0
	})
	server.Kill9()
	redistest.Until(t, "the engine is away", func() bool { return a.State().Away })
}

// TestLacking has a user without some permissions.
func TestLacking(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	acl := []string{"ACL", "SETUSER", "u", "on", ">p", "resetkeys", "~keygate:*", "~{keygate}:*", "resetchannels", "-@all"}
	for _, p := range redis.Permissions() {
		acl = append(acl, "+"+p)
	}
	server.Do(acl...)
	c := calm(server.Addr)
	c.Username, c.Password = "u", "p"
	s := open(t, c)
	if warnings := s.conn.Warnings(); len(warnings) != 0 {
		t.Errorf("warnings: %q", warnings)
	}
	for _, lost := range []string{"-hscan", "-zrevrangebylex"} {
		server.Do("ACL", "SETUSER", "u", lost)
	}
	s.inspect()
	if err := s.Writable(); err == nil || !strings.Contains(err.Error(), "+hscan +zrevrangebylex") {
		t.Errorf("health says %v", err)
	}
	conn := dial(t, c)
	if w := strings.Join(conn.Warnings(), " "); !strings.Contains(w, "+hscan +zrevrangebylex") {
		t.Errorf("at the start: %q", w)
	}
	server.Do("ACL", "SETUSER", "u", "+hscan", "+zrevrangebylex")
	s.inspect()
	if err := s.Writable(); err != nil {
		t.Errorf("with all permissions: %v", err)
	}
	server.Do("ACL", "SETUSER", "u", "resetkeys", "~{keygate}:*")
	if got := s.conn.Lacking(); !slices.Equal(got, []string{"~keygate:*"}) {
		t.Errorf("without a pattern: %q", got)
	}
}

// A store of an older schema becomes this one and keeps what it has; a newer one
// is refused, and stays as it is.
func TestSchemas(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := open(t, calm(server.Addr))
	succeeds(t, func() error { return s.Create(testKey(1), by) })
	for _, existing := range []bool{false, true} {
		server.Do("HSET", s.names.meta, "schema", "1")
		newer, err := Open(dial(t, calm(server.Addr)), Config{Existing: existing})
		if err != nil {
			t.Fatal(err)
		}
		if k, err := newer.Get(testKey(1).ID); err != nil || k.Name != testKey(1).Name {
			t.Errorf("the key is %+v, %v", k, err)
		}
		if about := newer.About(); about.Made || strconv.Itoa(about.Schema) != schemaVersion {
			t.Errorf("it is %+v", about)
		}
		if got := server.Do("HGET", s.names.meta, "schema"); got != schemaVersion {
			t.Errorf("the schema is %s", got)
		}
		if err := newer.Close(); err != nil {
			t.Error(err)
		}
		for _, schema := range []string{"5", "99", "x"} {
			server.Do("HSET", s.names.meta, "schema", schema)
			if s, err := Open(dial(t, calm(server.Addr)), Config{Existing: existing}); !errors.Is(err, keystore.ErrNewer) {
				_ = s.Close()
				t.Errorf("schema %s: %v", schema, err)
			}
			if got := server.Do("HGET", s.names.meta, "schema"); got != schema {
				t.Errorf("schema %s has become %s", schema, got)
			}
		}
	}
}
