package access

import (
	"slices"
	"strings"
	"testing"

	"github.com/socialpatra/keygate/apikey"
)

func TestScopesHeldBy(t *testing.T) {
	either := Scopes{{"posts:write", "media:upload"}, {"posts:approve"}}
	tests := map[string]struct {
		needed  Scopes
		held    string
		want    bool
		nearest string
		missing string
	}{
		"none needed":                   {nil, "", true, "", ""},
		"all held":                      {AllOf("posts:write", "media:upload"), "media:upload posts:write", true, "posts:write media:upload", ""},
		"one of two held":               {AllOf("posts:write", "media:upload"), "media:upload", false, "posts:write media:upload", "posts:write"},
		"first set held":                {either, "media:upload posts:write", true, "posts:write media:upload", " | posts:approve"},
		"second set held":               {either, "posts:approve", true, "posts:approve", "posts:write media:upload | "},
		"a part of each is not a whole": {Scopes{{"a:a", "b:b"}, {"c:c", "d:d"}}, "a:a c:c", false, "a:a b:b", "b:b | d:d"},
		"none held":                     {either, "feeds:read", false, "posts:approve", "posts:write media:upload | posts:approve"},
		"the first of as near ones":     {Scopes{{"a:a"}, {"b:b"}}, "feeds:read", false, "a:a", "a:a | b:b"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			held := apikey.NewScopeSet(strings.Fields(tt.held))
			if got := tt.needed.HeldBy(held); got != tt.want {
				t.Errorf("HeldBy = %v", got)
			}
			if got := strings.Join(tt.needed.Nearest(held), " "); got != tt.nearest {
				t.Errorf("Nearest = %q, want %q", got, tt.nearest)
			}
			if got := tt.needed.Missing(held).String(); got != tt.missing {
				t.Errorf("Missing = %q, want %q", got, tt.missing)
			}
		})
	}
}

func TestScopesDistinct(t *testing.T) {
	got := Scopes{{"c:c", "a:a"}, {"a:a", "b:b"}}.Distinct()
	if want := []string{"a:a", "b:b", "c:c"}; !slices.Equal(got, want) {
		t.Errorf("Distinct = %v, want %v", got, want)
	}
}

func TestScopesAreChecked(t *testing.T) {
	tests := map[string]struct {
		scopes  Scopes
		problem string
	}{
		"the same set in another order": {Scopes{{"a:a", "b:b"}, {"b:b", "a:a"}}, "has the alternative b:b a:a twice"},
		"an empty set":                  {Scopes{{"a:a"}, {}}, "has an alternative without scopes"},
		"too many":                      {make(Scopes, 17), "has 17 alternatives of scopes"},
		"bad in the second":             {Scopes{{"a:a"}, {"A:a"}}, `"A:a" is not a scope`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := NewTable([]Route{{Methods: []string{"GET"}, Pattern: "/a", Scopes: tt.scopes}})
			if err == nil || !strings.Contains(err.Error(), tt.problem) {
				t.Errorf("NewTable = %v, want %q", err, tt.problem)
			}
		})
	}
}
