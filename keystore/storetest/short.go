package storetest

import (
	"testing"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
)

// testOneLetter has workspaces whose names are as short as can be, each the
// beginning of the next.
func testOneLetter(t *testing.T, f Factory) {
	s := f.New(t)
	names := []string{"a", "aa", "z", "0", "9"}
	day := apikey.DayOf(now)
	var used []apikey.WorkspaceUsage
	for n, name := range names {
		k := newKey(t, n+1)
		k.Workspace = name
		create(t, s, k)
		if err := s.SetWorkspaceLimits(name, &apikey.WorkspaceLimits{PerMinute: uint32(n + 1)}, by); err != nil {
			t.Fatal(err)
		}
		used = append(used, apikey.WorkspaceUsage{Workspace: name, Day: day, Charged: uint64(n + 1)})
	}
	if err := s.SaveUsage(nil, used); err != nil {
		t.Fatal(err)
	}
	if err := s.SaveBuckets([]apikey.Bucket{{Workspace: "a", Tokens: 1.5, PerMinute: 6, Burst: 6, At: now}}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		for n, name := range names {
			wantIDs(t, s, keystore.Query{Workspace: name}, keyID(n+1))
			if lim, ok := s.WorkspaceLimits(name); !ok || lim.PerMinute != uint32(n+1) {
				t.Errorf("%s has the limits %+v, %t", name, lim, ok)
			}
		}
		charged := make(map[string]uint64)
		if err := s.UsageSince(day, func(apikey.Usage) {}, func(u apikey.WorkspaceUsage) { charged[u.Workspace] = u.Charged }); err != nil {
			t.Error(err)
		}
		for _, u := range used {
			if charged[u.Workspace] != u.Charged {
				t.Errorf("%s was charged %d; want %d", u.Workspace, charged[u.Workspace], u.Charged)
			}
		}
		buckets := 0
		if err := s.Buckets(func(b apikey.Bucket) {
			buckets++
			if b.Workspace != "a" || b.Tokens != 1.5 || !b.At.Equal(now) {
				t.Errorf("bucket %+v", b)
			}
		}); err != nil || buckets != 1 {
			t.Errorf("%d buckets, %v", buckets, err)
		}
		wantSound(t, s, len(names))
		s = f.Reopen(t, s)
	}
	if err := s.Delete(keyID(1), by, nil); err != nil {
		t.Fatal(err)
	}
	wantIDs(t, s, keystore.Query{Workspace: "a"})
	wantIDs(t, s, keystore.Query{Workspace: "aa"}, keyID(2))
	wantSound(t, s, len(names)-1)
	if err := s.Prune(day+1, now.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	wantSound(t, s, len(names)-1)
}

// testImportOpaque imports keys of another system together, and takes them away
// one by one.
func testImportOpaque(t *testing.T, f Factory) {
	s := f.New(t)
	keys := []apikey.Key{opaqueKey(t, 1), newKey(t, 2), opaqueKey(t, 3), opaqueKey(t, 4)}
	if err := s.CreateAll(keys, by, nil); err != nil {
		t.Fatal(err)
	}
	for gone := 0; gone <= len(keys); gone++ {
		if gone > 0 {
			if err := s.Delete(keys[gone-1].ID, by, nil); err != nil {
				t.Fatal(err)
			}
		}
		for range 2 {
			left := false
			for i, k := range keys {
				want := &k
				if i < gone || !k.Opaque {
					want = nil
				}
				left = left || want != nil
				wantOpaque(t, s, k.Hash, want)
			}
			if s.HasOpaque() != left {
				t.Errorf("%d keys gone: an opaque key is left: %t; want %t", gone, s.HasOpaque(), left)
			}
			wantSound(t, s, len(keys)-gone)
			s = f.Reopen(t, s)
		}
	}
}
