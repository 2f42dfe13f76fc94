package apikey_test

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/internal/keyfields"
)

func plainKey() apikey.Key { return keyfields.Plain(apikey.ID([]byte("000000000001"))) }

// A clone has every field, and shares no memory with its key.
func TestCloneHasEveryField(t *testing.T) {
	for _, f := range keyfields.All() {
		k, untouched := plainKey(), plainKey()
		f.Set(&k)
		f.Set(&untouched)
		c := k.Clone()
		if !reflect.DeepEqual(c, k) {
			t.Errorf("%s: the clone has %v; want %v", f.Name, f.Of(&c), f.Of(&k))
		}
		scribble(reflect.ValueOf(&c).Elem())
		if !reflect.DeepEqual(k, untouched) {
			t.Errorf("%s: what is written into the clone is in the key", f.Name)
		}
	}
}

// scribble writes into all that a value points to.
func scribble(v reflect.Value) {
	if v.Kind() == reflect.Map {
		v.Clear()
	}
	if v.Kind() == reflect.Slice {
		for i := range v.Len() {
			v.Index(i).SetZero()
		}
	}
	if v.Kind() == reflect.Struct {
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				scribble(v.Field(i))
			}
		}
	}
}

// notInherited are the fields that belong to one key alone, and not to the one
// that replaces it.
var notInherited = map[string]bool{
	"ID": true, "Prefix": true, "Hash": true, "Opaque": true,
	"CreatedAt": true, "CreatedBy": true, "RevokedAt": true, "Disabled": true, "RotatedFrom": true, "ReplacedBy": true,
	"Account": true, // which Link gives it
	"Warned":  true,
}

func TestHeirHasEverySetting(t *testing.T) {
	for _, f := range keyfields.All() {
		k := plainKey()
		f.Set(&k)
		h := k.Heir()
		if notInherited[f.Name] {
			if !reflect.ValueOf(f.Of(&h)).IsZero() {
				t.Errorf("%s is inherited", f.Name)
			}
		} else if !reflect.DeepEqual(f.Of(&h), f.Of(&k)) {
			t.Errorf("%s is not inherited", f.Name)
		}
	}
}

// fixed are the fields that no change of a key touches.
var fixed = map[string]bool{
	"ID": true, "Prefix": true, "Hash": true, "Opaque": true, "Workspace": true, "Account": true, "CreatedAt": true, "CreatedBy": true,
}

func TestKeepFixed(t *testing.T) {
	for _, f := range keyfields.All() {
		old := plainKey()
		k := old.Clone()
		f.Set(&k)
		k.KeepFixed(&old)
		if kept := reflect.DeepEqual(f.Of(&k), f.Of(&old)); kept != fixed[f.Name] {
			t.Errorf("%s: kept %t; want %t", f.Name, kept, fixed[f.Name])
		}
	}
}

// What a key is shows in its record, but for its hash, the form of its token,
// its account, and what was announced of its expiry.
func TestRecordShowsEveryField(t *testing.T) {
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	show := func(k apikey.Key) string {
		text, err := json.Marshal(k.Record(at, time.Time{}))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	for _, f := range keyfields.All() {
		k := plainKey()
		f.Set(&k)
		hidden := f.Name == "Hash" || f.Name == "Opaque" || f.Name == "Account" || f.Name == "Warned"
		if same := show(k) == show(plainKey()); same != hidden {
			t.Errorf("%s: the record is the same: %t; want %t", f.Name, same, hidden)
		}
	}
}

func TestLife(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 999, time.UTC)
	id := apikey.ID([]byte("000000000002"))
	k := plainKey()
	next := k.Heir()
	next.SetToken("patra", id, apikey.Hash{2})
	if err := k.Rotate(&next, now, time.Hour); err != nil {
		t.Fatal(err)
	}
	if want := now.Truncate(time.Second).Add(time.Hour); !k.ExpiresAt.Equal(want) || k.ReplacedBy != id || next.RotatedFrom != k.ID ||
		next.Workspace != k.Workspace || next.Prefix != "patra_000000000002" || !next.CreatedAt.Equal(now.Truncate(time.Second)) || !next.ExpiresAt.IsZero() {
		t.Errorf("rotated to %+v and %+v", k, next)
	}
	for name, change := range map[string]func(*apikey.Key){
		"rotated":  func(*apikey.Key) {},
		"revoked":  func(k *apikey.Key) { k.ReplacedBy = apikey.ID{}; k.Revoke(now) },
		"disabled": func(k *apikey.Key) { k.ReplacedBy = apikey.ID{}; k.Disabled = true },
		"expired":  func(k *apikey.Key) { k.ReplacedBy = apikey.ID{}; k.ExpiresAt = now },
	} {
		c := k.Clone()
		change(&c)
		before, other := c.Clone(), c.Heir()
		if _, ok := c.Rotate(&other, now, time.Hour).(*apikey.StateError); !ok { //nolint:errorlint // returned as it is
			t.Errorf("a key that is %s is rotated", name)
		}
		if !reflect.DeepEqual(c, before) {
			t.Errorf("a key that is %s is changed by a rotation that is refused", name)
		}
	}
	soon := plainKey()
	soon.ExpiresAt = now.Add(time.Minute).Truncate(time.Second)
	ends := soon.ExpiresAt
	if err := soon.Rotate(&next, now, time.Hour); err != nil || !soon.ExpiresAt.Equal(ends) {
		t.Errorf("an overlap prolongs a key to %s, %v", soon.ExpiresAt, err)
	}
	k.Revoke(now)
	first := k.RevokedAt
	k.Revoke(now.Add(time.Hour))
	if !k.RevokedAt.Equal(first) || k.CheckChangeable() == nil {
		t.Errorf("a revoked key is revoked again at %s, or can be changed", k.RevokedAt)
	}
	fresh := plainKey()
	if fresh.CheckChangeable() != nil || fresh.CheckWorkspace("acme") != nil || fresh.CheckWorkspace("other") == nil {
		t.Error("what may change of a fresh key is wrong")
	}
}

// All successors are on the account of the first key, and of the one that an
// import says.
func TestSuccessorsShareAnAccount(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	imported := apikey.ID([]byte("zzzzzzzzzzzz"))
	for _, account := range []apikey.ID{{}, imported} {
		k := plainKey()
		k.Account = account
		want := account
		if want.IsZero() {
			want = k.ID
		}
		for n := range 3 {
			next := k.Heir()
			next.SetToken("patra", apikey.ID([]byte("00000000001"+string(rune('1'+n)))), apikey.Hash{2})
			next.Account = apikey.ID([]byte("aaaaaaaaaaaa")) // whatever an edit says
			if err := k.Rotate(&next, now, time.Hour); err != nil {
				t.Fatal(err)
			}
			if grant, err := next.Grant(); err != nil || next.Account != want || grant.Account != want {
				t.Errorf("successor %d is on the account %s, and its grant on %s, %v; want %s", n+1, next.Account, grant.Account, err, want)
			}
			k = next
		}
	}
}

func TestParseOverlap(t *testing.T) {
	for s, want := range map[string]time.Duration{"0s": 0, "30m": 30 * time.Minute, "8760h": apikey.MaxOverlap} {
		if d, err := apikey.ParseOverlap(s); err != nil || d != want {
			t.Errorf("%s: %s, %v", s, d, err)
		}
	}
	for _, s := range []string{"", "-1s", "8760h1ns", "1d", "24"} {
		if d, err := apikey.ParseOverlap(s); err == nil {
			t.Errorf("%q is %s", s, d)
		}
	}
}
