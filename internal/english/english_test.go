package english

import "testing"

func TestPlural(t *testing.T) {
	for n, want := range map[int]string{0: "0 keys", 1: "1 key", 2: "2 keys", 1000: "1000 keys"} {
		if got := Plural(n, "key"); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
	if one, two := Count(1, "record is", "records are"), Count(2, "record is", "records are"); one != "1 record is" || two != "2 records are" {
		t.Errorf("%q, %q", one, two)
	}
}

func TestOr(t *testing.T) {
	for want, words := range map[string][]string{"": nil, "a": {"a"}, "a or b": {"a", "b"}, "a, b or c": {"a", "b", "c"}} {
		if got := Or(words); got != want {
			t.Errorf("%q: %q, want %q", words, got, want)
		}
	}
}
