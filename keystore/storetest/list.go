package storetest

import (
	"slices"
	"testing"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
)

// wantIDs fails unless q finds exactly these keys on one page.
func wantIDs(t *testing.T, s keystore.Store, q keystore.Query, want ...apikey.ID) {
	t.Helper()
	page, err := s.List(q)
	if err != nil {
		t.Fatalf("list %+v: %v", q, err)
	}
	if got := idsOf(page); !slices.Equal(got, want) || !page.Next.IsZero() {
		t.Errorf("list %+v: %v, next %q; want %v, no next", q, got, page.Next, want)
	}
}

func idsOf(page keystore.Page) []apikey.ID {
	var ids []apikey.ID
	for i := range page.Keys {
		ids = append(ids, page.Keys[i].ID)
	}
	return ids
}

func testListPages(t *testing.T, f Factory) {
	s := f.New(t)
	wantIDs(t, s, keystore.Query{})
	const n = keystore.DefaultPage + 5
	for i := n; i > 0; i-- { // not in the order of their IDs
		create(t, s, newKey(t, i))
	}
	for _, tt := range []struct{ limit, want int }{
		{0, keystore.DefaultPage},
		{-1, keystore.DefaultPage},
		{1, 1},
		{n - 1, n - 1},
		{n, n},
		{n + 1, n},
		{keystore.MaxPage + 1, n},
	} {
		page, err := s.List(keystore.Query{Limit: tt.limit})
		if err != nil || len(page.Keys) != tt.want {
			t.Fatalf("limit %d: %d keys, %v; want %d", tt.limit, len(page.Keys), err, tt.want)
		}
		next := keyID(tt.want)
		if tt.want == n {
			next = apikey.ID{}
		}
		if page.Next != next {
			t.Errorf("limit %d: next %q; want %q", tt.limit, page.Next, next)
		}
	}
	var all []apikey.ID
	q := keystore.Query{Limit: 10}
	for {
		page, err := s.List(q)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, idsOf(page)...)
		if q.After = page.Next; q.After.IsZero() {
			break
		}
	}
	for i, id := range all {
		if id != keyID(i+1) {
			t.Fatalf("key %d of all pages is %s", i+1, id)
		}
	}
	if len(all) != n {
		t.Errorf("all pages hold %d keys; want %d", len(all), n)
	}
	wantIDs(t, s, keystore.Query{After: keyID(n)})
}

func testListFilters(t *testing.T, f Factory) {
	s := f.New(t)
	for i, set := range []func(*apikey.Key){
		func(*apikey.Key) {},
		func(k *apikey.Key) { k.Workspace = "acm" },
		func(k *apikey.Key) { k.Workspace = "acme2" },
		func(k *apikey.Key) { k.Disabled = true },
		func(k *apikey.Key) { k.ExpiresAt = now },
		func(k *apikey.Key) { k.ExpiresAt = now.Add(time.Second) },
		revoke,
		func(k *apikey.Key) { k.Workspace = "acme2"; revoke(k) },
	} {
		k := newKey(t, i+1)
		set(&k)
		create(t, s, k)
	}
	for _, tt := range []struct {
		q    keystore.Query
		want []int
	}{
		{keystore.Query{Workspace: "acme"}, []int{1, 4, 5, 6, 7}},
		{keystore.Query{Workspace: "acm"}, []int{2}},
		{keystore.Query{Workspace: "acme2"}, []int{3, 8}},
		{keystore.Query{Workspace: "ACME"}, nil},
		{keystore.Query{Workspace: "acme", After: keyID(4)}, []int{5, 6, 7}},
		{keystore.Query{Status: apikey.Active}, []int{1, 2, 3, 6}},
		{keystore.Query{Status: apikey.Disabled}, []int{4}},
		{keystore.Query{Status: apikey.Expired}, []int{5}},
		{keystore.Query{Status: apikey.Revoked}, []int{7, 8}},
		{keystore.Query{Status: apikey.Revoked, After: keyID(7)}, []int{8}},
		{keystore.Query{Status: apikey.Revoked, Workspace: "acme2"}, []int{8}},
		{keystore.Query{Status: apikey.Expired, Workspace: "acme2"}, nil},
		{keystore.Query{Status: "unheard-of"}, nil},
	} {
		tt.q.Now = now
		var want []apikey.ID
		for _, n := range tt.want {
			want = append(want, keyID(n))
		}
		wantIDs(t, s, tt.q, want...)
	}
	wantIDs(t, s, keystore.Query{Status: apikey.Expired, Now: now.Add(time.Second)}, keyID(5), keyID(6))

	// Next stands only where more keys of the same kind follow.
	page, err := s.List(keystore.Query{Status: apikey.Active, Now: now, Limit: 3})
	if err != nil || page.Next != keyID(3) {
		t.Errorf("three of four: next %q, %v", page.Next, err)
	}
	wantIDs(t, s, keystore.Query{Status: apikey.Active, Now: now, Limit: 4}, keyID(1), keyID(2), keyID(3), keyID(6))
}

// testListChanging deletes what a page ended with, and adds before and after.
func testListChanging(t *testing.T, f Factory) {
	for _, workspace := range []string{"", "acme"} {
		s := f.New(t)
		for i := 10; i <= 60; i += 10 {
			create(t, s, newKey(t, i))
		}
		q := keystore.Query{Workspace: workspace, Limit: 3}
		page, err := s.List(q)
		if err != nil || page.Next != keyID(30) {
			t.Fatalf("first page: next %q, %v", page.Next, err)
		}
		for _, n := range []int{30, 50} {
			if err := s.Delete(keyID(n), by, nil); err != nil {
				t.Fatal(err)
			}
		}
		create(t, s, newKey(t, 25), newKey(t, 35))
		q.After = page.Next
		wantIDs(t, s, q, keyID(35), keyID(40), keyID(60))
	}
}
