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
		if reflect.DeepEqual(f.Of(&k), f.Of(&plain)) || reflect.ValueOf(f.Of(&k)).IsZero() {
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
