//go:build fleet

package redisstore

import (
	"errors"
	"fmt"
	"time"

	"github.com/socialpatra/keygate/apikey"
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

// boundedKey is a key that is alone in its workspace.
func boundedKey(n int) apikey.Key {
	k := key(n)
	k.Workspace = fmt.Sprintf("bounded%d", n)
	return k
}

func within(most int) keystore.Actor {
	actor := by
	actor.MaxLive = most
	return actor
}

func rotatedWithin(most int) func(*Store, int) error {
	return func(s *Store, n int) error {
		return last(s.Rotate(key(n).ID, within(most), func(old, k *apikey.Key) error {
			if !old.ReplacedBy.IsZero() {
				return errRotated
			}
			next := successor(n)
			k.ID, k.Hash, k.Prefix, k.CreatedAt = next.ID, next.Hash, next.Prefix, by.At
			old.ExpiresAt = by.At.Add(time.Hour)
			return nil
		}))
	}
}

// full reports whether a workspace has the key that a change within its bound adds
// to those it had before, and tries: then another key is refused, and otherwise there
// is exactly the room that there was.
func full(s *Store, n int, added apikey.ID, before, most int) (bool, error) {
	made := false
	var err error
	if !added.IsZero() {
		if made, err = thereIs(s, added); err != nil {
			return false, err
		}
	}
	another := boundedKey(n)
	more := testKey(10*n + 5)
	another.ID, another.Hash, another.Prefix = more.ID, more.Hash, more.Prefix
	if err := s.Delete(another.ID, by, nil); err != nil && !errors.Is(err, keystore.ErrNotFound) { // of a try that failed
		return false, err
	}
	err = s.Create(another, within(most))
	refused, isFull := errors.AsType[*keystore.TooManyError](err)
	switch {
	case made && isFull && refused.Live == most:
		return true, nil
	case !made && err == nil:
		return false, s.Delete(another.ID, by, nil)
	case made && err == nil, isFull:
		return made, fmt.Errorf("made: %t; %d live keys before it, at most %d; another: %w", made, before, most, err)
	}
	return made, err
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
	uses := make(map[int]int) // how often use was saved; each time may count
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
			name: "other scopes", before: func(s *Store, n int) error {
				return errors.Join(created(s, n), s.AddUsage([]apikey.Usage{{ID: key(n).ID, Day: 20000, Seen: seenOf(key(n))}}))
			}, run: edits("update", func(k *apikey.Key) { k.Scopes = []string{"new:scope"} }),
			done: func(s *Store, n int) (bool, error) {
				done, err := is(s, n, func(k *apikey.Key) bool { return len(k.Scopes) > 0 && k.Scopes[0] == "new:scope" })
				r, wrong, failed := seenIn(key(n).ID, s.conn.DoMulti(s.conn.B().Hgetall().Key(s.names.seenOf(key(n).ID)).Build())[0])
				if err = errors.Join(err, wrong, failed); err != nil {
					return done, err
				}
				if anew := len(r.Scopes) == 1 && r.Scopes[0] == (apikey.ScopeUse{Scope: "new:scope", Since: apikey.DayOf(by.At)}); anew != done {
					err = fmt.Errorf("changed: %t, seen: %+v", done, r)
				}
				return done, err
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
		{
			name: "create within a bound", again: true, run: func(s *Store, n int) error { return s.Create(boundedKey(n), within(1)) },
			done: func(s *Store, n int) (bool, error) { return full(s, n, boundedKey(n).ID, 0, 1) },
		},
		{
			name: "rotate within a bound", before: func(s *Store, n int) error { return s.Create(boundedKey(n), by) }, run: rotatedWithin(2),
			done: func(s *Store, n int) (bool, error) { return full(s, n, successor(n).ID, 1, 2) },
		},
		{
			name: "prolong within a bound", before: func(s *Store, n int) error {
				k := boundedKey(n)
				k.ExpiresAt = by.At
				return s.Create(k, by)
			}, run: func(s *Store, n int) error {
				return last(s.Update(key(n).ID, "update", within(1), func(k *apikey.Key) error { k.ExpiresAt = time.Time{}; return nil }))
			},
			done: func(s *Store, n int) (bool, error) {
				k, err := s.Get(key(n).ID)
				if err != nil {
					return false, err
				}
				id := key(n).ID
				if !k.ExpiresAt.IsZero() {
					id = apikey.ID{}
				}
				return full(s, n, id, 0, 1)
			},
		},
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
			uses[n]++
			return s.AddUsage([]apikey.Usage{{ID: key(n).ID, Day: 20000, Allowed: 1, LastUsed: 60, Seen: seenOf(key(n))}})
		}, done: func(s *Store, n int) (bool, error) {
			used, err := s.Usage(key(n).ID, 20000, 20000)
			if err != nil || len(used) == 0 {
				return false, err
			}
			noted := false
			err = s.UsageSince(20000, func(u apikey.Usage) { noted = noted || u.ID == key(n).ID }, func(apikey.WorkspaceUsage) {})
			r, wrong, failed := seenIn(key(n).ID, s.conn.DoMulti(s.conn.B().Hgetall().Key(s.names.seenOf(key(n).ID)).Build())[0])
			if err = errors.Join(err, wrong, failed); err == nil && (used[0].Allowed > uint64(uses[n]) || !noted || len(r.Scopes) != 1 || r.Scopes[0].Last != 20000) {
				err = fmt.Errorf("%+v, noted: %t, seen: %+v", used, noted, r)
			}
			return true, err
		}},
		{
			name: "prune", before: func(s *Store, n int) error { return s.SetWorkspaceLimits(fmt.Sprintf("w%d", n), nil, by) },
			run: func(s *Store, n int) error { return s.Prune(20001, by.At) },
		},
		{name: "mend", again: true, before: func(s *Store, n int) error {
			// An index of which all is gone is lost, and nothing would be made any more.
			if err := s.Create(testKey(1), by); err != nil && !errors.Is(err, keystore.ErrExists) {
				return err
			}
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
