package keystore

import (
	"container/list"
	"sync"
	"time"
)

// Underway knows the changes of a store that have begun and not ended, and so how
// long the oldest of them has waited: for a change before it, for a reader, for
// the disk or the engine. The zero Underway is ready. Look-ups do not touch it.
type Underway struct {
	mu    sync.Mutex
	began list.List // of time.Time, the oldest first
}

// Begin notes a change that begins now. The change calls end once, when it is
// over.
func (u *Underway) Begin(now time.Time) (end func()) {
	u.mu.Lock()
	defer u.mu.Unlock()
	change := u.began.PushBack(now)
	return func() {
		u.mu.Lock()
		defer u.mu.Unlock()
		u.began.Remove(change)
	}
}

// Waiting returns for how long the oldest change has been under way, or 0 if there
// is none.
func (u *Underway) Waiting(now time.Time) time.Duration {
	u.mu.Lock()
	defer u.mu.Unlock()
	oldest := u.began.Front()
	if oldest == nil {
		return 0
	}
	return now.Sub(oldest.Value.(time.Time))
}

// turns is the lock that changes take in turn. It knows who waits for it, and who
// has it.
type turns struct {
	sync.Mutex
	now      func() time.Time
	underway Underway
	end      func() // of the change that has the lock
}

func (t *turns) Lock() {
	end := t.underway.Begin(t.now())
	t.Mutex.Lock()
	t.end = end
}

func (t *turns) Unlock() {
	t.end()
	t.Mutex.Unlock()
}
