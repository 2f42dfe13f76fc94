package storetest

import (
	"errors"
	"testing"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
)

// opaqueKey returns the nth key as one that is found by its hash.
func opaqueKey(t *testing.T, n int) apikey.Key {
	t.Helper()
	k := newKey(t, n)
	k.Opaque = true
	return k
}

// wantOpaque fails unless the hash finds want, or nothing for nil.
func wantOpaque(t *testing.T, s keystore.Store, hash apikey.Hash, want *apikey.Key) {
	t.Helper()
	id, grant, ok, err := s.LookupOpaque(hash)
	switch {
	case err != nil:
		t.Fatalf("lookup by hash: %v", err)
	case want == nil:
		if ok || !id.IsZero() || grant != (apikey.Grant{}) {
			t.Errorf("lookup by hash: %s, %t; want nothing", id, ok)
		}
	case !ok || id != want.ID:
		t.Errorf("lookup by hash: %s, %t; want %s", id, ok, want.ID)
	default:
		wantGrant(t, grant, *want)
	}
}

// wantExists fails unless err is about this key, and the other with its hash.
func wantExists(t *testing.T, err error, id, sameHash apikey.ID) {
	t.Helper()
	var exists *keystore.ExistsError
	if !errors.As(err, &exists) || !errors.Is(err, keystore.ErrExists) || *exists != (keystore.ExistsError{ID: id, SameHash: sameHash}) {
		t.Errorf("%v; want that %s exists, or has the hash of %q", err, id, sameHash)
	}
}

func testOpaque(t *testing.T, f Factory) {
	s := f.New(t)
	ordinary, k := newKey(t, 1), opaqueKey(t, 2)
	create(t, s, ordinary)
	if s.HasOpaque() {
		t.Error("an ordinary key counts as opaque")
	}
	create(t, s, k)
	for range 2 { // also when opened again
		if !s.HasOpaque() {
			t.Error("the opaque key does not count")
		}
		wantOpaque(t, s, hashOf(1), nil)
		wantOpaque(t, s, hashOf(3), nil)
		wantOpaque(t, s, apikey.Hash{}, nil)
		wantOpaque(t, s, hashOf(2), &k)
		wantKey(t, s, k)
		s = f.Reopen(t, s)
	}
	update(t, s, k.ID, "update", func(k *apikey.Key) { k.Opaque = false }) // never changes
	k = update(t, s, k.ID, "revoke", revoke)
	wantOpaque(t, s, k.Hash, &k)
	wantActions(t, s, k.ID, "revoke", "create")
	if err := s.Delete(k.ID, by, nil); err != nil {
		t.Fatal(err)
	}
	wantOpaque(t, s, k.Hash, nil)
	if s.HasOpaque() {
		t.Error("a deleted key counts")
	}
	again := opaqueKey(t, 3)
	again.Hash = k.Hash
	create(t, s, again)
	wantOpaque(t, s, k.Hash, &again)
}

func testOpaqueHash(t *testing.T, f Factory) {
	s := f.New(t)
	k, same := opaqueKey(t, 1), opaqueKey(t, 2)
	same.Hash = k.Hash
	create(t, s, k)
	wantExists(t, s.Create(same, by), same.ID, k.ID)
	wantExists(t, s.CreateAll([]apikey.Key{opaqueKey(t, 3), same}, by, nil), same.ID, k.ID)
	wantNone(t, s, same.ID)
	wantNone(t, s, keyID(3))
	_, err := s.Rotate(k.ID, by, func(_, successor *apikey.Key) error {
		successor.ID, successor.Hash, successor.Opaque = same.ID, k.Hash, true
		return nil
	})
	wantExists(t, err, same.ID, k.ID)
	wantExists(t, s.Create(k, by), k.ID, apikey.ID{})
	wantKey(t, s, k)
	wantOpaque(t, s, k.Hash, &k)
	wantActions(t, s, apikey.ID{}, "create")

	same.Opaque = false // found by its ID alone
	create(t, s, same)
	wantOpaque(t, s, k.Hash, &k)
	if err := s.Delete(same.ID, by, nil); err != nil {
		t.Fatal(err)
	}
	wantOpaque(t, s, k.Hash, &k)
}

// testOpaqueRotated moves a key from a foreign token to one of Keygate's.
func testOpaqueRotated(t *testing.T, f Factory) {
	s := f.New(t)
	k := opaqueKey(t, 1)
	create(t, s, k)
	successor, err := s.Rotate(k.ID, by, func(_, successor *apikey.Key) error {
		successor.ID, successor.Hash = keyID(2), hashOf(2)
		return nil
	})
	if err != nil || successor.Opaque {
		t.Fatalf("rotate: opaque %t, %v", successor.Opaque, err)
	}
	wantKey(t, s, successor)
	wantOpaque(t, s, successor.Hash, nil)
	k.ReplacedBy = successor.ID
	wantKey(t, s, k)
	wantOpaque(t, s, k.Hash, &k)
}
