package storetest

import (
	"cmp"
	"slices"
	"testing"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
)

func saveUsage(t *testing.T, s keystore.Store, usage ...apikey.Usage) {
	t.Helper()
	if err := s.SaveUsage(usage, nil); err != nil {
		t.Fatalf("save usage: %v", err)
	}
}

func wantUsage(t *testing.T, s keystore.Store, id apikey.ID, from, to apikey.Day, want ...apikey.Usage) {
	t.Helper()
	if got, err := s.Usage(id, from, to); err != nil || !slices.Equal(got, want) {
		t.Errorf("usage of %s from %s to %s: %+v, %v; want %+v", id, from, to, got, err, want)
	}
}

// wantUsageSince compares without regard to order.
func wantUsageSince(t *testing.T, s keystore.Store, day apikey.Day, want ...apikey.Usage) {
	t.Helper()
	var got []apikey.Usage
	err := s.UsageSince(day, func(u apikey.Usage) { got = append(got, u) }, func(u apikey.WorkspaceUsage) { t.Errorf("use of a workspace: %+v", u) })
	if err != nil {
		t.Fatalf("usage since %s: %v", day, err)
	}
	slices.SortFunc(got, func(a, b apikey.Usage) int {
		return cmp.Or(cmp.Compare(a.Day, b.Day), cmp.Compare(a.ID.String(), b.ID.String()))
	})
	if !slices.Equal(got, want) {
		t.Errorf("usage since %s: %+v; want %+v", day, got, want)
	}
}

func wantLastUsed(t *testing.T, s keystore.Store, id apikey.ID, want time.Time) {
	t.Helper()
	if got, err := s.LastUsed(id); err != nil || !got.Equal(want) {
		t.Errorf("last use of %s: %v, %v; want %v", id, got, err, want)
	}
	page, err := s.List(keystore.Query{Limit: keystore.MaxPage})
	if err != nil || len(page.LastUsed) != len(page.Keys) {
		t.Fatalf("%d keys, last use of %d, %v", len(page.Keys), len(page.LastUsed), err)
	}
	listed := slices.IndexFunc(page.Keys, func(k apikey.Key) bool { return k.ID == id })
	switch {
	case listed < 0 && want.IsZero(): // deleted
	case listed < 0, !page.LastUsed[listed].Equal(want):
		t.Errorf("last use of %s is not %v in the list: %v", id, want, page.LastUsed)
	}
}

func testUsage(t *testing.T, f Factory) {
	s := f.New(t)
	create(t, s, newKey(t, 1), newKey(t, 2), newKey(t, 3))
	wantUsage(t, s, keyID(1), 0, 30000)
	u := func(n int, day apikey.Day, allowed uint64) apikey.Usage {
		return apikey.Usage{ID: keyID(n), Day: day, Charged: allowed * 5, Allowed: allowed, Limited: 1, Denied: 1 << 60}
	}
	saveUsage(t, s)
	saveUsage(t, s, u(2, 20000, 1), u(2, 20003, 2), u(2, 19999, 3), u(1, 20003, 4), u(3, 20001, 5), u(2, -1, 6), u(2, 0, 7))
	for _, tt := range []struct {
		from, to apikey.Day
		want     []apikey.Usage
	}{
		{-10, 30000, []apikey.Usage{u(2, -1, 6), u(2, 0, 7), u(2, 19999, 3), u(2, 20000, 1), u(2, 20003, 2)}},
		{-1 << 31, 1<<31 - 1, []apikey.Usage{u(2, -1, 6), u(2, 0, 7), u(2, 19999, 3), u(2, 20000, 1), u(2, 20003, 2)}},
		{19999, 20000, []apikey.Usage{u(2, 19999, 3), u(2, 20000, 1)}},
		{20000, 20000, []apikey.Usage{u(2, 20000, 1)}},
		{20001, 20002, nil},
		{20003, 20000, nil},
	} {
		wantUsage(t, s, keyID(2), tt.from, tt.to, tt.want...)
	}
	wantUsage(t, s, keyID(1), 0, 30000, u(1, 20003, 4))
	wantUsage(t, s, keyID(9), 0, 30000)

	saveUsage(t, s, u(9, 20000, 1)) // there is no such key
	wantUsage(t, s, keyID(9), 0, 30000)
	wantUsageSince(t, s, 20000, u(2, 20000, 1), u(3, 20001, 5), u(1, 20003, 4), u(2, 20003, 2))
	wantUsageSince(t, s, 20004)
}

func testUsageGrows(t *testing.T, f Factory) {
	s := f.New(t)
	create(t, s, newKey(t, 1))
	low := apikey.Usage{ID: keyID(1), Day: 20000, Charged: 1, Allowed: 2, Limited: 3, Denied: 4, LastUsed: 60}
	high := apikey.Usage{ID: keyID(1), Day: 20000, Charged: 10, Allowed: 20, Limited: 30, Denied: 40, LastUsed: 120}
	saveUsage(t, s, low)
	saveUsage(t, s, high)
	wantUsage(t, s, keyID(1), 20000, 20000, high)
	saveUsage(t, s, low)
	wantUsage(t, s, keyID(1), 20000, 20000, high)
	saveUsage(t, s, high, low)
	wantUsage(t, s, keyID(1), 20000, 20000, high)
}

func testUsageSince(t *testing.T, f Factory) {
	s := f.New(t)
	var today []apikey.Usage
	for n := range 1005 { // more than any page
		if n < 5 {
			create(t, s, newKey(t, n))
		}
		today = append(today, apikey.Usage{ID: keyID(n), Day: 20000, Charged: uint64(n) + 1})
	}
	saveUsage(t, s, today...)
	later := apikey.Usage{ID: keyID(2), Day: 20001, Charged: 7}
	saveUsage(t, s, apikey.Usage{ID: keyID(1), Day: 19999, Charged: 7}, later)
	wantUsageSince(t, s, 20000, append(slices.Clip(today[:5]), later)...)
	wantUsageSince(t, s, 20001, later)
	wantUsageSince(t, s, 20002)

	// The caller may use the store meanwhile, also to write.
	err := s.UsageSince(20000, func(u apikey.Usage) {
		u.Charged += 100
		saveUsage(t, s, u)
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	wantUsage(t, s, keyID(4), 20000, 20000, apikey.Usage{ID: keyID(4), Day: 20000, Charged: 105})
}

func testLastUsed(t *testing.T, f Factory) {
	s := f.New(t)
	create(t, s, newKey(t, 1), newKey(t, 2))
	wantLastUsed(t, s, keyID(1), time.Time{})
	day := apikey.DayOf(now)
	for _, tt := range []struct {
		day  apikey.Day
		at   time.Time
		want time.Time
	}{
		{day, now, now},
		{day, now.Add(time.Minute), now.Add(time.Minute)},
		{day - 1, now.Add(-24 * time.Hour), now.Add(time.Minute)}, // a late batch
		{day + 1, now.Add(24 * time.Hour), now.Add(24 * time.Hour)},
	} {
		saveUsage(t, s, apikey.Usage{ID: keyID(1), Day: tt.day, Allowed: 1, LastUsed: tt.at.Unix()})
		wantLastUsed(t, s, keyID(1), tt.want)
	}
	saveUsage(t, s, apikey.Usage{ID: keyID(1), Day: day + 2, Limited: 1}, apikey.Usage{ID: keyID(3), Day: day, LastUsed: 60})
	wantLastUsed(t, s, keyID(1), now.Add(24*time.Hour))
	wantLastUsed(t, s, keyID(2), time.Time{})
	wantLastUsed(t, s, keyID(3), time.Time{})
}
