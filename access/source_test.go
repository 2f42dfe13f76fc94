package access

import (
	"slices"
	"testing"
)

func TestCompareSources(t *testing.T) {
	want := []string{"", "Caddyfile:9", "Caddyfile:12", "a", "a:x", "paths/a.yaml:1"}
	got := slices.Clone(want)
	slices.Reverse(got)
	slices.SortFunc(got, CompareSources)
	if !slices.Equal(got, want) {
		t.Errorf("sorted: %q, want %q", got, want)
	}
}
