package storetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
)

// Tampering is what a test writes to the engine behind the back of a store.
type Tampering struct {
	Damaged []apikey.ID           // whose records become ones that do not verify
	Keys    []apikey.Key          // stored, and found in their workspaces, whatever else is there
	Audit   []keystore.AuditEntry // added to the trail, in the place that Seq says
}

// wantProblems fails unless Check finds damage in these, in any order, and in
// nothing else.
func wantProblems(t *testing.T, s keystore.Store, want ...string) {
	t.Helper()
	var got []string
	if _, err := s.Check(func(name string, problem error) {
		got = append(got, name)
		if !errors.Is(problem, keystore.ErrDamaged) || !strings.Contains(problem.Error(), name) {
			t.Errorf("check: %s: %v; want damage, and its name", name, problem)
		}
	}); err != nil {
		t.Fatal(err)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("check finds %q; want %q", got, want)
	}
}

// testDeleteDamaged deletes keys of which nothing can be read. Nothing of them
// stays but their history, and what they had is free to be used again.
func testDeleteDamaged(t *testing.T, f Factory) {
	s := f.New(t)
	ordinary, opaque, kept := newKey(t, 1), opaqueKey(t, 2), opaqueKey(t, 3)
	ordinary.Workspace, opaque.Workspace = "a", "other"
	create(t, s, ordinary, opaque, kept, newKey(t, 4))
	day := apikey.DayOf(now)
	for n := 1; n <= 4; n++ {
		saveUsage(t, s, apikey.Usage{ID: keyID(n), Day: day, Allowed: 1, LastUsed: now.Unix()})
	}
	s = f.Tamper(t, s, Tampering{Damaged: []apikey.ID{ordinary.ID, opaque.ID}})
	wantProblems(t, s, ordinary.ID.String(), opaque.ID.String())
	for _, k := range []apikey.Key{ordinary, opaque} {
		refusal := func(*apikey.Key) error { t.Errorf("check was called with %s, which cannot be read", k.ID); return nil }
		if err := s.Delete(k.ID, by, refusal); !errors.Is(err, keystore.ErrDamaged) {
			t.Errorf("delete with a check: %v; want ErrDamaged", err)
		}
		if err := s.Delete(k.ID, by, nil); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		wantSound(t, s, 2)
		for _, k := range []apikey.Key{ordinary, opaque} {
			wantNone(t, s, k.ID)
			wantActions(t, s, k.ID, "delete", "create")
			wantIDs(t, s, keystore.Query{Workspace: k.Workspace})
			wantUsage(t, s, k.ID, day, day)
		}
		wantOpaque(t, s, opaque.Hash, nil)
		wantOpaque(t, s, kept.Hash, &kept)
		wantIDs(t, s, keystore.Query{Workspace: "acme"}, keyID(3), keyID(4))
		if deleted := auditOf(t, s, apikey.ID{})[1]; deleted.Key != ordinary.ID || deleted.Action != "delete" {
			t.Errorf("the trail has %+v; want that %s was deleted", deleted, ordinary.ID)
		}
		s = f.Reopen(t, s)
	}
	again := opaqueKey(t, 5)
	again.Hash = opaque.Hash
	create(t, s, ordinary, again)
	wantOpaque(t, s, opaque.Hash, &again)
	wantSound(t, s, 4)
}

// testCheckSameHash has two opaque keys with one hash, more than a page apart,
// which no store makes.
func testCheckSameHash(t *testing.T, f Factory) {
	s := f.New(t)
	var keys []apikey.Key
	for n := range 1200 {
		keys = append(keys, newKey(t, 10+n))
	}
	first, second, other := opaqueKey(t, 1), opaqueKey(t, 5000), opaqueKey(t, 5001)
	second.Hash = first.Hash
	if err := s.CreateAll(append(keys, first, other), by, nil); err != nil {
		t.Fatal(err)
	}
	s = f.Tamper(t, s, Tampering{Keys: []apikey.Key{second}})
	wantProblems(t, s, second.ID.String())
	if err := s.Delete(second.ID, by, nil); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		wantSound(t, s, 1202)
		wantOpaque(t, s, first.Hash, &first)
		wantOpaque(t, s, other.Hash, &other)
		s = f.Reopen(t, s)
	}
}

// testAuditOfNothing has an entry in the trail that names neither key nor
// workspace: it is shown in its place, and Check tells of it.
func testAuditOfNothing(t *testing.T, f Factory) {
	s := f.New(t)
	create(t, s, newKey(t, 1))
	if err := s.SetWorkspaceLimits("a", &apikey.WorkspaceLimits{PerDay: 1}, by); err != nil {
		t.Fatal(err)
	}
	seq := auditOf(t, s, apikey.ID{})[0].Seq + 1
	s = f.Tamper(t, s, Tampering{Audit: []keystore.AuditEntry{{Seq: seq, At: now, Via: "offline", Action: "update"}}})
	wantProblems(t, s, fmt.Sprintf("audit entry %d", seq))
	update(t, s, keyID(1), "revoke", revoke)
	wantActions(t, s, keyID(1), "revoke", "create")
	wantActions(t, s, apikey.ID{}, "revoke", "update", "limit", "create")
	wantProblems(t, s, fmt.Sprintf("audit entry %d", seq))
}
