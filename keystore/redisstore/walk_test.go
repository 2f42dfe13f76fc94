//go:build fleet

package redisstore

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/internal/redis"
	"github.com/socialpatra/keygate/internal/redis/redistest"
	"github.com/socialpatra/keygate/keystore"
)

// walked is an operation of the store that faults happen to.
type walked struct {
	name string

	// before makes what the operation needs, with a store that has no faults.
	before func(s *Store, n int) error
	run    func(s *Store, n int) error

	// again says that it does not go on by itself: it is always repeated.
	again bool

	// done reports whether the operation has had its effect.
	done func(s *Store, n int) (bool, error)
}

// key is the nth key of a walk, and successor another one of it.
func key(n int) apikey.Key       { return testKey(10 * n) }
func successor(n int) apikey.Key { return testKey(10*n + 1) }

func opaqueKey(n int) apikey.Key {
	k := key(n)
	k.Opaque = true
	return k
}

func imported(n int) []apikey.Key {
	keys := []apikey.Key{testKey(10*n + 2), testKey(10*n + 3), testKey(10*n + 4)}
	keys[1].Opaque = true
	return keys
}

func created(s *Store, n int) error { return s.Create(key(n), by) }

func createdOpaque(s *Store, n int) error { return s.Create(opaqueKey(n), by) }

func rotated(s *Store, n int) error {
	return last(s.Rotate(key(n).ID, by, func(old, k *apikey.Key) error {
		if !old.ReplacedBy.IsZero() {
			return errRotated
		}
		next := successor(n)
		k.ID, k.Hash, k.Prefix, k.CreatedAt = next.ID, next.Hash, next.Prefix, by.At
		old.ExpiresAt = by.At.Add(time.Hour)
		return nil
	}))
}

var errRotated = errors.New("it is rotated")

func thereIs(s *Store, id apikey.ID) (bool, error) {
	switch _, err := s.Get(id); {
	case errors.Is(err, keystore.ErrNotFound):
		return false, nil
	default:
		return err == nil, err
	}
}

func is(s *Store, n int, state func(*apikey.Key) bool) (bool, error) {
	k, err := s.Get(key(n).ID)
	return state(&k), err
}

func edits(action string, edit func(*apikey.Key)) func(*Store, int) error {
	return func(s *Store, n int) error {
		return last(s.Update(key(n).ID, action, by, func(k *apikey.Key) error { edit(k); return nil }))
	}
}

