package leaks

import (
	"testing"
	"time"
)

func TestRecent(t *testing.T) {
	r := newRecent[int](time.Hour, 3)
	now := time.Unix(1000, 0)
	claim := func(what int, want bool) {
		t.Helper()
		if got := r.claim(what, now); got != want {
			t.Errorf("claim(%d) = %t", what, got)
		}
	}
	claim(1, true)
	claim(1, false)
	now = now.Add(time.Hour - 1)
	claim(1, false)
	claim(2, true)
	now = now.Add(1)
	claim(1, true) // an hour later
	r.forget(2)
	claim(2, true)
	claim(1, false)
	for i := range 1000 { // the oldest makes room
		claim(100+i, true)
	}
	claim(2, true)
	claim(1099, false)
	if len(r.at) > 3 || len(r.order) > 3 {
		t.Errorf("%d and %d are remembered", len(r.at), len(r.order))
	}
}

// However long it takes, the answer is due at a multiple, and always later.
func TestUntilDue(t *testing.T) {
	for taken, want := range map[time.Duration]time.Duration{
		0:                    dueEvery,
		1:                    dueEvery - 1,
		dueEvery - 1:         1,
		dueEvery:             dueEvery,
		2*dueEvery + 1:       dueEvery - 1,
		-time.Second:         dueEvery, // the clock was set back
		1000 * dueEvery / 10: dueEvery,
	} {
		if got := untilDue(taken); got != want {
			t.Errorf("untilDue(%v) = %v, want %v", taken, got, want)
		}
	}
}
