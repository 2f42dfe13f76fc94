package storetest

import (
	"testing"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
)

// testReason holds that the trail says why a change was made, and that a change
// with a reason is recorded also if it changes nothing.
func testReason(t *testing.T, f Factory) {
	s := f.New(t)
	k := newKey(t, 1)
	create(t, s, k)
	why := by
	why.Reason = `leaked: "pasted" <b>`
	edits := []func(*apikey.Key){func(*apikey.Key) {}, revoke, revoke}
	for _, actor := range []keystore.Actor{why, by} {
		for _, edit := range edits {
			got, err := s.Update(k.ID, "revoke", actor, func(k *apikey.Key) error { edit(k); return nil })
			edit(&k)
			if err != nil || !equal(got, k) {
				t.Errorf("update: %+v, %v; want %+v", got, err, k)
			}
			wantKey(t, s, k)
		}
	}
	want := []string{why.Reason, why.Reason, why.Reason, ""}
	for _, again := range []bool{false, true} {
		if again {
			s = f.Reopen(t, s)
		}
		entries := auditOf(t, s, k.ID)
		if len(entries) != len(want) {
			t.Fatalf("%d entries, want %d", len(entries), len(want))
		}
		for i, e := range entries {
			if _, changed := e.Changes["revoked_at"]; e.Reason != want[i] || changed != (i == 1) && i < 3 {
				t.Errorf("entry %d: %+v; want the reason %q", i, e, want[i])
			}
		}
	}
	wantSound(t, s, 1)
}
