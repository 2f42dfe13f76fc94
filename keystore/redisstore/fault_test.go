//go:build fleet

package redisstore

import (
	"errors"
	"testing"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/internal/redis"
	"github.com/socialpatra/keygate/internal/redis/redistest"
	"github.com/socialpatra/keygate/keystore"
)

const (
	heartbeat = 150 * time.Millisecond
	timeout   = 400 * time.Millisecond
	// slack is what a test allows for being scheduled late beside others.
	slack = 400 * time.Millisecond
)

func config(address string) redis.Config {
	return redis.Config{Addresses: []string{address}, Heartbeat: heartbeat, Timeout: timeout}
}

// openWith opens a store with so many keys, from 0 on, of which it has looked
// up all but the last.
func openWith(t *testing.T, config redis.Config, keys int) *Store {
	t.Helper()
	s := open(t, config)
	for n := range keys {
		succeeds(t, func() error { return s.Create(testKey(n), by) })
	}
	for n := range keys - 1 {
		wantState(t, s, n, apikey.StateUsable)
	}
	return s
}

// wantState fails unless a look-up finds a key in this state, as soon as the
// store answers at all: beside other tests a heartbeat may come late.
func wantState(t *testing.T, s *Store, n int, want apikey.State) {
	t.Helper()
	redistest.Until(t, "it answers", func() bool {
		g, ok, err := s.Lookup(testKey(n).ID)
		if err == nil && (!ok || g.State != want) || err != nil && !errors.Is(err, redis.ErrUnavailable) {
			t.Fatalf("look-up of key %d: state %d, %t, %v; want state %d", n, g.State, ok, err, want)
		}
		return err == nil
	})
}

// succeeds makes a change, again where nothing was written, or where the engine has
// answered too late on a busy machine. Then the next try may find it made.
func succeeds(t *testing.T, change func() error) {
	t.Helper()
	unknown := false
	redistest.Until(t, "the change is made", func() bool {
		err := change()
		switch {
		case err == nil:
			return true
		case errors.Is(err, keystore.ErrNotWritten):
		case errors.Is(err, redis.ErrUnavailable), errors.Is(err, keystore.ErrUnknownOutcome):
			unknown = true
		case unknown && (errors.Is(err, keystore.ErrExists) || errors.Is(err, keystore.ErrNotFound)):
			return true
		default:
			t.Fatal(err)
		}
		return false
	})
}

// reads asks until there is an answer.
func reads(t *testing.T, read func() error) {
	t.Helper()
	redistest.Until(t, "it answers", func() bool {
		err := read()
		if err != nil && !errors.Is(err, redis.ErrUnavailable) {
			t.Fatal(err)
		}
		return err == nil
	})
}

// finds reports whether a look-up finds a key.
func finds(t *testing.T, s *Store, n int) (there bool) {
	t.Helper()
	reads(t, func() (err error) {
		_, there, err = s.Lookup(testKey(n).ID)
		return err
	})
	return there
}

func revokes(t *testing.T, s *Store, n int) {
	t.Helper()
	succeeds(t, func() error {
		_, err := s.Update(testKey(n).ID, "revoke", by, revoke)
		return err
	})
}

// wantUnavailable fails unless look-ups of keys fail, in time.
func wantUnavailable(t *testing.T, s *Store, keys ...int) {
	t.Helper()
	for _, n := range keys {
		redistest.Quickly(t, "the error", 2*timeout+slack, func() { // the read, and the proof that it counts
			if g, ok, err := s.Lookup(testKey(n).ID); err == nil {
				t.Fatalf("look-up of key %d: state %d, %t; want an error", n, g.State, ok)
			}
		})
	}
}

// serves waits until look-ups of a key succeed again.
func serves(t *testing.T, s *Store, n int) {
	t.Helper()
	redistest.Until(t, "look-ups succeed", func() bool {
		_, ok, err := s.Lookup(testKey(n).ID)
		if err == nil && !ok {
			t.Fatalf("key %d is called unknown", n)
		}
		return err == nil
	})
}

