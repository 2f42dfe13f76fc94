package storetest

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
)

// bounded is an actor that may have so many live keys in a workspace.
func bounded(most int) keystore.Actor {
	return keystore.Actor{At: now, Via: "offline", MaxLive: most}
}

// wantTooMany fails unless an error says that there are this many live keys.
func wantTooMany(t *testing.T, what string, err error, live, most int) {
	t.Helper()
	full, ok := errors.AsType[*keystore.TooManyError](err)
	if !ok || *full != (keystore.TooManyError{Live: live, Max: most}) || keystore.IsFailure(err) {
		t.Errorf("%s: %v; want that there are %d of %d", what, err, live, most)
	}
}

func succeeded(t *testing.T, what string, err error) {
	t.Helper()
	if err != nil {
		t.Errorf("%s: %v", what, err)
	}
}

// rotateTo makes the nth key the successor of another, which expires after overlap.
func rotateTo(t *testing.T, s keystore.Store, id apikey.ID, n int, overlap time.Duration, actor keystore.Actor) error {
	t.Helper()
	_, err := s.Rotate(id, actor, func(old, successor *apikey.Key) error {
		next := newKey(t, n)
		successor.ID, successor.Hash, successor.Prefix, successor.CreatedAt = next.ID, next.Hash, next.Prefix, now
		successor.ExpiresAt = time.Time{}
		old.ExpiresAt = now.Add(overlap)
		return nil
	})
	return err
}

func editAs(s keystore.Store, id apikey.ID, actor keystore.Actor, edit func(*apikey.Key)) error {
	_, err := s.Update(id, "update", actor, func(k *apikey.Key) error { edit(k); return nil })
	return err
}

// testMaxLive has each kind of change at the bound, below and beyond it.
func testMaxLive(t *testing.T, f Factory) {
	s := f.New(t)
	create(t, s, newKey(t, 1), newKey(t, 2), newKey(t, 3))
	other := newKey(t, 90)
	other.Workspace = "other"
	create(t, s, other)
	rename := func(k *apikey.Key) { k.Name += "'" }
	expire := func(k *apikey.Key) { k.ExpiresAt = now }
	prolong := func(k *apikey.Key) { k.ExpiresAt = now.Add(time.Hour) }
	history := len(auditOf(t, s, apikey.ID{}))

	wantTooMany(t, "create at the bound", s.Create(newKey(t, 4), bounded(3)), 3, 3)
	wantTooMany(t, "create beyond the bound", s.Create(newKey(t, 4), bounded(1)), 3, 1)
	wantTooMany(t, "rotate with overlap", rotateTo(t, s, keyID(1), 5, time.Hour, bounded(3)), 3, 3)
	wantNone(t, s, keyID(4))
	wantNone(t, s, keyID(5))
	if n := len(auditOf(t, s, apikey.ID{})); n != history {
		t.Errorf("what was refused is in the trail: %d entries of %d", n, history)
	}
	wantKey(t, s, newKey(t, 1))

	// What does not add to them is done, however many there are.
	succeeded(t, "rename", editAs(s, keyID(1), bounded(1), rename))
	succeeded(t, "disable", editAs(s, keyID(1), bounded(1), func(k *apikey.Key) { k.Disabled = true }))
	wantTooMany(t, "create beside a disabled key", s.Create(newKey(t, 4), bounded(3)), 3, 3)
	succeeded(t, "enable", editAs(s, keyID(1), bounded(1), func(k *apikey.Key) { k.Disabled = false }))
	succeeded(t, "prolong a live key", editAs(s, keyID(1), bounded(1), prolong))
	succeeded(t, "rotate without overlap", rotateTo(t, s, keyID(1), 6, 0, bounded(1)))
	dead := newKey(t, 7)
	dead.ExpiresAt = now
	succeeded(t, "create an expired key", s.Create(dead, bounded(1)))
	succeeded(t, "rename an expired key", editAs(s, keyID(7), bounded(1), rename))
	succeeded(t, "disable an expired key", editAs(s, keyID(7), bounded(1), func(k *apikey.Key) { k.Disabled = true }))
	wantTooMany(t, "prolong an expired key", editAs(s, keyID(7), bounded(3), prolong), 3, 3)
	succeeded(t, "another workspace", editAs(s, keyID(90), bounded(1), rename))

	// Room is made by all that ends a key.
	succeeded(t, "prolong an expired key within the bound", editAs(s, keyID(7), bounded(4), prolong))
	wantTooMany(t, "create beside it", s.Create(newKey(t, 4), bounded(4)), 4, 4)
	succeeded(t, "expire a disabled key", editAs(s, keyID(7), bounded(1), expire))
	succeeded(t, "create in its room", s.Create(newKey(t, 4), bounded(4)))
	update(t, s, keyID(4), "revoke", revoke)
	succeeded(t, "create in the room of a revoked key", s.Create(newKey(t, 8), bounded(4)))
	if err := s.Delete(keyID(8), by, nil); err != nil {
		t.Fatal(err)
	}
	succeeded(t, "rotate into the room of a deleted key", rotateTo(t, s, keyID(2), 9, time.Hour, bounded(4)))
	wantTooMany(t, "a key that expires later", s.Create(newKey(t, 10), bounded(4)), 4, 4)
	later := bounded(4)
	later.At = now.Add(time.Hour)
	succeeded(t, "when it has expired", s.Create(newKey(t, 10), later))
	create(t, s, newKey(t, 11)) // nobody bounds it
	s = f.Reopen(t, s)
	wantTooMany(t, "beyond the bound, reopened", s.Create(newKey(t, 12), later), 5, 4)
	wantNoProblem(t, s)
}

