package goldentest

import "testing"

func TestDifference(t *testing.T) {
	for _, test := range []struct{ got, want, shown string }{
		{"a\nb\nc", "a\nx\nc", "got\nb\nc\nwant\nx\nc"},
		{"a", "a\nb", "got\n\nwant\nb"},
		{"", "a", "got\n\nwant\na"},
	} {
		if shown := difference(test.got, test.want); shown != test.shown {
			t.Errorf("%q, %q: %q", test.got, test.want, shown)
		}
	}
}
