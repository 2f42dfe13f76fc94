package command

import "testing"

func TestOriginNamesTheRoutesBefore(t *testing.T) {
	for want, by := range map[string]struct {
		sources []string
		others  int
		whole   bool
	}{
		"a:1":                                      {nil, 0, false},
		"a:1 (after b:2)":                          {[]string{"b:2"}, 0, false},
		"a:1 (after b:2 and 3 more)":               {[]string{"b:2"}, 3, false},
		"a:1 (after b:2, b:4)":                     {[]string{"b:2", "b:4"}, 0, false},
		"a:1 (never reached: b:2)":                 {[]string{"b:2"}, 0, true},
		"a:1 (never reached: b:2, b:4 and 1 more)": {[]string{"b:2", "b:4"}, 1, true},
	} {
		if got := origin("a:1", by.sources, by.others, by.whole).Text; got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
