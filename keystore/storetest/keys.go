package storetest

import (
	"errors"
	"testing"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
)

func testCreate(t *testing.T, f Factory) {
	s := f.New(t)
	wantNone(t, s, keyID(1))
	create(t, s, newKey(t, 1), fullKey(t, 2))
	wantKey(t, s, newKey(t, 1))
	wantKey(t, s, fullKey(t, 2))
	wantNone(t, s, keyID(3))
	wantNone(t, s, apikey.ID{})

	other := newKey(t, 1)
	other.Name = "another"
	if err := s.Create(other, by); !errors.Is(err, keystore.ErrExists) {
		t.Errorf("second create: %v; want ErrExists", err)
	}
	wantKey(t, s, newKey(t, 1))
}

func testCreateRefuses(t *testing.T, f Factory) {
	s := f.New(t)
	for name, spoil := range map[string]func(*apikey.Key){
		"no ID":          func(k *apikey.Key) { k.ID = apikey.ID{} },
		"a broken ID":    func(k *apikey.Key) { k.ID[3] = '/' },
		"no hash":        func(k *apikey.Key) { k.Hash = apikey.Hash{} },
		"a wrong origin": func(k *apikey.Key) { k.AllowedOrigins = []string{"shop.example"} },
		"a wrong IP":     func(k *apikey.Key) { k.AllowedIPs = []string{"localhost"} },
	} {
		k := newKey(t, 1)
		spoil(&k)
		if err := s.Create(k, by); err == nil {
			t.Errorf("a key with %s was stored", name)
		}
		wantNone(t, s, k.ID)
	}
}

// testFields sets one field at a time, so that none hides another.
func testFields(t *testing.T, f Factory) {
	s := f.New(t)
	full := fullKey(t, 0)
	for i, set := range []func(*apikey.Key){
		func(k *apikey.Key) { k.Description = full.Description },
		func(k *apikey.Key) { k.Scopes = full.Scopes },
		func(k *apikey.Key) { k.Limits = full.Limits },
		func(k *apikey.Key) { k.AllowedOrigins = full.AllowedOrigins },
		func(k *apikey.Key) { k.AllowedIPs = full.AllowedIPs },
		func(k *apikey.Key) { k.ExpiresAt = full.ExpiresAt },
		func(k *apikey.Key) { k.RevokedAt = full.RevokedAt },
		func(k *apikey.Key) { k.RevokedAt = time.Unix(0, 0) },
		func(k *apikey.Key) { k.Disabled = true },
		func(k *apikey.Key) { k.RotatedFrom = full.RotatedFrom },
		func(k *apikey.Key) { k.ReplacedBy = full.ReplacedBy },
	} {
		k := newKey(t, i+1)
		create(t, s, k)
		set(&k)
		if got := update(t, s, k.ID, "update", set); !equal(got, k) {
			t.Errorf("field %d: update returned\n%+v\nwant\n%+v", i, got, k)
		}
		wantKey(t, s, k)
	}
}

func testLookupAllocs(t *testing.T, f Factory) {
	s := f.New(t)
	create(t, s, newKey(t, 1), fullKey(t, 2))
	for _, id := range []apikey.ID{keyID(1), keyID(2), keyID(3)} {
		if n := testing.AllocsPerRun(100, func() { _, _, _ = s.Lookup(id) }); n != 0 {
			t.Errorf("lookup of %s allocates %v times", id, n)
		}
	}
	if err := s.SetWorkspaceLimits("acme", &apikey.WorkspaceLimits{PerDay: 1}, by); err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(100, func() { s.WorkspaceLimits("acme"); s.WorkspaceLimits("nobody") }); n != 0 {
		t.Errorf("asking for the limits of workspaces allocates %v times", n)
	}
	for range 2 { // without any opaque key, and with one
		for _, n := range []int{1, 4, 5} {
			hash := hashOf(n)
			if n := testing.AllocsPerRun(100, func() { _, _, _, _ = s.LookupOpaque(hash) }); n != 0 {
				t.Errorf("lookup by hash allocates %v times", n)
			}
		}
		if !s.HasOpaque() {
			create(t, s, opaqueKey(t, 4))
		}
	}
}