func TestKilledAndRestarted(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := openWith(t, config(server.Addr), 3)
	server.Kill9()
	const unseen, unknown = 2, 1000
	wantUnavailable(t, s, unseen, unknown)
	redistest.Until(t, "what was cached is not believed any more", func() bool {
		_, _, err := s.Lookup(testKey(0).ID)
		return err != nil
	})
	redistest.Until(t, "it says that it takes no changes", func() bool { return s.Writable() != nil })
	redistest.Quickly(t, "the refusal of two changes", timeout, func() {
		if _, err := s.Update(testKey(0).ID, "revoke", by, revoke); !errors.Is(err, keystore.ErrNotWritten) || !errors.Is(err, redis.ErrUnavailable) {
			t.Errorf("a change while the engine is away: %v", err)
		}
		if err := s.Create(testKey(7), by); !errors.Is(err, keystore.ErrNotWritten) {
			t.Errorf("a new key while the engine is away: %v", err)
		}
	})
	server.Restart()
	for n := range 3 {
		serves(t, s, n)
		wantState(t, s, n, apikey.StateUsable)
	}
	redistest.Until(t, "it takes changes", func() bool { return s.Writable() == nil })
	revokes(t, s, 0)
	wantState(t, s, 0, apikey.StateRevoked)
	if finds(t, s, 7) {
		t.Error("a change that was refused has been made later")
	}
}

func TestEmptied(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := openWith(t, config(server.Addr), 2)
	server.Do("FLUSHALL")
	for range 3 { // what is not in memory first: its answer comes after the word of the change
		wantUnavailable(t, s, 1, 1000, 0)
	}
	if err := s.Create(testKey(7), by); err == nil {
		t.Error("an emptied engine takes changes")
	}
	// Somebody brings the data back; here what is left is enough.
	server.Do("HSET", s.names.meta, "schema", schemaVersion, "seq", "0", "name", "another")
	if s.Writable() == nil {
		t.Error("another store is believed")
	}
	server.Do("HSET", s.names.meta, "name", s.name)
	redistest.Until(t, "it takes changes", func() bool { return s.Writable() == nil })
	succeeds(t, func() error { return s.Create(testKey(8), by) })
	wantState(t, s, 8, apikey.StateUsable)
}

func TestHung(t *testing.T) {
	server := redistest.Start(t)
	s := openWith(t, config(server.Addr), 2)
	server.Stop()
	hung := time.Now()
	wantUnavailable(t, s, 1, 1000)
	if _, err := s.Update(testKey(0).ID, "revoke", by, revoke); err == nil {
		t.Error("a change was acknowledged by a hung engine")
	}
	served := time.Duration(0) // when the last look-up began that was answered
	redistest.Until(t, "what was cached is not believed any more", func() bool {
		start := time.Since(hung)
		_, _, err := s.Lookup(testKey(0).ID)
		if err == nil {
			served = start
		}
		return err != nil
	})
	if served > 2*heartbeat {
		t.Errorf("it was believed for %s", served)
	}
	wantUnavailable(t, s, 0, 1, 1000)
	redistest.Until(t, "it says that it takes no changes", func() bool { return s.Writable() != nil })
	if err := s.Create(testKey(7), by); !errors.Is(err, keystore.ErrNotWritten) || errors.Is(err, keystore.ErrUnknownOutcome) {
		t.Errorf("a new key while the engine hangs: %v", err)
	}
	server.Cont()
	serves(t, s, 1)
	serves(t, s, 0)
}

// TestLostRecord has an engine that has dropped a record, as an evicting one may.
func TestLostRecord(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := openWith(t, config(server.Addr), 2)
	server.Do("DEL", s.names.recordOf(testKey(1).ID))
	wantUnavailable(t, s, 1)
	problems := 0
	reads(t, func() error {
		problems = 0
		_, err := s.Check(func(name string, problem error) {
			if problems++; name != testKey(1).ID.String() || !errors.Is(problem, keystore.ErrDamaged) {
				t.Errorf("%s: %v", name, problem)
			}
		})
		return err
	})
	if problems != 1 {
		t.Errorf("%d problems", problems)
	}
	succeeds(t, func() error { return s.Delete(testKey(1).ID, by, nil) })
	if finds(t, s, 1) {
		t.Error("it is there after it was deleted")
	}
}

