package storetest

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
)

// wantExpiring fails unless the store finds exactly these keys, each once.
func wantExpiring(t *testing.T, s keystore.Store, from, to time.Time, want ...apikey.Key) {
	t.Helper()
	var got []apikey.Key
	if err := s.Expiring(from, to, func(k *apikey.Key) bool { got = append(got, k.Clone()); return true }); err != nil {
		t.Fatal(err)
	}
	byID := func(a, b apikey.Key) int { return slices.Compare(a.ID[:], b.ID[:]) }
	slices.SortFunc(got, byID)
	slices.SortFunc(want, byID)
	if !slices.EqualFunc(got, want, equal) {
		t.Errorf("from %s to %s there are\n%+v\nwant\n%+v", from, to, got, want)
	}
	if n, err := s.CountExpiring(from, to); err != nil || n != len(want) {
		t.Errorf("from %s to %s there are %d, %v; want %d", from, to, n, err, len(want))
	}
}

func testExpiring(t *testing.T, f Factory) {
	s := f.New(t)
	wantExpiring(t, s, now, now.Add(time.Hour))
	model := make(map[int]apikey.Key)
	for n := range 40 {
		k := newKey(t, n)
		if n%4 != 0 {
			k.ExpiresAt = now.Add(time.Duration(n) * time.Second)
		}
		create(t, s, k)
		model[n] = k
	}
	random := rand.New(rand.NewPCG(1, 2))
	check := func() {
		t.Helper()
		for range 20 {
			from := now.Add(time.Duration(random.Int64N(int64(50 * time.Second))))
			if random.IntN(2) == 0 {
				from = from.Truncate(time.Second)
			}
			to := from.Add(time.Duration(random.IntN(20)) * time.Second / 2)
			var want []apikey.Key
			for _, k := range model {
				if k.RevokedAt.IsZero() && k.ExpiresAt.After(from) && !k.ExpiresAt.After(to) {
					want = append(want, k)
				}
			}
			wantExpiring(t, s, from, to, want...)
		}
	}
	check()
	for n := range 40 {
		if n%8 == 7 {
			if err := s.Delete(keyID(n), by, nil); err != nil {
				t.Fatal(err)
			}
			delete(model, n)
			continue
		}
		model[n] = update(t, s, keyID(n), "update", func(k *apikey.Key) {
			switch n % 8 {
			case 1:
				k.RevokedAt = now
			case 2:
				k.Disabled = true
			case 3:
				k.ExpiresAt = time.Time{}
			case 4:
				k.ExpiresAt = now.Add(time.Duration(n) * time.Second)
			case 5:
				k.Disabled, k.ExpiresAt = true, k.ExpiresAt.Add(3*time.Second)
			case 6:
				k.Warned = 7
			}
		})
	}
	check()
	s = f.Reopen(t, s)
	check()
	wantExpiring(t, s, time.Unix(1, 0), now)
}

// testExpiringMany has more keys than any page in the same second. Whoever is told
// of one may change it, and ask for no more.
func testExpiringMany(t *testing.T, f Factory) {
	const many = 2500
	s := f.New(t)
	var keys []apikey.Key
	for n := range many {
		k := newKey(t, n)
		k.ExpiresAt, k.Disabled = now.Add(time.Hour+time.Duration(n/2400)*time.Second), n%50 == 0
		keys = append(keys, k)
	}
	if err := s.CreateAll(keys, by, nil); err != nil {
		t.Fatal(err)
	}
	wantExpiring(t, s, now, now.Add(2*time.Hour), keys...)
	wantExpiring(t, s, now.Add(time.Hour), now.Add(2*time.Hour), keys[2400:]...)
	asked := 0
	if err := s.Expiring(now, now.Add(2*time.Hour), func(k *apikey.Key) bool {
		update(t, s, k.ID, "expiring", func(k *apikey.Key) { k.Warned = 30 })
		asked++
		return asked < 3
	}); err != nil || asked != 3 {
		t.Errorf("%d keys, %v; want 3", asked, err)
	}
	for _, k := range keys {
		if g, ok, err := s.Lookup(k.ID); err != nil || !ok || g.ExpiresAt != k.ExpiresAt.UnixNano() {
			t.Fatalf("%s: %+v, %t, %v", k.ID, g, ok, err)
		}
	}
}
