package response

import (
	"fmt"
	"testing"
)

// Values of headers share memory, and nothing else; there are more than fit into
// it.
func TestValues(t *testing.T) {
	for _, before := range []int{0, 1, 8, 9, 10, 11, 12, 13} {
		v := new(Values)
		for i := range before {
			v.Of(fmt.Sprint(i))
		}
		pair := v.Both("first", "second")
		one := v.Of("one")
		pair, one = append(pair, "third"), append(one, "two")
		last := v.Of("last")
		if got := fmt.Sprint(pair, one, last); got != "[first second third] [one two] [last]" {
			t.Errorf("after %d values: %s", before, got)
		}
	}
	v := new(Values)
	if n := testing.AllocsPerRun(100, func() {
		v.used = 0
		for range len(v.values) - 2 {
			v.Of("x")
		}
		v.Both("y", "z")
	}); n > 0 {
		t.Errorf("%v allocations for as many as there is room for", n)
	}
}
