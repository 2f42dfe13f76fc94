package storetest

import (
	"math"
	"testing"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
)

// testPageSizes asks for pages of every size at its bounds, where there are as
// many keys and audit entries as the largest has, and one more.
func testPageSizes(t *testing.T, f Factory) {
	s := f.New(t)
	var keys []apikey.Key
	for n := range keystore.MaxPage {
		keys = append(keys, newKey(t, n))
	}
	if err := s.CreateAll(keys, by, nil); err != nil {
		t.Fatal(err)
	}
	for have := keystore.MaxPage; have <= keystore.MaxPage+1; have++ {
		if have > keystore.MaxPage {
			create(t, s, newKey(t, keystore.MaxPage))
		}
		for limit, want := range map[int]int{
			-1: keystore.DefaultPage, 0: keystore.DefaultPage, 1: 1, 2: 2,
			keystore.DefaultPage - 1: keystore.DefaultPage - 1, keystore.DefaultPage + 1: keystore.DefaultPage + 1,
			keystore.MaxPage - 1: keystore.MaxPage - 1, keystore.MaxPage: keystore.MaxPage, keystore.MaxPage + 1: keystore.MaxPage, math.MaxInt: keystore.MaxPage,
		} {
			for _, workspace := range []string{"", "acme"} {
				page, err := s.List(keystore.Query{Workspace: workspace, Limit: limit})
				if err != nil || len(page.Keys) != want || len(page.LastUsed) != want || page.Next.IsZero() != (want == have) {
					t.Errorf("%d of %d keys of %q: %d, next %q, %v; want %d", limit, have, workspace, len(page.Keys), page.Next, err, want)
				}
				if !page.Next.IsZero() && page.Next != keyID(want-1) {
					t.Errorf("%d of %d keys of %q: next %q; want the last", limit, have, workspace, page.Next)
				}
			}
			trail, err := s.Audit(keystore.AuditQuery{Limit: limit})
			if err != nil || len(trail.Entries) != want || (trail.Next == 0) != (want == have) {
				t.Errorf("%d of %d entries: %d, next %d, %v; want %d", limit, have, len(trail.Entries), trail.Next, err, want)
			}
			if trail.Next != 0 && trail.Next != trail.Entries[want-1].Seq {
				t.Errorf("%d of %d entries: next %d; want the last", limit, have, trail.Next)
			}
		}
	}
}
