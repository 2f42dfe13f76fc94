package expiry

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
)

// An attempt whose answer was lost is announced once it is found in the trail, but
// not that of another gateway.
func TestLostAnswer(t *testing.T) {
	for _, made := range []bool{true, false} {
		store, h := openStore(t), listen(t)
		k := addKey(t, store, 1, start, 60*day)
		now, later := start.Add(31*day), start.Add(31*day+time.Second)
		lossy := &lossyStore{Store: store, made: made}
		a, b := h.gateway(lossy, &now), h.gateway(store, &later)
		if err := a.Check(); !errors.Is(err, keystore.ErrUnknownOutcome) {
			t.Fatal(err)
		}
		h.want(&k)
		checked(t, b)
		if made {
			h.want(&k) // which the other one cannot know to be needed
		} else {
			h.want(&k, 30)
		}
		lossy.broken = errDisk
		if checked(t, a); made {
			h.want(&k)
		}
		lossy.broken = nil
		for range 3 {
			now = now.Add(time.Minute)
			checked(t, a)
			h.want(&k, 30)
		}
		if len(a.unsure) > 1 || made && len(a.unsure) > 0 {
			t.Errorf("%v is not known", a.unsure)
		}
		now = now.Add(2 * time.Hour)
		if checked(t, a); len(a.unsure) > 0 {
			t.Errorf("%v is remembered for ever", a.unsure)
		}
	}
}

// lossyStore loses its first answer.
type lossyStore struct {
	keystore.Store
	made, lost bool
	broken     error // nil: it takes changes
}

func (s *lossyStore) Writable() error { return s.broken }

func (s *lossyStore) Update(id apikey.ID, action string, by keystore.Actor, edit func(*apikey.Key) error) (k apikey.Key, err error) {
	if s.lost {
		return s.Store.Update(id, action, by, edit)
	}
	s.lost = true
	if s.made {
		if _, err := s.Store.Update(id, action, by, edit); err != nil {
			return k, err
		}
	}
	return k, keystore.ErrUnknownOutcome
}

// A key that cannot be changed keeps nobody from the others, and a store that takes
// nothing is not asked for every key.
func TestFailures(t *testing.T) {
	store, h := openStore(t), listen(t)
	var keys []apikey.Key
	for n := range 30 {
		keys = append(keys, addKey(t, store, n, start, 60*day))
	}
	now := start.Add(31 * day)
	s := &brokenStore{Store: store, broken: map[apikey.ID]bool{keyID(3): true, keyID(20): true}}
	a := h.gateway(s, &now)
	for range 3 {
		if err := a.Check(); !errors.Is(err, errDisk) {
			t.Errorf("a check is over with %v", err)
		}
	}
	for n := range keys {
		if s.broken[keyID(n)] {
			h.want(&keys[n])
		} else {
			h.want(&keys[n], 30)
		}
	}
	s.broken = make(map[apikey.ID]bool)
	a.allDue = now.Add(day) // what failed does not wait for that
	checked(t, a)
	h.want(&keys[3], 30)

	now = now.Add(20 * day)
	for n := range keys {
		s.broken[keyID(n)] = true
	}
	s.asked = 0
	if err := a.Check(); err == nil || s.asked > mostFailures {
		t.Errorf("%v, after %d changes", err, s.asked)
	}
	s.broken = nil
	checked(t, a)
	if want := slices.Repeat([]string{"[30 14]"}, 30); !slices.Equal(texts(h.days), want) {
		t.Errorf("announced %v", h.days)
	}
}

func texts(days map[string][]uint8) (all []string) {
	for _, d := range slices.Collect(maps.Values(days)) {
		all = append(all, fmt.Sprintf("%v", d))
	}
	return all
}

// brokenStore cannot change some of its keys.
type brokenStore struct {
	keystore.Store
	broken map[apikey.ID]bool
	asked  int
}

func (s *brokenStore) Update(id apikey.ID, action string, by keystore.Actor, edit func(*apikey.Key) error) (apikey.Key, error) {
	s.asked++
	if s.broken[id] {
		return apikey.Key{}, errDisk
	}
	return s.Store.Update(id, action, by, edit)
}