// walk are the operations that change keys.
func walk() []walked {
	return []walked{
		{name: "create", run: created, done: func(s *Store, n int) (bool, error) { return thereIs(s, key(n).ID) }},
		{name: "create opaque", run: createdOpaque, done: func(s *Store, n int) (bool, error) { return thereIs(s, key(n).ID) }},
		{name: "import", run: func(s *Store, n int) error { return s.CreateAll(imported(n), by, nil) }, done: func(s *Store, n int) (bool, error) {
			there := 0
			for _, k := range imported(n) {
				ok, err := thereIs(s, k.ID)
				if err != nil {
					return false, err
				}
				if ok {
					there++
				}
			}
			if there != 0 && there != 3 {
				return false, fmt.Errorf("%d of 3 keys are imported", there)
			}
			return there == 3, nil
		}},
		{
			name: "revoke", before: created, run: edits("revoke", func(k *apikey.Key) { k.RevokedAt = by.At }),
			done: func(s *Store, n int) (bool, error) {
				return is(s, n, func(k *apikey.Key) bool { return !k.RevokedAt.IsZero() })
			},
		},
		{
			name: "disable", before: created, run: edits("disable", func(k *apikey.Key) { k.Disabled = true }),
			done: func(s *Store, n int) (bool, error) {
				return is(s, n, func(k *apikey.Key) bool { return k.Disabled })
			},
		},
		{
			name: "expire", before: created, run: edits("update", func(k *apikey.Key) { k.ExpiresAt = by.At.Add(-time.Hour) }),
			done: func(s *Store, n int) (bool, error) {
				return is(s, n, func(k *apikey.Key) bool { return !k.ExpiresAt.IsZero() })
			},
		},
		{name: "rotate", before: created, run: rotated, done: func(s *Store, n int) (bool, error) {
			old, err := is(s, n, func(k *apikey.Key) bool { return !k.ReplacedBy.IsZero() })
			there, err2 := thereIs(s, successor(n).ID)
			if err := errors.Join(err, err2); err != nil || old != there {
				return false, fmt.Errorf("the old key is replaced: %t; the new one is there: %t; %w", old, there, err)
			}
			return there, nil
		}},
		{name: "delete", before: created, run: func(s *Store, n int) error { return s.Delete(key(n).ID, by, nil) }, done: func(s *Store, n int) (bool, error) {
			there, err := thereIs(s, key(n).ID)
			return !there, err
		}},
		{name: "delete opaque", before: createdOpaque, run: func(s *Store, n int) error { return s.Delete(key(n).ID, by, nil) }, done: func(s *Store, n int) (bool, error) {
			there, err := thereIs(s, key(n).ID)
			return !there, err
		}},
		{name: "limits", run: func(s *Store, n int) error {
			return s.SetWorkspaceLimits(fmt.Sprintf("w%d", n), &apikey.WorkspaceLimits{PerDay: 7}, by)
		}, done: func(s *Store, n int) (bool, error) {
			lim, ok := s.WorkspaceLimits(fmt.Sprintf("w%d", n))
			return ok && lim.PerDay == 7, nil
		}},
		{name: "use", before: created, run: func(s *Store, n int) error {
			return s.AddUsage([]apikey.Usage{{ID: key(n).ID, Day: 20000, Allowed: 1, LastUsed: 60}})
		}, done: func(s *Store, n int) (bool, error) {
			used, err := s.Usage(key(n).ID, 20000, 20000)
			if err != nil || len(used) == 0 {
				return false, err
			}
			noted := false
			err = s.UsageSince(20000, func(u apikey.Usage) { noted = noted || u.ID == key(n).ID }, func(apikey.WorkspaceUsage) {})
			if err == nil && (used[0].Allowed > 2 || !noted) {
				err = fmt.Errorf("%+v, noted: %t", used, noted)
			}
			return true, err
		}},
		{
			name: "prune", before: func(s *Store, n int) error { return s.SetWorkspaceLimits(fmt.Sprintf("w%d", n), nil, by) },
			run: func(s *Store, n int) error { return s.Prune(20001, by.At) },
		},
		{name: "mend", again: true, before: func(s *Store, n int) error {
			if n > 1 {
				if err := s.Delete(key(n-1).ID, by, nil); err != nil && !errors.Is(err, keystore.ErrNotFound) {
					return err
				}
			}
			if err := created(s, n); err != nil {
				return err
			}
			_, err := s.conn.Do(s.conn.B().Zrem().Key(s.names.ids).Member(key(n).ID.String()).Build())
			return err
		}, run: func(s *Store, n int) error { _, err := s.Mend(); return err }},
	}
}

// TestWalk lets every fault happen to every call that every change makes to the
// engine, one at a time. Afterwards the change is repeated, or nothing is done,
// and all that the store knows has to agree; what was acknowledged is there, and
// what was refused is not.
func TestWalk(t *testing.T) {
	server := redistest.Start(t)
	var cases sync.WaitGroup
	for i, op := range walk() {
		cases.Go(func() {
			// Each has a prefix of its own, so that they do not see each other.
			w := walker{t: t, server: server, op: op, config: config(server.Addr)}
			w.config.Prefix = fmt.Sprintf("w%d", i)
			w.config.Timeout, w.config.Heartbeat = 100*time.Millisecond, 50*time.Millisecond
			w.walk()
		})
	}
	cases.Wait()
}

type walker struct {
	t      *testing.T
	server *redistest.Server
	op     walked
	config redis.Config
	well   *Store // has no faults
	gates  gates  // of a Cluster; nil: each fault has one of its own
	n      int
}

// gates are those in front of all nodes of an engine. A fault may happen at each.
type gates []*redistest.Gate

func (all gates) Break(n int, fault redistest.Fault, matches func([]string) bool) {
	for _, g := range all {
		g.Break(n, fault, matches)
	}
}

func (all gates) Broken() (call []string) {
	for _, g := range all {
		if broken := g.Broken(); broken != nil {
			call = broken
		}
	}
	return call
}

func (all gates) Release() {
	for _, g := range all {
		g.Release()
	}
}

