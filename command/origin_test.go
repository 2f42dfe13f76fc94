package command

import "testing"

func TestOriginNamesTheRoutesBefore(t *testing.T) {
	for _, test := range []struct {
		sources []string
		others  int
		whole   bool
		want    string
	}{
		{nil, 0, false, "a:1"},
		{[]string{""}, 3, false, "a:1"}, // a config in JSON need not say where
		{[]string{"b:2"}, 0, false, "a:1 (after b:2)"},
		{[]string{"b:2"}, 3, false, "a:1 (after b:2 and 3 more)"},
		{[]string{"b:2", "b:4"}, 0, false, "a:1 (after b:2, b:4)"},
		{[]string{"b:2"}, 0, true, "a:1 (never reached: b:2)"},
		{[]string{"b:2", "b:4"}, 1, true, "a:1 (never reached: b:2, b:4 and 1 more)"},
	} {
		if got := origin("a:1", test.sources, test.others, test.whole).Text; got != test.want {
			t.Errorf("%q, want %q", got, test.want)
		}
	}
}
