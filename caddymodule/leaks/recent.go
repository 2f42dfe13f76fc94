package leaks

import (
	"sync"
	"time"
)

// recent remembers what happened of late: for a while, and no more than so many of
// the latest.
type recent[K comparable] struct {
	keep time.Duration
	most int

	mu    sync.Mutex
	at    map[K]time.Time
	order []happened[K] // the oldest first; of what was forgotten, an entry may be left
}

type happened[K comparable] struct {
	what K
	at   time.Time
}

func newRecent[K comparable](keep time.Duration, most int) *recent[K] {
	return &recent[K]{keep: keep, most: most, at: make(map[K]time.Time)}
}

// claim notes that something happens now, and reports whether it did not of late.
// Of several at the same time, one gets true.
func (r *recent[K]) claim(what K, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.order) > 0 && (len(r.order) >= r.most || now.Sub(r.order[0].at) >= r.keep) {
		r.drop(r.order[0])
		r.order = r.order[1:]
	}
	if _, known := r.at[what]; known {
		return false
	}
	r.at[what] = now
	r.order = append(r.order, happened[K]{what, now})
	return true
}

// drop forgets what happened then, unless it has happened again.
func (r *recent[K]) drop(old happened[K]) {
	if r.at[old.what].Equal(old.at) {
		delete(r.at, old.what)
	}
}

// forget lets something happen again.
func (r *recent[K]) forget(what K) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.at, what)
}
