package keystore

import (
	"errors"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/socialpatra/keygate/apikey"
)

// However changes begin and end, the oldest one that has not ended is told.
func TestUnderway(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var u Underway
	now := testActor.At
	type begun struct {
		at  time.Time
		end func()
	}
	var open []begun
	for range 2000 {
		now = now.Add(time.Duration(r.IntN(1000)) * time.Millisecond)
		if n := len(open); n > 0 && r.IntN(2) == 0 {
			i := r.IntN(n)
			open[i].end()
			open = slices.Delete(open, i, i+1)
		} else {
			open = append(open, begun{now, u.Begin(now)})
		}
		want := time.Duration(0)
		if len(open) > 0 {
			want = now.Sub(open[0].at)
		}
		if got := u.Waiting(now); got != want {
			t.Fatalf("the oldest of %d changes waits for %s, want %s", len(open), got, want)
		}
	}
}

// fileChanges is every method of a store that writes.
func fileChanges(t *testing.T, b *Bolt) map[string]func() error {
	t.Helper()
	k := testKey(t)
	k.ID, k.Hash = numberedID(70), apikey.Hash{70}
	more := testKey(t)
	more.ID, more.Hash = numberedID(71), apikey.Hash{71}
	opened := func() error {
		_, _, err := b.OpenOutbox("box", "me", testActor.At)
		return err
	}
	return map[string]func() error{
		"Create":    func() error { return b.Create(k, testActor) },
		"CreateAll": func() error { return b.CreateAll([]apikey.Key{more}, testActor, nil) },
		"Update": func() error {
			_, err := b.Update(numberedID(0), "disable", testActor, func(k *apikey.Key) error { k.Disabled = !k.Disabled; return nil })
			return err
		},
		"Rotate": func() error {
			_, err := b.Rotate(numberedID(1), testActor, func(_, k *apikey.Key) error {
				k.ID, k.Hash, k.Prefix = numberedID(72), apikey.Hash{72}, apikey.Prefix("patra", numberedID(72))
				k.CreatedAt = testActor.At
				return nil
			})
			return err
		},
		"Delete": func() error { return b.Delete(numberedID(2), testActor, nil) },
		"SetWorkspaceLimits": func() error {
			return b.SetWorkspaceLimits("acme", &apikey.WorkspaceLimits{PerDay: 7}, testActor)
		},
		"SetBrand":    func() error { return b.SetBrand("acme") },
		"SaveBuckets": func() error { return b.SaveBuckets(nil) },
		"SaveUsage": func() error {
			return b.SaveUsage([]apikey.Usage{{ID: numberedID(0), Day: apikey.DayOf(testActor.At)}}, nil)
		},
		"Prune":      func() error { return b.Prune(1, testActor.At) },
		"OpenOutbox": opened,
		"ForgetOutboxes": func() error {
			_, err := b.ForgetOutboxes(testActor.At)
			return err
		},
	}
}

// waitingStore is a store that maps nothing ahead, as on Windows, with a clock.
func waitingStore(t *testing.T) (*Bolt, *atomic.Int64) {
	t.Helper()
	path := writeStore(t, 5)
	b := newBolt(path)
	if err := b.openReserving(path, []int{0}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.load(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	b.db.NoSync = true // no test of crashes
	var clock atomic.Int64
	b.writing.now = func() time.Time { return testActor.At.Add(time.Duration(clock.Load())) }
	return b, &clock
}

// Whichever change waits for one before it is told of, and none that has ended.
func TestEveryChangeThatWaitsIsTold(t *testing.T) {
	b, clock := waitingStore(t)
	for name, change := range fileChanges(t, b) {
		b.writing.Mutex.Lock()
		if got := b.Waiting(); got != 0 {
			t.Errorf("before %s: %s", name, got)
		}
		done := make(chan error, 1)
		go func() { done <- change() }()
		awaitWaiting(t, b, clock)
		if _, _, err := b.Lookup(numberedID(0)); err != nil {
			t.Error(err)
		}
		b.writing.Mutex.Unlock()
		if err := <-done; err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got := b.Waiting(); got != 0 {
			t.Errorf("after %s: %s", name, got)
		}
	}
}

// A change that waits for a reader, because the file is mapped anew, or for the
// disk, is told of; a reader is not, and no change that was refused.
func TestWhateverAChangeWaitsForIsTold(t *testing.T) {
	b, clock := waitingStore(t)
	clock.Add(1)
	if _, err := b.Update(numberedID(77), "revoke", testActor, nil); err == nil {
		t.Error("an unknown key was changed")
	}
	reader, err := b.db.Begin(false)
	if err != nil {
		t.Fatal(err)
	}
	clock.Add(int64(time.Minute))
	if got := b.Waiting(); got != 0 {
		t.Errorf("while somebody reads: %s", got)
	}
	done := make(chan error, 1)
	go func() { done <- b.CreateAll(longKeys(t, 3000), testActor, nil) }()
	awaitWaiting(t, b, clock)
	select {
	case err := <-done:
		t.Fatalf("the file was not mapped anew: %v", err)
	case <-time.After(300 * time.Millisecond): // the change has reached the reader, and still waits
		awaitWaiting(t, b, clock)
	}
	if err := errors.Join(reader.Rollback(), <-done); err != nil || b.Waiting() != 0 {
		t.Errorf("when the reader has gone: %v, %s", err, b.Waiting())
	}

	goOn := make(chan struct{})
	go func() {
		b.writing.Lock()
		defer b.writing.Unlock()
		done <- b.commit(func(*bolt.Tx) error { <-goOn; return nil })
	}()
	awaitWaiting(t, b, clock)
	close(goOn)
	if err := <-done; err != nil {
		t.Error(err)
	}
	if err := b.SetBrand("after"); err != nil { // waits until that change has ended
		t.Error(err)
	}
	if got := b.Waiting(); got != 0 {
		t.Errorf("when the disk has answered: %s", got)
	}
}

// awaitWaiting waits until a change is under way, and then lets it wait.
func awaitWaiting(t *testing.T, b *Bolt, clock *atomic.Int64) {
	t.Helper()
	clock.Add(1)
	for end := time.Now().Add(patience); b.Waiting() == 0; clock.Add(1) {
		if time.Now().After(end) {
			t.Error("a change waits, and nobody says so")
			return
		}
		time.Sleep(time.Millisecond)
	}
	const late = 7 * time.Second
	clock.Add(int64(late))
	if got := b.Waiting(); got < late {
		t.Errorf("a change has waited for %s, and is told as %s", late, got)
	}
}