func testUpdate(t *testing.T, f Factory) {
	s := f.New(t)
	create(t, s, newKey(t, 1), newKey(t, 2))
	want := newKey(t, 1)
	for _, edit := range []func(*apikey.Key){
		func(k *apikey.Key) { k.Name, k.Limits.PerMinute = "renamed", 600 },
		func(k *apikey.Key) { k.AllowedIPs = []string{"203.0.113.7"} },
		func(k *apikey.Key) { k.AllowedIPs, k.Scopes = nil, []string{"posts:write"} },
		func(k *apikey.Key) { k.Disabled = true },
		func(k *apikey.Key) { k.Disabled = false },
		revoke,
	} {
		edit(&want)
		update(t, s, want.ID, "update", edit)
		wantKey(t, s, want)
	}
	wantKey(t, s, newKey(t, 2))

	called := false
	_, err := s.Update(keyID(3), "update", by, func(*apikey.Key) error { called = true; return nil })
	if !errors.Is(err, keystore.ErrNotFound) || called {
		t.Errorf("update of an unknown key: %v, edit called: %t; want ErrNotFound, not called", err, called)
	}
	wantNone(t, s, keyID(3))
}

func testUpdateFixed(t *testing.T, f Factory) {
	s := f.New(t)
	create(t, s, newKey(t, 1))
	want := newKey(t, 1)
	want.Name = "renamed"
	got := update(t, s, want.ID, "update", func(k *apikey.Key) {
		*k = fullKey(t, 7)
		k.Workspace, k.Prefix, k.CreatedAt = "other", "other_prefix", now.Add(time.Hour)
		k.Opaque = true
		kept := newKey(t, 1)
		k.Name, k.Description, k.Scopes, k.Limits = "renamed", "", kept.Scopes, kept.Limits
		k.AllowedIPs, k.AllowedOrigins = nil, nil
		k.ExpiresAt, k.RevokedAt, k.Disabled = time.Time{}, time.Time{}, false
		k.RotatedFrom, k.ReplacedBy = apikey.ID{}, apikey.ID{}
	})
	if !equal(got, want) {
		t.Errorf("update returned\n%+v\nwant\n%+v", got, want)
	}
	wantKey(t, s, want)
	wantNone(t, s, keyID(7))
	if page, err := s.List(keystore.Query{Workspace: "other"}); err != nil || len(page.Keys) != 0 {
		t.Errorf("the other workspace has %d keys, %v", len(page.Keys), err)
	}
}

func testUpdateRefused(t *testing.T, f Factory) {
	s := f.New(t)
	create(t, s, newKey(t, 1))
	refusal := errors.New("refused")
	if _, err := s.Update(keyID(1), "revoke", by, func(k *apikey.Key) error { revoke(k); return refusal }); !errors.Is(err, refusal) {
		t.Errorf("update returned %v; want the error of edit", err)
	}
	if _, err := s.Update(keyID(1), "update", by, func(k *apikey.Key) error {
		k.AllowedIPs = []string{"localhost"}
		return nil
	}); err == nil {
		t.Error("an address that cannot be decided on was stored")
	}
	wantKey(t, s, newKey(t, 1))
	wantActions(t, s, apikey.ID{}, "create")
}

func testUpdateNothing(t *testing.T, f Factory) {
	s := f.New(t)
	create(t, s, newKey(t, 1))
	got := update(t, s, keyID(1), "update", func(k *apikey.Key) { k.Description = "" })
	if !equal(got, newKey(t, 1)) {
		t.Errorf("update returned %+v", got)
	}
	wantActions(t, s, apikey.ID{}, "create")
}

