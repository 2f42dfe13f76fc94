package ratelimit_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/ratelimit"
)

// TestRotationsGrantNothing sends the same requests, at the same times, to two
// limiters: in one of them the key is rotated, its successors are used in turns
// and deleted, the first of them too. The other knows one key that is never
// rotated. Both restart and crash together, and the day ends now and then. They
// must answer alike: no rotation grants anything, or takes anything away.
func TestRotationsGrantNothing(t *testing.T) {
	for run := range 60 {
		seed := rand.Uint64()
		t.Run(fmt.Sprintf("run %d, seed %d", run, seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 1))
			w := &twins{rotated: newTwin(), plain: newTwin(), r: r, now: noon.Add(-time.Duration(r.IntN(100)) * time.Hour)}
			w.caps = limits(1+r.Uint32N(120), 1, 1+r.Uint32N(30))
			w.caps.Burst = 1 + r.Uint32N(w.caps.PerMinute)
			if r.IntN(2) == 0 {
				w.caps.Workspace, w.caps.WorkspaceLimits = acme, apikey.WorkspaceLimits{PerMinute: r.Uint32N(40), PerDay: r.Uint32N(100)}
			}
			w.live = []apikey.ID{key(0)}
			for step := range 400 {
				if err := w.step(); err != nil {
					t.Fatalf("step %d at %s: %v", step, w.now, err)
				}
			}
			if w.passed == 0 || w.refused == 0 {
				t.Errorf("%d passed and %d were refused: too few to tell", w.passed, w.refused)
			}
			w.counts(t)
		})
	}
}

// twin is one of the two limiters, and what is stored of it.
type twin struct {
	*ratelimit.Limiter
	days       map[dayOf]apikey.Usage
	workspaces map[apikey.Day]apikey.WorkspaceUsage
}

type dayOf struct {
	id  apikey.ID
	day apikey.Day
}

func newTwin() *twin {
	return &twin{ratelimit.New(), make(map[dayOf]apikey.Usage), make(map[apikey.Day]apikey.WorkspaceUsage)}
}

func (w *twin) save() {
	keys, workspaces := w.Drain(nil, nil)
	for _, u := range keys {
		w.days[dayOf{u.ID, u.Day}] = u
	}
	for _, u := range workspaces {
		w.workspaces[u.Day] = u
	}
}

// restart begins anew with what is stored, and with the buckets if it was
// graceful.
func (w *twin) restart(now time.Time, graceful bool) {
	var buckets []apikey.Bucket
	if graceful {
		w.save()
		buckets = w.Buckets(now)
	}
	w.Limiter = ratelimit.New()
	for _, u := range w.days {
		if u.Day >= apikey.DayOf(now) {
			w.Restore(u)
		}
	}
	for _, u := range w.workspaces {
		if u.Day >= apikey.DayOf(now) {
			w.RestoreWorkspace(u)
		}
	}
	for _, b := range buckets {
		w.RestoreBucket(b, now)
	}
	w.Sweep(now)
}

type twins struct {
	rotated, plain *twin
	r              *rand.Rand
	now            time.Time
	caps           ratelimit.Caps
	made           int         // successors
	live           []apikey.ID // of the rotated key and its successors
	passed, refused,
	denied int
}

func (w *twins) step() error {
	switch w.r.IntN(20) {
	case 0:
		w.made++
		w.live = append(w.live, key(w.made))
	case 1:
		if len(w.live) > 1 {
			gone := w.r.IntN(len(w.live))
			w.rotated.Forget(w.live[gone])
			w.live = append(w.live[:gone], w.live[gone+1:]...)
		}
	case 2:
		w.now = w.now.Add(time.Duration(w.r.IntN(90)) * time.Second)
	case 3:
		if w.r.IntN(4) == 0 {
			w.now = w.now.Add(time.Duration(w.r.IntN(30)) * time.Hour)
		}
	case 4:
		graceful := w.r.IntN(2) == 0
		w.rotated.restart(w.now, graceful)
		w.plain.restart(w.now, graceful)
	case 5:
		w.rotated.save()
		w.plain.save()
	case 6:
		w.rotated.Sweep(w.now)
		w.plain.Sweep(w.now)
	default:
		return w.ask()
	}
	return nil
}

