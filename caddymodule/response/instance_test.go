package response

import (
	"regexp"
	"testing"
)

func TestInstances(t *testing.T) {
	form := regexp.MustCompile(`^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	seen := make(map[string]bool)
	digits := make(map[byte]bool) // at the first and the last place
	for range 10_000 {
		id := NewInstance()
		if !form.MatchString(id) || seen[id] {
			t.Fatalf("NewInstance = %q, seen before: %v", id, seen[id])
		}
		seen[id] = true
		digits[id[9]], digits[id[len(id)-1]^0x80] = true, true
	}
	if len(digits) != 32 {
		t.Errorf("%d digits at two places, want 16 at each", len(digits))
	}
	if n := testing.AllocsPerRun(100, func() { NewInstance() }); n > 1 {
		t.Errorf("%v allocations", n)
	}
}
