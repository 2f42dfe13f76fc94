package ratelimit_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/ratelimit"
)

// world is a limiter, the store beside it, and a model of each key and of the
// workspace.
type world struct {
	rng *rand.Rand
	l   *ratelimit.Limiter
	now time.Time

	back  bool // the clock is set back, and nothing swept; or it only goes forward
	fixed bool // limits never change

	ids       []apikey.ID // the last one is in no workspace that is limited
	lim       []apikey.Limits
	keys      map[apikey.ID]*model
	together  apikey.WorkspaceLimits
	workspace *model

	stored          map[apikey.ID]map[apikey.Day]apikey.Usage
	storedWorkspace map[apikey.Day]apikey.WorkspaceUsage

	granted, lost map[apikey.Day]uint64 // to the workspace
}

const acme = "acme"

var (
	modelLimits = []apikey.Limits{
		limits(60, 60, 500).Limits, limits(7, 7, 100).Limits, limits(7, 3, 50).Limits, limits(1, 1, 1000).Limits, limits(11, 5, 5).Limits,
		limits(999_983, 999_983, 1_000_000_000).Limits, limits(1_000_000, 1000, 1_000_000_000).Limits, limits(60, 60, 1).Limits,
	}
	modelTogether = []apikey.WorkspaceLimits{
		{}, {PerMinute: 60, PerDay: 300}, {PerMinute: 13}, {PerDay: 120}, {PerMinute: 1, PerDay: 1_000_000_000}, {PerMinute: 10_000_000, PerDay: 100_000},
	}
	modelCosts   = []int{1, 1, 1, 1, 2, 5, 60, 1000}
	modelForward = []time.Duration{0, 1, 60_000, 8571428571, 8571428572, time.Second, 5 * time.Second, minute, hour, 12 * hour, 5 * day}
	modelBack    = []time.Duration{1, time.Second, minute - 1, minute, minute + 1, hour, day, 3 * day}
)

func newWorld(seed uint64) *world {
	w := &world{
		rng: rand.New(rand.NewPCG(seed, 2026)), l: ratelimit.New(), now: noon,
		back: seed%2 == 1, fixed: seed%3 == 0,
		ids:       []apikey.ID{keyA, keyB, key(7)},
		keys:      map[apikey.ID]*model{},
		workspace: newModel(),
		stored:    map[apikey.ID]map[apikey.Day]apikey.Usage{}, storedWorkspace: map[apikey.Day]apikey.WorkspaceUsage{},
		granted: map[apikey.Day]uint64{}, lost: map[apikey.Day]uint64{},
	}
	if w.back {
		// Keys that happen to share a shard share its clock, which shows when
		// it is set back and not all of them are used each time.
		w.ids = w.ids[:1]
	}
	for _, id := range w.ids {
		w.keys[id], w.stored[id] = newModel(), map[apikey.Day]apikey.Usage{}
		w.lim = append(w.lim, pick(w.rng, modelLimits))
	}
	w.together = pick(w.rng, modelTogether)
	return w
}

func pick[T any](rng *rand.Rand, of []T) T { return of[rng.IntN(len(of))] }

func (w *world) step() error {
	switch n := w.rng.IntN(1000); {
	case n < 300:
		w.now = w.now.Add(pick(w.rng, modelForward[:len(modelForward)-3]))
	case n < 400:
		w.now = w.now.Add(time.Duration(w.rng.Int64N(int64(20 * time.Second))))
	case n < 420:
		w.now = w.now.Add(pick(w.rng, modelForward))
	case n < 470 && w.back:
		w.now = w.now.Add(-pick(w.rng, modelBack))
	case n < 480 && !w.fixed:
		w.lim[w.rng.IntN(len(w.lim))] = pick(w.rng, modelLimits)
	case n < 490 && !w.fixed:
		w.together = pick(w.rng, modelTogether)
	case n < 510 && !w.back:
		w.save()
		w.l.Sweep(w.now)
		for _, m := range w.models() {
			m.swept(w.now)
		}
	case n < 530:
		w.save()
	case n < 550:
		w.l.Undrain(w.l.Drain(nil, nil))
	case n < 580:
		if err := w.deny(w.rng.IntN(len(w.ids))); err != nil {
			return fmt.Errorf("deny: %w", err)
		}
	case n < 590:
		if err := w.restart(); err != nil {
			return fmt.Errorf("restart: %w", err)
		}
	case n < 595:
		w.crash()
	case n < 605 && !w.back:
		if err := w.denyAsOften(w.rng.IntN(len(w.ids))); err != nil {
			return fmt.Errorf("deny as often: %w", err)
		}
	}
	for i := range w.ids {
		if err := w.take(i); err != nil {
			return fmt.Errorf("take: %w", err)
		}
	}
	return nil
}

func (w *world) models() []*model {
	all := []*model{w.workspace}
	for _, m := range w.keys {
		all = append(all, m)
	}
	return all
}

