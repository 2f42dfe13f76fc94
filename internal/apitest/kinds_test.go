package apitest

import (
	"reflect"
	"testing"

	"github.com/socialpatra/keygate/internal/keyfields"
)

// A field that is the same in all keys would hide what mixes keys up.
func TestKindsDifferInEveryField(t *testing.T) {
	keys, _ := EachKind(t, 22)
	for _, f := range keyfields.All() {
		differ := false
		for i := range keys {
			differ = differ || f.IsSet(&keys[i]) && !reflect.DeepEqual(f.Of(&keys[i]), f.Of(&keys[0]))
		}
		if !differ && f.Name != "Warned" { // which no export has
			t.Errorf("%s is the same in all keys", f.Name)
		}
	}
}