// ask sends a request to both. A key that has no account of another says so, or
// says that it is its own.
func (w *twins) ask() error {
	id, caps, cost := w.live[w.r.IntN(len(w.live))], w.caps, 1+w.r.IntN(3)
	if id != key(0) || w.r.IntN(2) == 0 {
		caps.Account = key(0)
	}
	peeked, want := w.rotated.Peek(id, caps, cost, w.now), w.plain.Peek(key(0), w.caps, cost, w.now)
	if peeked != want {
		return fmt.Errorf("%q is told by Peek\n%+v; want\n%+v", id, peeked, want)
	}
	var got ratelimit.Result
	if w.r.IntN(5) == 0 {
		w.denied++
		got, want = w.rotated.Deny(id, caps, w.now), w.plain.Deny(key(0), w.caps, w.now)
	} else {
		got, want = w.rotated.Take(id, caps, cost, w.now), w.plain.Take(key(0), w.caps, cost, w.now)
		if got.Allowed {
			w.passed++
		} else {
			w.refused++
		}
	}
	if got != want {
		return fmt.Errorf("%q is told\n%+v; want\n%+v", id, got, want)
	}
	return nil
}

// counts checks that each request was counted once, for some key, and charged to
// the account alone. Crashes lose counts of both alike, and deletions those of
// the key that is deleted, so that there may be fewer.
func (w *twins) counts(t *testing.T) {
	t.Helper()
	w.rotated.save()
	w.plain.save()
	sum := func(w *twin) (all apikey.Usage) {
		for d, u := range w.days {
			all.Allowed, all.Limited, all.Denied = all.Allowed+u.Allowed, all.Limited+u.Limited, all.Denied+u.Denied
			if all.Charged += u.Charged; u.Charged != 0 && d.id != key(0) {
				t.Errorf("%q is charged %d itself", d.id, u.Charged)
			}
		}
		return all
	}
	got, want := sum(w.rotated), sum(w.plain)
	if got.Charged != want.Charged || got.Allowed > want.Allowed || got.Limited > want.Limited || got.Denied > want.Denied {
		t.Errorf("counted %+v; want %+v", got, want)
	}
}

// Each key counts its own requests, and the account of none of the others does.
func TestKeysOfOneAccountCountForThemselves(t *testing.T) {
	l, c := ratelimit.New(), together(60, 5)
	c.Account = keyA
	takeBy(l, keyA, c, 1, noon)
	takeBy(l, keyB, c, 6, noon)
	l.Deny(keyB, c, noon)
	today, at := apikey.DayOf(noon), noon.Unix()
	want := map[apikey.ID]apikey.Usage{
		keyA: {ID: keyA, Day: today, Charged: 5, Allowed: 1, LastUsed: at},
		keyB: {ID: keyB, Day: today, Allowed: 4, Limited: 2, Denied: 1, LastUsed: at},
	}
	got := drain(l)
	for _, u := range got {
		if u != want[u.ID] {
			t.Errorf("drained %+v; want %+v", u, want[u.ID])
		}
	}
	if len(got) != 2 {
		t.Errorf("drained %+v", got)
	}
	if buckets := l.Buckets(noon); find(buckets, keyB, "") != nil || find(buckets, keyA, "") == nil {
		t.Errorf("the buckets are %+v", buckets)
	}
}

// Keys of one account that are held to different limits have together what the
// one with the higher limit would have alone.
func TestKeysOfOneAccountWithDifferentLimits(t *testing.T) {
	l, small, large := ratelimit.New(), limits(6, 3, 5), limits(60, 10, 20)
	large.Account = keyA
	passed := 0
	for range 30 {
		passed += takeBy(l, keyB, large, 1, noon) + takeBy(l, keyA, small, 1, noon)
	}
	if passed != 4 { // the small bucket takes the tokens that it has no room for
		t.Errorf("%d passed at once", passed)
	}
	for n := range 600 {
		at := noon.Add(time.Duration(n) * time.Second)
		passed += takeBy(l, keyA, small, 1, at) + takeBy(l, keyB, large, 1, at)
	}
	if passed != 20 {
		t.Errorf("%d passed on the day; want the 20 of the larger quota", passed)
	}
}

func TestSharedAccountsAllocateNothing(t *testing.T) {
	l, c := ratelimit.New(), together(endless, endless)
	c.Account = keyA
	l.Take(keyB, c, 1, noon)
	for name, call := range map[string]func(){
		"Take": func() { l.Take(keyB, c, 1, noon) },
		"Deny": func() { l.Deny(keyB, c, noon) },
		"Peek": func() { l.Peek(keyB, c, 1, noon) },
	} {
		if n := testing.AllocsPerRun(100, call); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// All keys of an account at once pass what it has, and in one workspace with
// others what that has.
func TestKeysOfOneAccountAtOnce(t *testing.T) {
	l, c := ratelimit.New(), limits(1_000_000, 1000, 300)
	c.Account, c.Workspace, c.WorkspaceLimits = key(0), acme, apikey.WorkspaceLimits{PerDay: 500}
	passed := make(chan int)
	for n := range 8 {
		go func() { passed <- takeBy(l, key(n), c, 200, noon) }()
	}
	all := 0
	for range 8 {
		all += <-passed
	}
	if all != 300 {
		t.Errorf("%d passed, of a quota of 300", all)
	}
}