func TestCutOff(t *testing.T) {
	t.Parallel()
	for name, staleMax := range map[string]time.Duration{"believes nothing": 0, "believes for a while": time.Second} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t)
			proxy := redistest.NewProxy(t, server.Addr)
			near := openWith(t, config(server.Addr), 3)
			behind := config(proxy.Addr)
			behind.StaleMax = staleMax
			far := open(t, behind)
			wantState(t, far, 0, apikey.StateUsable)
			wantState(t, far, 1, apikey.StateUsable)

			proxy.Cut()
			cut := time.Now()
			revokes(t, near, 0)
			wantState(t, near, 0, apikey.StateRevoked)
			var served, refused time.Duration // when the last look-up began that it was, and the first that it was not
			redistest.Until(t, "the revoked key is refused", func() bool {
				start := time.Since(cut)
				g, ok, err := far.Lookup(testKey(0).ID)
				if err == nil && ok && g.State == apikey.StateUsable {
					served = start
				} else {
					refused = start
				}
				return err != nil
			})
			if most := 2*heartbeat + staleMax; served > most || refused < staleMax/2 {
				t.Errorf("the revoked key was served for %s after the cut, and refused after %s; want at most %s", served, refused, most)
			}
			wantUnavailable(t, far, 1, 2, 1000)

			proxy.Mend()
			serves(t, far, 0)
			wantState(t, far, 0, apikey.StateRevoked)
			wantState(t, far, 2, apikey.StateUsable)
			revokes(t, far, 1)
		})
	}
}

// TestReplay has gateways that may believe for a while what they know, and an
// engine that comes back with its file: it tells of every key in that as if it
// had changed, and answers nothing meanwhile.
func TestReplay(t *testing.T) {
	server := redistest.Start(t, "--key-load-delay", "100") // microseconds
	// While it reads its file, an engine serves its clients once in 1,024 commands.
	const filler = `for i = 1, 5000 do redis.call('SET', 'keygate:k:{' .. string.format('%012d', 100000 + i) .. '}', '') end`
	server.Do("EVAL", filler, "0")
	c := config(server.Addr)
	c.StaleMax = time.Minute
	const keys = 20
	s := openWith(t, c, keys+1)
	served := func() {
		t.Helper()
		for n := range keys {
			if g, ok, err := s.Lookup(testKey(n).ID); err != nil || !ok || g.State != apikey.StateUsable {
				t.Fatalf("look-up of key %d: state %d, %t, %v", n, g.State, ok, err)
			}
		}
	}
	server.Kill9()
	redistest.Until(t, "it is away", func() bool { served(); return s.Writable() != nil })
	wantUnavailable(t, s, keys)
	server.Relaunch()
	redistest.Until(t, "it is back", func() bool { served(); return s.Writable() == nil })
	served()
	wantState(t, s, keys, apikey.StateUsable)
}

// TestIsolatedMaster has a master that may not write, as one without its
// replicas, but that still answers.
func TestIsolatedMaster(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := openWith(t, config(server.Addr), 2)
	server.Do("CONFIG", "SET", "min-replicas-to-write", "1")
	redistest.Until(t, "what was cached is not believed any more", func() bool {
		_, _, err := s.Lookup(testKey(0).ID)
		return err != nil
	})
	wantUnavailable(t, s, 1, 1000)
	redistest.Until(t, "a change is refused", func() bool {
		err := s.Create(testKey(7), by)
		if err == nil {
			t.Fatal("a change is made")
		}
		return errors.Is(err, keystore.ErrNotWritten)
	})
	server.Do("CONFIG", "SET", "min-replicas-to-write", "0")
	serves(t, s, 0)
	serves(t, s, 1)
}