func (w *world) caps(i int) ratelimit.Caps {
	c := ratelimit.Caps{Limits: w.lim[i], Workspace: acme, WorkspaceLimits: w.together}
	if i == 2 {
		c.WorkspaceLimits = apikey.WorkspaceLimits{}
	}
	return c
}

func asLimits(t apikey.WorkspaceLimits) apikey.Limits {
	return apikey.Limits{PerMinute: t.PerMinute, Burst: t.PerMinute, PerDay: t.PerDay}
}

func (w *world) take(i int) error {
	id, caps, cost := w.ids[i], w.caps(i), pick(w.rng, modelCosts)
	peek := w.l.Peek(id, caps, cost, w.now)
	r := w.l.Take(id, caps, cost, w.now)
	if peek != r {
		return fmt.Errorf("Peek %+v, Take %+v", peek, r)
	}
	key, together := w.keys[id], caps.WorkspaceLimits != apikey.WorkspaceLimits{}
	key.advance(caps.Limits, w.now)
	if err := key.check(r.MinuteExhausted, r.DayExhausted, cost); err != nil {
		return fmt.Errorf("key %d with %+v, cost %d: %w (%+v)", i, caps, cost, err, r)
	}
	if together {
		w.workspace.advance(asLimits(caps.WorkspaceLimits), w.now)
		if err := w.workspace.check(r.WorkspaceMinuteExhausted, r.WorkspaceDayExhausted, cost); err != nil {
			return fmt.Errorf("workspace with %+v, cost %d: %w (%+v)", caps, cost, err, r)
		}
	}
	if r.Allowed == (r.MinuteExhausted || r.DayExhausted || r.WorkspaceMinuteExhausted || r.WorkspaceDayExhausted) || r.Allowed != (r.RetryAfter == 0) {
		return fmt.Errorf("%+v contradicts itself", r)
	}
	key.count(func(u *apikey.Usage) {
		u.LastUsed = max(u.LastUsed, w.now.Unix()/60*60)
		if r.Allowed {
			u.Allowed++
		} else {
			u.Limited++
		}
	})
	if r.Allowed {
		key.charge(cost)
		if together {
			w.workspace.charge(cost)
			w.granted[w.workspace.counted] += uint64(cost)
		}
	}
	return w.balanced(key, r, together)
}

func (w *world) balanced(key *model, r ratelimit.Result, together bool) error {
	if err := key.checkBalance(r.Minute, r.Day); err != nil {
		return fmt.Errorf("%w (%+v)", err, r)
	}
	if together {
		if err := w.workspace.checkBalance(r.WorkspaceMinute, r.WorkspaceDay); err != nil {
			return fmt.Errorf("workspace: %w (%+v)", err, r)
		}
	}
	// The rule itself, in a world where it is plain.
	day := w.workspace.counted
	if w.fixed && !w.back && w.together.PerDay != 0 && w.granted[day] > uint64(w.together.PerDay)+w.lost[day] {
		return fmt.Errorf("%d granted on %s of %d, with %d lost in crashes", w.granted[day], day, w.together.PerDay, w.lost[day])
	}
	return nil
}

func (w *world) deny(i int) error {
	id, caps := w.ids[i], w.caps(i)
	r := w.l.Deny(id, caps, w.now)
	key := w.keys[id]
	key.advance(caps.Limits, w.now)
	key.count(func(u *apikey.Usage) {
		u.LastUsed = max(u.LastUsed, w.now.Unix()/60*60)
		u.Denied++
	})
	return w.balanced(key, r, false)
}

// denyAsOften denies a key as often as it did anything else that day, as far as
// that is soon done, and sweeps when its bucket is full: what adds up to nothing
// is no reason to forget it.
func (w *world) denyAsOften(i int) error {
	key := w.keys[w.ids[i]]
	key.advance(w.lim[i], w.now)
	u := key.use[key.counted]
	for range min(u.Charged+u.Allowed+u.Limited-min(u.Denied, u.Charged+u.Allowed+u.Limited), 5000) {
		if err := w.deny(i); err != nil {
			return err
		}
	}
	w.now = w.now.Add(minute)
	w.save()
	w.l.Sweep(w.now)
	for _, m := range w.models() {
		m.swept(w.now)
	}
	return nil
}

// TestModel compares random use over days, restarts and crashes with the model.
// KEYGATE_LONG makes it go on for so long.
func TestModel(t *testing.T) {
	until := time.Now().Add(time.Second)
	seed := uint64(0)
	if s := os.Getenv("KEYGATE_LONG"); s != "" {
		d, err := time.ParseDuration(s)
		if err != nil {
			t.Fatalf("KEYGATE_LONG: %v", err)
		}
		until, seed = time.Now().Add(d), rand.Uint64()
	}
	for ; time.Now().Before(until); seed++ {
		if err := playWorld(seed, 2000); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
}

func playWorld(seed uint64, steps int) error {
	w := newWorld(seed)
	for i := range steps {
		if err := w.step(); err != nil {
			return fmt.Errorf("step %d, at %s: %w", i, w.now, err)
		}
	}
	w.save()
	return w.saved()
}
