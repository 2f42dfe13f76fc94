package storetest

import (
	"bytes"
	"encoding/binary"
	"reflect"
	"slices"
	"testing"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/internal/keyfields"
	"github.com/socialpatra/keygate/keystore"
)

// fixedFields stay as they were when a key is updated, ownFields when one is
// rotated: the successor gets its own.
var (
	fixedFields = map[string]bool{"ID": true, "Prefix": true, "Hash": true, "Opaque": true, "Workspace": true, "CreatedAt": true, "CreatedBy": true, "Account": true}
	ownFields   = map[string]bool{
		"ID": true, "Prefix": true, "Hash": true, "Opaque": true, "CreatedAt": true, "CreatedBy": true,
		"RevokedAt": true, "Disabled": true, "RotatedFrom": true, "ReplacedBy": true, "Warned": true,
	}
)

// testEveryField follows each field of a key, also one that is added later,
// through all that a store does: none of them may forget it.
func testEveryField(t *testing.T, f Factory) {
	s := f.New(t)
	var want []apikey.Key
	for n, field := range keyfields.All() {
		k := keyfields.Plain(keyID(4*n + 1))
		field.Set(&k)
		binary.BigEndian.PutUint64(k.Hash[:], uint64(n)+1) // opaque keys may not share theirs
		create(t, s, k)
		want = append(want, k, updateField(t, s, field, keyID(4*n+2)), rotateField(t, s, field, keyID(4*n+3), keyID(4*n+4)))
	}
	check := func(s keystore.Store, when string) {
		t.Helper()
		for _, k := range want {
			got, err := s.Get(k.ID)
			if err != nil || !reflect.DeepEqual(got, k) {
				t.Errorf("%s, a key is\n%+v, %v; want\n%+v", when, got, err, k)
			}
		}
		for _, sort := range append(keystore.Sorts(), keystore.SortID) { // which need not read all of a record
			page, err := s.List(keystore.Query{Sort: sort, Limit: keystore.MaxPage, Now: now})
			if err != nil {
				t.Errorf("%s, by %q: %v", when, sort, err)
			}
			for _, k := range want {
				if !slices.ContainsFunc(page.Keys, func(got apikey.Key) bool { return got.ID == k.ID }) {
					t.Errorf("%s, by %q, a key is missing:\n%+v", when, sort, k)
				}
			}
		}
	}
	check(s, "at once")
	var backup bytes.Buffer
	if err := s.Backup(&backup); err != nil {
		t.Fatal(err)
	}
	check(f.Reopen(t, s), "opened again")
	check(f.Restore(t, &backup), "from a backup")
}

// updateField changes one field alone, which must be taken for a change.
func updateField(t *testing.T, s keystore.Store, field keyfields.Field, id apikey.ID) apikey.Key {
	t.Helper()
	k := keyfields.Plain(id)
	create(t, s, k)
	got := update(t, s, id, "update", field.Set)
	if !fixedFields[field.Name] {
		field.Set(&k)
	}
	if !reflect.DeepEqual(got, k) {
		t.Errorf("%s: an update of it alone returns\n%+v; want\n%+v", field.Name, got, k)
	}
	return k
}

// rotateField sees that the successor of a key has the field.
func rotateField(t *testing.T, s keystore.Store, field keyfields.Field, id, nextID apikey.ID) apikey.Key {
	t.Helper()
	old := keyfields.Plain(id)
	if field.Name != "ID" {
		field.Set(&old)
	}
	copy(old.Hash[1:], id[:])
	create(t, s, old)
	next, err := s.Rotate(old.ID, by, func(_, next *apikey.Key) error {
		next.SetToken("patra", nextID, apikey.Hash{9})
		copy(next.Hash[1:], nextID[:])
		next.CreatedAt = now
		return nil
	})
	if err != nil {
		t.Fatalf("%s: %v", field.Name, err)
	}
	if inherited := reflect.DeepEqual(field.Of(&next), field.Of(&old)); inherited == ownFields[field.Name] {
		t.Errorf("%s: inherited %t: %v of %v", field.Name, inherited, field.Of(&next), field.Of(&old))
	}
	return next
}
