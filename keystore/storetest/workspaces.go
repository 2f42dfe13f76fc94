package storetest

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
)

func wantTogetherSince(t *testing.T, s keystore.Store, day apikey.Day, want ...apikey.WorkspaceUsage) {
	t.Helper()
	var got []apikey.WorkspaceUsage
	err := s.UsageSince(day, func(apikey.Usage) {}, func(u apikey.WorkspaceUsage) { got = append(got, u) })
	if err != nil {
		t.Fatalf("usage since %s: %v", day, err)
	}
	slices.SortFunc(got, func(a, b apikey.WorkspaceUsage) int {
		return cmp.Or(cmp.Compare(a.Day, b.Day), cmp.Compare(a.Workspace, b.Workspace))
	})
	if !slices.Equal(got, want) {
		t.Errorf("use of workspaces since %s: %+v; want %+v", day, got, want)
	}
}

func testWorkspaceUsage(t *testing.T, f Factory) {
	s := f.New(t)
	k := newKey(t, 1)
	create(t, s, k)
	u := func(workspace string, day apikey.Day, charged uint64) apikey.WorkspaceUsage {
		return apikey.WorkspaceUsage{Workspace: workspace, Day: day, Charged: charged}
	}
	save := func(keys []apikey.Usage, workspaces ...apikey.WorkspaceUsage) {
		t.Helper()
		if err := s.SaveUsage(keys, workspaces); err != nil {
			t.Fatal(err)
		}
	}
	save([]apikey.Usage{{ID: k.ID, Day: 20000, Charged: 3}}, u(k.Workspace, 20000, 3), u("nobody", 20000, 1<<40), u("a", -1, 1))
	save(nil, u(k.Workspace, 20000, 2), u(k.Workspace, 20001, 9)) // the first is late, and changes nothing
	wantTogetherSince(t, s, 20000, u(k.Workspace, 20000, 3), u("nobody", 20000, 1<<40), u(k.Workspace, 20001, 9))
	wantTogetherSince(t, s, -1, u("a", -1, 1), u(k.Workspace, 20000, 3), u("nobody", 20000, 1<<40), u(k.Workspace, 20001, 9))
	wantTogetherSince(t, s, 20002)
	wantUsage(t, s, k.ID, 20000, 20000, apikey.Usage{ID: k.ID, Day: 20000, Charged: 3})

	// Deleting keys gives nothing back; pruning does.
	if err := s.Delete(k.ID, by, nil); err != nil {
		t.Fatal(err)
	}
	if err := s.Prune(20000, now.Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	wantTogetherSince(t, s, -1, u(k.Workspace, 20000, 3), u("nobody", 20000, 1<<40), u(k.Workspace, 20001, 9))
	wantSound(t, s, 0)
}

func testWorkspaceLimits(t *testing.T, f Factory) {
	s := f.New(t)
	want := func(s keystore.Store, all map[string]apikey.WorkspaceLimits) {
		t.Helper()
		if got := s.AllWorkspaceLimits(); !maps.Equal(got, all) {
			t.Errorf("limits of all workspaces: %+v; want %+v", got, all)
		}
		for _, name := range []string{"acme", "acme2", "other"} {
			lim, ok := all[name]
			if got, found := s.WorkspaceLimits(name); got != lim || found != ok {
				t.Errorf("limits of %s: %+v, %t; want %+v, %t", name, got, found, lim, ok)
			}
		}
	}
	set := func(name string, lim *apikey.WorkspaceLimits) {
		t.Helper()
		if err := s.SetWorkspaceLimits(name, lim, by); err != nil {
			t.Fatal(err)
		}
	}
	want(s, nil)
	first, second := apikey.WorkspaceLimits{PerMinute: 600, PerDay: 100_000}, apikey.WorkspaceLimits{PerDay: 7}
	set("acme", nil) // nothing changes
	set("acme", &first)
	set("acme", &first)
	before := s.AllWorkspaceLimits()
	set("acme2", &second)
	set("other", new(apikey.WorkspaceLimits)) // limits of its own, which limit nothing
	if len(before) != 1 {
		t.Errorf("a map that was handed out has changed to %+v", before)
	}
	all := map[string]apikey.WorkspaceLimits{"acme": first, "acme2": second, "other": {}}
	want(s, all)
	set("acme2", &first)
	set("other", nil)
	all["acme2"] = first
	delete(all, "other")
	want(s, all)

	page, err := s.Audit(keystore.AuditQuery{})
	if err != nil {
		t.Fatal(err)
	}
	var trail []string
	for _, e := range page.Entries {
		if !e.Key.IsZero() || e.Via != by.Via || !e.At.Equal(by.At) || len(e.Changes) != 1 {
			t.Errorf("audit entry %+v", e)
		}
		trail = append(trail, e.Action+" "+e.Workspace)
	}
	if wantTrail := []string{"unlimit other", "limit acme2", "limit other", "limit acme2", "limit acme"}; !slices.Equal(trail, wantTrail) {
		t.Errorf("audit trail %q; want %q", trail, wantTrail)
	}
	var field *apikey.FieldError
	if err := s.SetWorkspaceLimits("no workspace", &first, by); !errors.As(err, &field) {
		t.Errorf("limits of no workspace: %v; want a FieldError", err)
	}
	wantSound(t, s, 0)
	s = f.Reopen(t, s)
	want(s, all)
}

func testBuckets(t *testing.T, f Factory) {
	s := f.New(t)
	want := func(s keystore.Store, want ...apikey.Bucket) {
		t.Helper()
		var got []apikey.Bucket
		if err := s.Buckets(func(b apikey.Bucket) { got = append(got, b) }); err != nil {
			t.Fatal(err)
		}
		same := func(a, b apikey.Bucket) bool {
			at := a.At.Equal(b.At)
			a.At, b.At = time.Time{}, time.Time{}
			return at && a == b
		}
		slices.SortFunc(got, func(a, b apikey.Bucket) int {
			return cmp.Or(cmp.Compare(a.ID.String(), b.ID.String()), cmp.Compare(a.Workspace, b.Workspace))
		})
		if !slices.EqualFunc(got, want, same) {
			t.Errorf("buckets %+v; want %+v", got, want)
		}
	}
	save := func(buckets ...apikey.Bucket) {
		t.Helper()
		if err := s.SaveBuckets(buckets); err != nil {
			t.Fatal(err)
		}
	}
	want(s)
	together := apikey.Bucket{Workspace: "acme", Tokens: 599, PerMinute: 600, Burst: 600, At: now}
	first := apikey.Bucket{ID: keyID(1), Tokens: 0.125, PerMinute: 60, Burst: 6, At: now.Add(time.Nanosecond)}
	second := apikey.Bucket{ID: keyID(2), Tokens: -1e-10, PerMinute: 1, Burst: 1, At: now}
	save(second, together, first)
	want(s, together, first, second)
	wantSound(t, s, 0)
	s = f.Reopen(t, s)
	want(s, together, first, second)
	save(second)
	want(s, second)
	save()
	want(s)
}