func testRotate(t *testing.T, f Factory) {
	s := f.New(t)
	before := fullKey(t, 1)
	before.RevokedAt, before.Disabled, before.RotatedFrom, before.ReplacedBy = time.Time{}, false, apikey.ID{}, apikey.ID{}
	create(t, s, before)
	got, err := s.Rotate(before.ID, by, func(old, successor *apikey.Key) error {
		if !equal(*old, before) {
			t.Errorf("edit was given %+v", old)
		}
		old.ExpiresAt = now.Add(time.Minute)
		successor.ID, successor.Hash, successor.Prefix, successor.CreatedAt = keyID(2), hashOf(2), "patra_2", now
		successor.Workspace = "other" // must not stick
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want := before
	want.ID, want.Hash, want.Prefix, want.CreatedAt, want.RotatedFrom = keyID(2), hashOf(2), "patra_2", now, before.ID
	if !equal(got, want) {
		t.Errorf("rotate returned\n%+v\nwant\n%+v", got, want)
	}
	wantKey(t, s, want)
	before.ExpiresAt, before.ReplacedBy = now.Add(time.Minute), want.ID
	wantKey(t, s, before)
	wantActions(t, s, want.ID, "create")
	wantActions(t, s, before.ID, "rotate", "create")
}

func testRotateRefused(t *testing.T, f Factory) {
	s := f.New(t)
	create(t, s, newKey(t, 1), newKey(t, 2))
	refusal := errors.New("refused")
	succeed := func(id apikey.ID) func(old, successor *apikey.Key) error {
		return func(old, successor *apikey.Key) error {
			old.Disabled = true
			successor.ID, successor.Hash = id, hashOf(9)
			return nil
		}
	}
	for _, tt := range []struct {
		name string
		id   apikey.ID
		edit func(old, successor *apikey.Key) error
		want error // nil: any
	}{
		{"unknown key", keyID(8), succeed(keyID(9)), keystore.ErrNotFound},
		{"edit refuses", keyID(1), func(old, _ *apikey.Key) error { old.Disabled = true; return refusal }, refusal},
		{"successor exists", keyID(1), succeed(keyID(2)), keystore.ErrExists},
		{"successor is the key itself", keyID(1), succeed(keyID(1)), keystore.ErrExists},
		{"successor without an ID", keyID(1), succeed(apikey.ID{}), nil},
	} {
		_, err := s.Rotate(tt.id, by, tt.edit)
		if err == nil || tt.want != nil && !errors.Is(err, tt.want) {
			t.Errorf("%s: %v; want %v", tt.name, err, tt.want)
		}
		wantKey(t, s, newKey(t, 1))
		wantKey(t, s, newKey(t, 2))
		wantNone(t, s, keyID(9))
		wantActions(t, s, apikey.ID{}, "create", "create")
	}
}

// testNoSharing changes what was given to the store and what it returned.
func testNoSharing(t *testing.T, f Factory) {
	s := f.New(t)
	scribble := func(k *apikey.Key) {
		for _, list := range [][]string{k.Scopes, k.AllowedIPs, k.AllowedOrigins} {
			for i := range list {
				list[i] = "scribbled"
			}
		}
	}
	given := fullKey(t, 1)
	create(t, s, given)
	scribble(&given)
	wantKey(t, s, fullKey(t, 1))

	var kept *apikey.Key
	returned := update(t, s, keyID(1), "update", func(k *apikey.Key) { k.Name, kept = "renamed", k })
	scribble(kept)
	scribble(&returned)
	got, err := s.Get(keyID(1))
	if err != nil {
		t.Fatal(err)
	}
	scribble(&got)
	page, err := s.List(keystore.Query{})
	if err != nil || len(page.Keys) != 1 {
		t.Fatalf("list: %d keys, %v", len(page.Keys), err)
	}
	scribble(&page.Keys[0])
	want := fullKey(t, 1)
	want.Name = "renamed"
	wantKey(t, s, want)
}