// TestWalkCluster is TestWalk on a Cluster, where records, index and trail are on
// different masters. All gateways go through the same gates.
func TestWalkCluster(t *testing.T) {
	cluster := redistest.StartCluster(t, 3)
	var all gates
	for _, s := range cluster.Servers {
		g := redistest.NewGate(t, s.Addr)
		_, port, _ := strings.Cut(g.Addr, ":")
		s.Do("CONFIG", "SET", "cluster-announce-port", port)
		all = append(all, g)
	}
	for _, s := range cluster.Servers {
		redistest.Until(t, "all are known by their gates", func() bool {
			slots := s.Do("CLUSTER", "SLOTS")
			for _, g := range all {
				_, port, _ := strings.Cut(g.Addr, ":")
				if !strings.Contains(slots, port) {
					return false
				}
			}
			return true
		})
	}
	for i, op := range walk() {
		if os.Getenv("KEYGATE_LONG") == "" && op.name != "rotate" {
			continue
		}
		w := walker{t: t, op: op, config: config(""), gates: all}
		w.config.Addresses, w.config.Prefix = []string{all[0].Addr, all[1].Addr}, fmt.Sprintf("c%d", i)
		w.walk()
	}
}

func (w *walker) walk() {
	calm := w.config
	calm.Timeout, calm.Heartbeat = 250*time.Millisecond, 200*time.Millisecond
	w.well = open(w.t, calm)
	for fault := range redistest.Faults {
		for _, repeats := range []bool{false, true} {
			if w.gates != nil && fault.Dies() {
				continue // and nobody would be left
			}
			if w.gates != nil && os.Getenv("KEYGATE_LONG") == "" && (repeats || fault != redistest.LoseAnswer) {
				continue
			}
			if os.Getenv("KEYGATE_LONG") == "" && (repeats && fault != redistest.LoseAnswer || fault == redistest.LoseCall ||
				fault == redistest.ResetAfter || fault == redistest.DieBefore) { // the others are the harder ones
				continue
			}
			for call := 1; w.one(fault, call, repeats); call++ {
				if w.t.Failed() {
					return
				}
			}
		}
	}
	w.t.Logf("%s: %d faults", w.op.name, w.n)
}

// one lets a fault happen to a call. It reports false where there is no such call.
func (w *walker) one(fault redistest.Fault, call int, repeats bool) bool {
	w.n++
	n := w.n
	fails := func(format string, args ...any) {
		w.t.Errorf("%s, %s of call %d, repeated: %t: %s", w.op.name, fault, call, repeats, fmt.Sprintf(format, args...))
	}
	if w.op.before != nil {
		succeeds(w.t, func() error {
			if err := w.op.before(w.well, n); !errors.Is(err, keystore.ErrExists) {
				return err
			}
			return nil
		})
	}
	gate, c := w.gates, w.config
	if gate == nil {
		gate = gates{redistest.NewGate(w.t, w.server.Addr)}
		c.Addresses = []string{gate[0].Addr}
	}
	s := open(w.t, c)
	if w.op.done != nil {
		_, _ = w.op.done(s, n) // so that what is read for the first time is read before
	}
	gate.Break(call, fault, ofStore)
	err := w.op.run(s, n)
	broken := gate.Broken()
	if broken == nil {
		_ = s.Close()
		return false
	}
	if repeats || w.op.again {
		again := s
		if fault.Dies() {
			again = w.well
		}
		for deadline := time.Now().Add(redistest.Patience); err != nil && !w.isDone(err, n); time.Sleep(5 * time.Millisecond) {
			if err = w.op.run(again, n); time.Now().After(deadline) {
				fails("repeated: %v", err)
				break
			}
		}
	}
	if fault.Dies() {
		_ = s.Close()
	}
	gate.Release()
	agrees(w.t, w.well)
	if w.op.done != nil {
		done, failed := false, error(nil)
		redistest.Until(w.t, "the engine answers", func() bool {
			done, failed = w.op.done(w.well, n)
			return !errors.Is(failed, redis.ErrUnavailable)
		})
		switch {
		case failed != nil:
			fails("%v", failed)
		case err == nil && !done:
			fails("it was acknowledged, and is not done")
		case done && errors.Is(err, keystore.ErrNotWritten) && !errors.Is(err, keystore.ErrUnknownOutcome):
			fails("it was refused, and is done: %v (%q)", err, broken)
		}
	}
	if !fault.Dies() {
		_ = s.Close()
	}
	return true
}

