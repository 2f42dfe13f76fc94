package expiry

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/internal/keyfields"
	"github.com/socialpatra/keygate/keystore"
)

const day = 24 * time.Hour

var start = time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)

func openStore(t *testing.T) *keystore.Bolt {
	t.Helper()
	s, err := keystore.OpenBolt(filepath.Join(t.TempDir(), "data", "keys.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func keyID(n int) apikey.ID { return apikey.ID([]byte(fmt.Sprintf("%012d", n))) }

// addKey creates the nth key, made at an instant, which expires after so long.
func addKey(t *testing.T, s keystore.Store, n int, made time.Time, life time.Duration) apikey.Key {
	t.Helper()
	k := keyfields.Plain(keyID(n))
	k.CreatedAt = made
	if life != 0 {
		k.ExpiresAt = made.Add(life).Truncate(time.Second)
	}
	if err := s.Create(k, keystore.Actor{At: made, Via: "offline"}); err != nil {
		t.Fatal(err)
	}
	return k
}

// heard is what several announcers of one store have announced, by key and expiry.
type heard struct {
	t      *testing.T
	days   map[string][]uint8
	clocks map[string][]time.Time
}

func listen(t *testing.T) *heard {
	return &heard{t, make(map[string][]uint8), make(map[string][]time.Time)}
}

func nameOf(k *apikey.Key) string { return k.ID.String() + " " + k.ExpiresAt.Format(time.RFC3339) }

// gateway is an announcer with a clock of its own, now.
func (h *heard) gateway(s Store, now *time.Time) *Announcer {
	return New(Options{
		Store: s,
		Now:   func() time.Time { return *now },
		Announced: func(k *apikey.Key, days uint8) {
			if k.Warned != days {
				h.t.Errorf("%s: announced %d, and the key says %d", nameOf(k), days, k.Warned)
			}
			if at := k.ExpiresAt.Add(-time.Duration(days) * day); now.Before(at) || !at.After(k.CreatedAt) || !k.Live(*now) {
				h.t.Errorf("%s, made at %s: %d days are announced at %s", nameOf(k), k.CreatedAt, days, now)
			}
			h.days[nameOf(k)] = append(h.days[nameOf(k)], days)
			h.clocks[nameOf(k)] = append(h.clocks[nameOf(k)], *now)
		},
		Pause: func(time.Duration) bool { return true },
	})
}

func (h *heard) want(k *apikey.Key, days ...uint8) {
	h.t.Helper()
	if got := h.days[nameOf(k)]; !slices.Equal(got, days) {
		h.t.Errorf("%s: announced %v; want %v", nameOf(k), got, days)
	}
}

func checked(t *testing.T, a *Announcer) {
	t.Helper()
	if err := a.Check(); err != nil {
		t.Fatal(err)
	}
}

// Over a steady clock each warning comes once, within one round, also where only what
// became due since the last check is looked for.
func TestEachOnceInTime(t *testing.T) {
	for _, onlyNews := range []bool{false, true} {
		s, h := openStore(t), listen(t)
		lives := []time.Duration{40 * day, 30 * day, 30*day + time.Second, 10 * day, 7 * day, day, time.Hour, 0}
		var keys []apikey.Key
		for n, life := range lives {
			keys = append(keys, addKey(t, s, n, start, life))
		}
		now := start
		a, b := h.gateway(s, &now), h.gateway(s, &now)
		for ; now.Before(start.Add(41 * day)); now = now.Add(time.Hour) {
			checked(t, a)
			checked(t, b)
			if onlyNews {
				a.allDue, b.allDue = now.Add(day), now.Add(day)
			}
		}
		for n, want := range [][]uint8{{30, 14, 7, 1}, {14, 7, 1}, {30, 14, 7, 1}, {7, 1}, {1}, {}, {}, {}} {
			k := &keys[n]
			h.want(k, want...)
			for i, at := range h.clocks[nameOf(k)] {
				if late := at.Sub(k.ExpiresAt.Add(-time.Duration(want[i]) * day)); late < 0 || late >= time.Hour {
					t.Errorf("only news %t: %s: %d days are announced %s late", onlyNews, nameOf(k), want[i], late)
				}
			}
		}
		wantTrail(t, s, keyID(0), "30d", "14d", "7d", "1d")
	}
}

// wantTrail fails unless the trail of a key has these warnings, and nothing beside.
func wantTrail(t *testing.T, s keystore.Store, id apikey.ID, want ...string) {
	t.Helper()
	page, err := s.Audit(keystore.AuditQuery{Key: id})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range slices.Backward(page.Entries) {
		if e.Action == "create" {
			continue
		}
		if e.Action != "expiring" || e.Via != "keygate" || len(e.Changes) > 0 {
			t.Errorf("in the trail is %+v", e)
		}
		got = append(got, e.Reason)
	}
	if !slices.Equal(got, want) {
		t.Errorf("the trail has %v; want %v", got, want)
	}
}

// faulty is a store whose changes fail now and then, before or after they are made.
type faulty struct {
	keystore.Store
	random *rand.Rand
	rate   int // of how many changes one fails; 0: none
	lost   map[string][]uint8
}

var errDisk = fmt.Errorf("%w: the disk is full", keystore.ErrNotWritten)

func (s *faulty) Update(id apikey.ID, action string, by keystore.Actor, edit func(*apikey.Key) error) (apikey.Key, error) {
	if s.rate == 0 || s.random.IntN(s.rate) > 0 {
		return s.Store.Update(id, action, by, edit)
	}
	if s.random.IntN(2) == 0 {
		return apikey.Key{}, errDisk
	}
	k, err := s.Store.Update(id, action, by, edit)
	if err != nil {
		return apikey.Key{}, err
	}
	s.lost[nameOf(&k)] = append(s.lost[nameOf(&k)], k.Warned)
	return apikey.Key{}, fmt.Errorf("%w: the answer is lost", keystore.ErrUnknownOutcome)
}

func (s *faulty) Expiring(from, to time.Time, yield func(*apikey.Key) bool) error {
	if s.rate != 0 && s.random.IntN(s.rate) == 0 {
		return errDisk
	}
	return s.Store.Expiring(from, to, yield)
}

// Several gateways come and go, with clocks that are wrong and set, and a store that
// fails; keys are changed meanwhile. No warning comes twice or in the wrong order, and
// after a check that was complete none is due that its clock knows of.
func TestOnceWhateverHappens(t *testing.T) {
	for seed := range uint64(25) {
		random := rand.New(rand.NewPCG(seed, 7))
		store, h := openStore(t), listen(t)
		s := &faulty{Store: store, random: random, lost: make(map[string][]uint8)}
		clocks := make([]time.Time, 3)
		gateways := make([]*Announcer, len(clocks))
		begin := func(n int) { gateways[n] = h.gateway(s, &clocks[n]) }
		for n := range clocks {
			clocks[n] = start.Add(time.Duration(n) * time.Second)
			begin(n)
		}
		made := 0
		add := func(at time.Time) {
			addKey(t, store, made, at, time.Duration(1+random.IntN(60*86400))*time.Second)
			made++
		}
		for range 6 {
			add(start)
		}
		for range 150 {
			n := random.IntN(len(clocks))
			clock := &clocks[n]
			switch random.IntN(12) {
			case 0:
				*clock = clock.Add(-time.Duration(random.Int64N(int64(3 * day))))
			case 1:
				*clock = clock.Add(time.Duration(random.Int64N(int64(5 * day))))
			case 2:
				begin(n) // it was started again
			case 3:
				s.rate = random.IntN(4)
			case 4:
				changeSome(t, store, random, keyID(random.IntN(made)), *clock)
			case 5:
				if made < 12 {
					add(clock.Truncate(time.Second))
				}
			}
			*clock = clock.Add(time.Duration(random.Int64N(int64(day))))
			if err := gateways[n].Check(); err == nil {
				wantNoneDue(t, s, h, *clock)
			} else if !keystore.IsFailure(err) {
				t.Fatal(err)
			}
		}
		for name, days := range h.days {
			for i := 1; i < len(days); i++ {
				if days[i] >= days[i-1] {
					t.Errorf("seed %d: %s: announced %v", seed, name, days)
				}
			}
		}
	}
}

// changeSome changes a key in one way of several, unless it is revoked. No expiry
// comes twice.
func changeSome(t *testing.T, s keystore.Store, random *rand.Rand, id apikey.ID, at time.Time) {
	t.Helper()
	_, err := s.Update(id, "update", keystore.Actor{At: at, Via: "offline"}, func(k *apikey.Key) error {
		switch random.IntN(6) {
		case 0:
			k.Revoke(at)
		case 1, 2:
			k.Disabled = !k.Disabled
		case 3:
			k.Name += "'"
		default:
			k.ExpiresAt = at.Add(time.Duration(1+random.IntN(40*86400)) * time.Second)
		}
		return k.CheckChangeable()
	})
	if _, final := errors.AsType[*apikey.StateError](err); err != nil && !final {
		t.Fatal(err)
	}
}

// wantNoneDue fails unless of each key the last warning that is due by a clock was
// announced, or may have been, or a later one.
func wantNoneDue(t *testing.T, s *faulty, h *heard, now time.Time) {
	t.Helper()
	page, err := s.List(keystore.Query{Now: now})
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range page.Keys {
		due := 0
		for _, days := range []int{30, 14, 7, 1} {
			if at := k.ExpiresAt.Add(-time.Duration(days) * day); k.Live(now) && !at.After(now) {
				due = days
				if !at.After(k.CreatedAt) {
					due = 0 // it had passed when the key was made
				}
			}
		}
		told := slices.Concat(h.days[nameOf(&k)], s.lost[nameOf(&k)])
		if due != 0 && (len(told) == 0 || int(slices.Min(told)) > due) {
			t.Errorf("%s from %s to %s: after a check at %s, %d days are due; told of %v", k.ID, k.CreatedAt, k.ExpiresAt, now, due, told)
		}
	}
}

// Of several that look at the same time, one announces.
func TestSeveralAtOnce(t *testing.T) {
	store, all := openStore(t), listen(t)
	const many = 40
	for n := range many {
		addKey(t, store, n, start, 60*day)
	}
	for _, now := range []time.Time{start.Add(31 * day), start.Add(59*day + time.Hour)} {
		var together sync.WaitGroup
		var each []*heard
		for range 4 {
			h := listen(t)
			each = append(each, h)
			together.Go(func() {
				if err := h.gateway(store, &now).Check(); err != nil {
					t.Error(err)
				}
			})
		}
		together.Wait()
		for _, h := range each {
			for name, days := range h.days {
				all.days[name] = append(all.days[name], days...)
			}
		}
	}
	if want := slices.Repeat([]string{"[30 1]"}, many); !slices.Equal(texts(all.days), want) {
		t.Errorf("announced %v", all.days)
	}
}

// Many warnings at once leave time to others, and can be ended between any two.
func TestManyAtOnce(t *testing.T) {
	store, h := openStore(t), listen(t)
	const many = 40
	for n := range many {
		addKey(t, store, n, start, 60*day)
	}
	now := start.Add(31 * day)
	a := h.gateway(store, &now)
	var pauses []time.Duration
	a.Pause = func(d time.Duration) bool { pauses = append(pauses, d); return len(pauses) != 10 }
	checked(t, a)
	if len(h.days) != 10 || slices.Min(pauses) < 5*time.Millisecond {
		t.Errorf("%d are announced, with the pauses %s", len(h.days), pauses)
	}
	if d := restAfter(time.Second); d != 3*time.Second {
		t.Errorf("after a second it rests for %s", d)
	}
	checked(t, a)
	if len(h.days) != many {
		t.Errorf("%d of %d are announced", len(h.days), many)
	}
}