// testMaxLiveAtOnce makes many keys at once, of which there is room for some; so do
// rotations.
func testMaxLiveAtOnce(t *testing.T, f Factory) {
	const at, room, keep = 100, 25, 5
	s := f.New(t)
	for n := range keep {
		create(t, s, newKey(t, 500+n))
	}
	var made, refused atomic.Int64
	var all sync.WaitGroup
	for n := range at {
		all.Go(func() {
			var err error
			if n%10 == 0 {
				err = rotateTo(t, s, keyID(500+n%keep), n, time.Hour, bounded(room))
			} else {
				err = s.Create(newKey(t, n), bounded(room))
			}
			switch _, full := errors.AsType[*keystore.TooManyError](err); {
			case err == nil:
				made.Add(1)
			case full:
				refused.Add(1)
			default:
				t.Errorf("key %d: %v", n, err)
			}
		})
	}
	all.Wait()
	if made.Load() != room-keep || made.Load()+refused.Load() != at {
		t.Errorf("%d are made and %d refused; want %d made of %d", made.Load(), refused.Load(), room-keep, at)
	}
	wantTooMany(t, "one more", s.Create(newKey(t, 999), bounded(room)), room, room)
}

// testMaxLiveModel makes random changes within random bounds, and holds each to what
// a small model says.
func testMaxLiveModel(t *testing.T, f Factory) {
	const keys, changes = 12, 400
	seed := uint64(time.Now().UnixNano())
	r := rand.New(rand.NewPCG(seed, 1))
	s := f.New(t)
	model := make(map[int]apikey.Key)
	workspaces := []string{"a", "b"}
	live := func(workspace string, at time.Time) (n int) {
		for _, k := range model {
			if k.Workspace == workspace && k.RevokedAt.IsZero() && (k.ExpiresAt.IsZero() || at.Before(k.ExpiresAt)) {
				n++
			}
		}
		return n
	}
	hours := func() time.Time {
		if r.IntN(3) == 0 {
			return time.Time{}
		}
		return now.Add(time.Duration(r.IntN(7)-3) * time.Hour)
	}
	for step := range changes {
		n, next := r.IntN(keys), keys+step
		actor := keystore.Actor{At: now.Add(time.Duration(r.IntN(5)-2) * time.Hour), Via: "offline", MaxLive: r.IntN(7)}
		k, exists := model[n]
		workspace := k.Workspace
		if !exists {
			workspace = workspaces[r.IntN(2)]
		}
		before, saved := live(workspace, actor.At), maps.Clone(model)
		var what string
		var do func() error
		switch op := r.IntN(4); {
		case !exists:
			k = newKey(t, n)
			k.Workspace, k.ExpiresAt, k.Disabled = workspace, hours(), r.IntN(2) == 0
			what, do = "create", func() error { return s.Create(k, actor) }
			model[n] = k
		case op == 0:
			what, do = "delete", func() error { return s.Delete(k.ID, actor, nil) }
			delete(model, n)
		case op == 1:
			after := k
			after.ExpiresAt = hours()
			successor := newKey(t, next)
			successor.ExpiresAt = hours()
			what, do = "rotate", func() error {
				_, err := s.Rotate(k.ID, actor, func(old, heir *apikey.Key) error {
					heir.ID, heir.Hash, heir.Prefix, heir.CreatedAt, heir.ExpiresAt = successor.ID, successor.Hash, successor.Prefix, now, successor.ExpiresAt
					heir.Disabled, heir.RevokedAt = false, time.Time{}
					old.ExpiresAt = after.ExpiresAt
					return nil
				})
				return err
			}
			successor.Workspace = workspace
			model[n], model[next] = after, successor
		default:
			after := k
			after.ExpiresAt, after.Disabled = hours(), r.IntN(2) == 0
			if r.IntN(5) == 0 {
				after.RevokedAt = now
			}
			what, do = "update", func() error {
				return editAs(s, k.ID, actor, func(k *apikey.Key) {
					k.ExpiresAt, k.Disabled, k.RevokedAt = after.ExpiresAt, after.Disabled, after.RevokedAt
				})
			}
			model[n] = after
		}
		after := live(workspace, actor.At)
		what = fmt.Sprintf("seed %d, step %d: %s in %s, %d live keys become %d, at most %d", seed, step, what, workspace, before, after, actor.MaxLive)
		if actor.MaxLive > 0 && after > before && after > actor.MaxLive {
			wantTooMany(t, what, do(), before, actor.MaxLive)
			model = saved
		} else {
			succeeded(t, what, do())
		}
		if t.Failed() {
			return
		}
	}
	wantNoProblem(t, s)
}
