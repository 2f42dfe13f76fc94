package keystore

import (
	"fmt"
	"testing"

	"github.com/socialpatra/keygate/apikey"
)

// TestIndexReserve makes sure that an index made for so many keys takes them
// without growing, and is no larger than it has to be.
func TestIndexReserve(t *testing.T) {
	for _, keys := range []int{0, 1000, 50_000} {
		t.Run(fmt.Sprint(keys), func(t *testing.T) {
			x := NewIndex()
			x.reserve(keys)
			before := x.cells()
			if most := indexShards*8*2 + keys*2; before > most {
				t.Errorf("%d cells; want at most %d", before, most)
			}
			g := testGrant(t)
			for i := range keys {
				x.Put(numberedID(i), g, false)
			}
			if after := x.cells(); after > before+before/50 {
				t.Errorf("grew from %d cells to %d", before, after)
			}
		})
	}
}

func (x *Index) cells() (n int) {
	for i := range x.shards {
		n += x.shards[i].entries.Cells()
	}
	return n
}

func testGrant(tb testing.TB) apikey.Grant {
	tb.Helper()
	k := testKey(tb)
	g, err := k.Grant()
	if err != nil {
		tb.Fatal(err)
	}
	return g
}
