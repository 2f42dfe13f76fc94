package storetest

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
)

// rotate makes the nth key the successor of another.
func rotate(t *testing.T, s keystore.Store, id apikey.ID, n int) apikey.Key {
	t.Helper()
	k, err := s.Rotate(id, by, func(_, successor *apikey.Key) error {
		successor.ID, successor.Hash, successor.CreatedAt = keyID(n), hashOf(n), now
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// wantAccount checks that decisions and those who read the key learn its account.
func wantAccount(t *testing.T, s keystore.Store, id, want apikey.ID) {
	t.Helper()
	k, err := s.Get(id)
	if g, ok, wrong := s.Lookup(id); err != nil || wrong != nil || !ok || k.Account != want || g.Account != want {
		t.Errorf("%s is on the account %q, its grant on %q (%t, %v, %v); want %q", id, k.Account, g.Account, ok, err, wrong, want)
	}
	wantListed(t, s, id)
}

// wantListed checks that a key is in lists of every order.
func wantListed(t *testing.T, s keystore.Store, id apikey.ID) {
	t.Helper()
	for _, order := range []keystore.Sort{keystore.SortID, keystore.SortName, keystore.SortCreated, keystore.SortExpires, keystore.SortLastUsed} {
		page, err := s.List(keystore.Query{Sort: order, Now: now, Limit: keystore.MaxPage})
		if err != nil || !slices.ContainsFunc(page.Keys, func(k apikey.Key) bool { return k.ID == id }) {
			t.Errorf("the list in the order %q lacks %s (%v)", order, id, err)
		}
	}
}

// testAccounts follows a key and what rotations make of it.
func testAccounts(t *testing.T, f Factory) {
	for name, first := range map[string]apikey.Key{"opaque": opaqueKey(t, 1), "not opaque": newKey(t, 1)} {
		t.Run(name, func(t *testing.T) {
			s := f.New(t)
			create(t, s, first, newKey(t, 5))
			keys := []apikey.Key{newKey(t, 5), rotate(t, s, keyID(1), 2), rotate(t, s, keyID(2), 3), rotate(t, s, keyID(3), 4)}
			wantAccount(t, s, keyID(1), apikey.ID{})
			check := func(s keystore.Store) {
				t.Helper()
				for _, id := range []apikey.ID{keyID(2), keyID(3), keyID(4)} {
					wantAccount(t, s, id, keyID(1))
				}
				wantAccount(t, s, keyID(5), apikey.ID{})
			}
			check(s)
			if err := s.Delete(keyID(1), by, nil); err != nil {
				t.Fatal(err)
			}
			check(s)
			update(t, s, keyID(3), "update", func(k *apikey.Key) { k.Name, k.Account = "renamed", keyID(9) })
			check(s)
			var backup bytes.Buffer
			if err := s.Backup(&backup); err != nil {
				t.Fatal(err)
			}
			s = f.Reopen(t, s)
			check(s)
			if err := s.Delete(keyID(2), by, nil); err != nil {
				t.Fatal(err)
			}
			if next := rotate(t, s, keyID(4), 6); next.Account != keyID(1) {
				t.Errorf("the next successor is on the account %s", next.Account)
			}
			wantAccount(t, s, keyID(6), keyID(1))
			check(f.Restore(t, &backup))
			elsewhere := f.New(t)
			if err := elsewhere.CreateAll(keys, by, nil); err != nil {
				t.Fatal(err)
			}
			check(elsewhere)
			wantSound(t, elsewhere, 4)
		})
	}
}

// testChargesOutliveTheirKey deletes a key whose successors go on with what it was
// charged, and then those.
func testChargesOutliveTheirKey(t *testing.T, f Factory) {
	s := f.New(t)
	create(t, s, newKey(t, 1), newKey(t, 5))
	today := apikey.DayOf(now)
	charged := func(day apikey.Day, units uint64) apikey.Usage {
		return apikey.Usage{ID: keyID(1), Day: day, Charged: units}
	}
	used := func(n int, day apikey.Day, units uint64) apikey.Usage {
		return apikey.Usage{ID: keyID(n), Day: day, Charged: units, Allowed: units + 1, Limited: 2, Denied: 3, LastUsed: now.Unix()}
	}
	first := []apikey.Usage{used(1, today-1, 5), used(1, today, 7), used(1, today+1, 1)}
	own, other := used(2, today, 0), used(5, today, 1)
	saveUsage(t, s, append([]apikey.Usage{own, other}, first...)...) // the first is of no key yet
	remove := func(n int) {
		t.Helper()
		if err := s.Delete(keyID(n), by, nil); err != nil {
			t.Fatal(err)
		}
	}
	rotate(t, s, keyID(5), 6)
	remove(6) // which takes nothing from the key that it was on the account of
	wantUsageSince(t, s, today-1, first[0], first[1], other, first[2])
	wantLastUsed(t, s, keyID(5), now)
	rotate(t, s, keyID(1), 2)
	rotate(t, s, keyID(2), 3)
	saveUsage(t, s, own)
	remove(1)
	wantLastUsed(t, s, keyID(1), time.Time{})
	if f.LimitsElsewhere {
		for range 2 {
			saveUsage(t, s, used(1, today+2, 3))
			wantUsageSince(t, s, today-1, own, other)
			wantLastUsed(t, s, keyID(1), time.Time{})
		}
		return
	}
	wantUsageSince(t, s, today-1, charged(today, 7), own, other, charged(today+1, 1))
	saveUsage(t, s, used(1, today+2, 3), used(1, today+3, 0), used(9, today+2, 3))
	wantUsageSince(t, s, today-1, charged(today, 7), own, other, charged(today+1, 1), charged(today+2, 3))
	saveUsage(t, s, used(1, today+2, 4)) // there is a record now
	wantUsageSince(t, s, today-1, charged(today, 7), own, other, charged(today+1, 1), charged(today+2, 4))
	wantLastUsed(t, s, keyID(1), time.Time{})
	s = f.Reopen(t, s)
	saveUsage(t, s, charged(today+1, 2))
	remove(2) // whose own use nobody needs
	wantUsageSince(t, s, today-1, charged(today, 7), other, charged(today+1, 2), charged(today+2, 4))
	remove(5)
	remove(3) // the last on the account
	wantUsageSince(t, s, today-1)
	saveUsage(t, s, charged(today, 8))
	wantUsageSince(t, s, today-1)
	wantSound(t, s, 0)
}
