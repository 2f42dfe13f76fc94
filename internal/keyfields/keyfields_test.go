package keyfields

import (
	"reflect"
	"testing"

	"github.com/socialpatra/keygate/apikey"
)

func TestFields(t *testing.T) {
	names := make(map[string]bool)
	for _, f := range All() {
		names[f.Name] = true
		plain := Plain(apikey.ID([]byte("000000000001")))
		k := plain.Clone()
		f.Set(&k)
		if reflect.DeepEqual(f.Of(&k), f.Of(&plain)) || !f.IsSet(&k) {
			t.Errorf("%s is set to %v, which it is already, or nothing", f.Name, f.Of(&k))
		}
		for _, other := range All() {
			if other.Name != f.Name && !reflect.DeepEqual(other.Of(&k), other.Of(&plain)) {
				t.Errorf("setting %s changes %s", f.Name, other.Name)
			}
		}
	}
	for _, name := range []string{"ID", "Scopes", "Limits.Burst", "ReplacedBy"} {
		if !names[name] {
			t.Errorf("no field %s among %v", name, names)
		}
	}
}

// A list or a map that is set is not shared, whether it is a sample or not; a map
// has several entries, and an empty one says nothing.
func TestMaps(t *testing.T) {
	var made map[string]string
	fill(reflect.ValueOf(&made).Elem())
	if len(made) != mapSize || made["another-7"] != "another" {
		t.Errorf("a map is filled with %v", made)
	}
	fresh := copied(reflect.ValueOf(made)).Interface().(map[string]string)
	if !reflect.DeepEqual(fresh, made) {
		t.Errorf("a copy is %v", fresh)
	}
	if clear(fresh); len(made) != mapSize {
		t.Error("a copy is shared")
	}
	k := apikey.Key{AllowedIPs: []string{}}
	for _, f := range All() {
		if f.IsSet(&k) {
			t.Errorf("%s is set in an empty key", f.Name)
		}
	}
}
