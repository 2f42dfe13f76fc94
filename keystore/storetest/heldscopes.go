package storetest

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"testing"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
)

// testHeldScopesOfWorkspace: those of one workspace tell nothing of another.
func testHeldScopesOfWorkspace(t *testing.T, f Factory) {
	s := f.New(t)
	for n := range 9 {
		k := newKey(t, n)
		k.Workspace, k.Scopes = []string{"a", "a-b", "b"}[n%3], []string{"all:all", fmt.Sprintf("only:%d", n%3)}
		create(t, s, k)
	}
	for n, workspace := range []string{"a", "a-b", "b"} {
		want := []keystore.HeldScope{
			{Scope: "all:all", Count: 3, Keys: []apikey.ID{keyID(n), keyID(n + 3)}},
			{Scope: fmt.Sprintf("only:%d", n), Count: 3, Keys: []apikey.ID{keyID(n), keyID(n + 3)}},
		}
		if got, err := s.HeldScopes(workspace, 2); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v; want %+v", workspace, got, err, want)
		}
	}
	if got, err := s.HeldScopes("none", 2); err != nil || len(got) != 0 {
		t.Errorf("of no workspace: %+v, %v", got, err)
	}
	if err := s.Delete(keyID(0), by, nil); err != nil {
		t.Fatal(err)
	}
	if got, err := s.HeldScopes("a", 1); err != nil || len(got) != 2 || got[0].Count != 2 || got[0].Keys[0] != keyID(3) {
		t.Errorf("after a deletion: %+v, %v", got, err)
	}
}

func testHeldScopes(t *testing.T, f Factory) {
	s := f.New(t)
	check := func(most int, held ...keystore.HeldScope) {
		t.Helper()
		got, err := s.HeldScopes("", most)
		if err != nil || len(got) != len(held) || len(held) > 0 && !reflect.DeepEqual(got, held) {
			t.Errorf("%+v, %v; want %+v", got, err, held)
		}
	}
	check(10)
	var ids []apikey.ID
	for n := range 40 {
		i := n*7%40 + 1 // in no order
		k := newKey(t, i)
		k.Scopes = []string{"b:b"}
		if i == 7 || i == 9 {
			k.Scopes = []string{"a:a", "b:b", "c:c"}
		}
		create(t, s, k)
		ids = append(ids, k.ID)
	}
	slices.SortFunc(ids, func(x, y apikey.ID) int { return bytes.Compare(x[:], y[:]) })
	few := []apikey.ID{keyID(7), keyID(9)}
	check(40, keystore.HeldScope{Scope: "a:a", Count: 2, Keys: few},
		keystore.HeldScope{Scope: "b:b", Count: 40, Keys: ids}, keystore.HeldScope{Scope: "c:c", Count: 2, Keys: few})
	check(3, keystore.HeldScope{Scope: "a:a", Count: 2, Keys: few},
		keystore.HeldScope{Scope: "b:b", Count: 40, Keys: ids[:3]}, keystore.HeldScope{Scope: "c:c", Count: 2, Keys: few})

	update(t, s, keyID(7), "update", func(k *apikey.Key) { k.Scopes = []string{"b:b"} })
	if err := s.Delete(keyID(9), by, nil); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		check(1, keystore.HeldScope{Scope: "b:b", Count: 39, Keys: ids[:1]})
		s = f.Reopen(t, s)
	}
}