// isDone reports whether an error says that the repeated change is made already.
func (w *walker) isDone(err error, n int) bool {
	if !errors.Is(err, keystore.ErrExists) && !errors.Is(err, keystore.ErrNotFound) && !errors.Is(err, errRotated) {
		return false
	}
	done, failed := w.op.done(w.well, n)
	return done && failed == nil
}

// ofStore tells the calls of operations from those that only keep the connection.
func ofStore(call []string) bool {
	switch name := strings.ToUpper(call[0]); {
	case slices.Contains([]string{"HELLO", "CLIENT", "PING", "AUTH", "INFO", "ROLE", "TIME"}, name):
		return false
	case name == "SET" && strings.HasSuffix(call[1], ":hb"), name == "HGET" && strings.HasSuffix(call[1], ":meta") && call[2] == "name",
		name == "HLEN", len(call) > 3 && strings.HasSuffix(call[3], ":gateways"), name == "SET" && strings.HasSuffix(call[1], ":mending"):
		return false
	}
	return true
}

// TestWalkReads lets every fault happen to every call of what only reads: the
// answer is the right one, or an error.
func TestWalkReads(t *testing.T) {
	server := redistest.Start(t)
	c := config(server.Addr)
	c.Timeout, c.Heartbeat = 5*time.Second, time.Second
	well := open(t, c)
	var keys []apikey.Key
	for n := range 3 {
		keys = append(keys, testKey(n))
		keys[n].Opaque = n == 1
	}
	if err := errors.Join(well.CreateAll(keys, by, nil), well.SaveUsage([]apikey.Usage{{ID: keys[0].ID, Day: 20000, Allowed: 1}}, nil)); err != nil {
		t.Fatal(err)
	}
	c.Timeout, c.Heartbeat = 100*time.Millisecond, 50*time.Millisecond
	var cases sync.WaitGroup
	for name, read := range map[string]func(*Store) (string, error){
		"lookup": func(s *Store) (string, error) { _, ok, err := s.Lookup(keys[0].ID); return fmt.Sprint(ok), err },
		"lookup of none": func(s *Store) (string, error) {
			_, ok, err := s.Lookup(testKey(99).ID)
			return fmt.Sprint(ok), err
		},
		"lookup opaque": func(s *Store) (string, error) {
			id, _, ok, err := s.LookupOpaque(keys[1].Hash)
			return fmt.Sprint(id, ok), err
		},
		"list":   func(s *Store) (string, error) { all, err := allKeys(s, ""); return fmt.Sprint(len(all)), err },
		"scopes": func(s *Store) (string, error) { h, err := s.HeldScopes(1); return fmt.Sprint(h), err },
		"audit": func(s *Store) (string, error) {
			page, err := s.Audit(keystore.AuditQuery{Key: keys[0].ID})
			return fmt.Sprint(page), err
		},
		"use": func(s *Store) (string, error) {
			n := 0
			err := s.UsageSince(0, func(apikey.Usage) { n++ }, func(apikey.WorkspaceUsage) {})
			return fmt.Sprint(n), err
		},
		"check": func(s *Store) (string, error) {
			n, err := s.Check(func(string, error) { t.Error("a problem was found") })
			return fmt.Sprint(n), err
		},
		"backup": func(s *Store) (string, error) {
			var file bytes.Buffer
			err := s.Backup(&file)
			return fmt.Sprint(file.Len() > 0), err
		},
	} {
		cases.Go(func() {
			want, err := read(well)
			if err != nil {
				t.Error(name, err)
				return
			}
			for fault := range redistest.Faults {
				if os.Getenv("KEYGATE_LONG") == "" && fault != redistest.LoseAnswer && fault != redistest.ResetBefore {
					continue
				}
				for call := 1; readBroken(t, server, c, call, fault, name, want, read); call++ {
				}
			}
		})
	}
	cases.Wait()
}

// readBroken reads with a fault. It reports false where there is no such call.
func readBroken(t *testing.T, server *redistest.Server, c redis.Config, call int, fault redistest.Fault, name, want string,
	read func(*Store) (string, error),
) bool {
	gate := redistest.NewGate(t, server.Addr)
	c.Addresses = []string{gate.Addr}
	s := open(t, c)
	defer s.Close()
	gate.Break(call, fault, ofStore)
	got, err := read(s)
	if err == nil && got != want || err != nil && !keystore.IsFailure(err) {
		t.Errorf("%s, %s of call %d: %s, %v; want %s", name, fault, call, got, err, want)
	}
	return gate.Broken() != nil
}
