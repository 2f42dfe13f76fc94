package storetest

import (
	"errors"
	"testing"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
)

func testDelete(t *testing.T, f Factory) {
	s := f.New(t)
	create(t, s, newKey(t, 1), newKey(t, 2))
	day := apikey.DayOf(now)
	use := []apikey.Usage{
		{ID: keyID(1), Day: day - 400, Allowed: 1},
		{ID: keyID(1), Day: day, Allowed: 1, LastUsed: now.Unix()},
		{ID: keyID(2), Day: day, Allowed: 2, LastUsed: now.Unix()},
	}
	saveUsage(t, s, use...)
	if err := s.Delete(keyID(1), by, nil); err != nil {
		t.Fatal(err)
	}
	wantNone(t, s, keyID(1))
	wantKey(t, s, newKey(t, 2))
	wantUsage(t, s, keyID(1), day-500, day)
	wantUsage(t, s, keyID(2), day-500, day, use[2])
	wantLastUsed(t, s, keyID(1), time.Time{})
	wantActions(t, s, keyID(1), "delete", "create")
	if err := s.Delete(keyID(1), by, nil); !errors.Is(err, keystore.ErrNotFound) {
		t.Errorf("second delete: %v; want ErrNotFound", err)
	}
	wantIDs(t, s, keystore.Query{Workspace: "acme"}, keyID(2))

	create(t, s, newKey(t, 1)) // the same ID again: its use starts anew
	wantUsage(t, s, keyID(1), day-500, day)
	wantIDs(t, s, keystore.Query{Workspace: "acme"}, keyID(1), keyID(2))
}

func testDeleteRefused(t *testing.T, f Factory) {
	s := f.New(t)
	create(t, s, newKey(t, 1))
	refusal := errors.New("not this one")
	var seen apikey.Key
	err := s.Delete(keyID(1), by, func(k *apikey.Key) error {
		seen = *k
		return refusal
	})
	if err != refusal { //nolint:errorlint // returned as it is
		t.Errorf("error %v; want that of check", err)
	}
	if seen.ID != keyID(1) || seen.Name != newKey(t, 1).Name {
		t.Errorf("check saw %+v", seen)
	}
	wantKey(t, s, newKey(t, 1))
	wantActions(t, s, keyID(1), "create")

	never := func(*apikey.Key) error { t.Error("check was called for a key that does not exist"); return nil }
	if err := s.Delete(keyID(2), by, never); !errors.Is(err, keystore.ErrNotFound) {
		t.Errorf("error %v; want ErrNotFound", err)
	}
	if err := s.Delete(keyID(1), by, func(*apikey.Key) error { return nil }); err != nil {
		t.Error(err)
	}
	wantNone(t, s, keyID(1))
}
