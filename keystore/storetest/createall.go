package storetest

import (
	"testing"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
)

func testCreateAll(t *testing.T, f Factory) {
	s := f.New(t)
	if err := s.CreateAll(nil, by, nil); err != nil {
		t.Fatal(err)
	}
	create(t, s, newKey(t, 50))
	var keys []apikey.Key
	for n := 1100; n > 50; n-- { // in no order, and more than any page
		keys = append(keys, newKey(t, n))
	}
	full, opaque := fullKey(t, 7), opaqueKey(t, 3)
	full.Workspace = "other"
	full.CreatedAt = full.CreatedAt.Add(time.Millisecond) // as Create drops it
	keys = append(keys, full, opaque)
	given := keys[len(keys)-2]
	if err := s.CreateAll(keys, by, nil); err != nil {
		t.Fatal(err)
	}
	if got := keys[len(keys)-2]; got.ID != given.ID || !got.CreatedAt.Equal(given.CreatedAt) {
		t.Error("what was given has changed")
	}
	full.CreatedAt = full.CreatedAt.Truncate(time.Second)
	keys[len(keys)-2] = full
	for range 2 {
		for _, k := range keys {
			wantKey(t, s, k)
		}
		wantOpaque(t, s, opaque.Hash, &opaque)
		wantIDs(t, s, keystore.Query{Workspace: "other"}, full.ID)
		wantActions(t, s, full.ID, "import")
		s = f.Reopen(t, s)
	}
}

func testCreateAllRefused(t *testing.T, f Factory) {
	s := f.New(t)
	create(t, s, newKey(t, 5))
	sameHash := opaqueKey(t, 3)
	sameHash.Hash = hashOf(1)
	for _, tt := range []struct {
		name         string
		keys         []apikey.Key
		id, sameHash apikey.ID
	}{
		{"one exists", []apikey.Key{newKey(t, 5)}, keyID(5), apikey.ID{}},
		{"the last exists", []apikey.Key{newKey(t, 1), newKey(t, 2), newKey(t, 5)}, keyID(5), apikey.ID{}},
		{"given twice", []apikey.Key{newKey(t, 1), newKey(t, 2), newKey(t, 1)}, keyID(1), apikey.ID{}},
		{"two with one hash", []apikey.Key{sameHash, newKey(t, 2), opaqueKey(t, 1)}, keyID(3), keyID(1)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			wantExists(t, s.CreateAll(tt.keys, by, nil), tt.id, tt.sameHash)
		})
	}
	wrong := newKey(t, 2)
	wrong.AllowedIPs = []string{"localhost"}
	if err := s.CreateAll([]apikey.Key{newKey(t, 1), wrong}, by, nil); err == nil {
		t.Error("a key that cannot be decided on was stored")
	}
	for n := range 4 {
		wantNone(t, s, keyID(n))
	}
	wantKey(t, s, newKey(t, 5))
	if s.HasOpaque() {
		t.Error("a refused opaque key counts")
	}
	wantIDs(t, s, keystore.Query{Workspace: "acme"}, keyID(5))
	wantActions(t, s, apikey.ID{}, "create")
}
