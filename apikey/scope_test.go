package apikey

import (
	"slices"
	"strings"
	"testing"
)

func TestCatalogue(t *testing.T) {
	want := strings.Fields(`posts:read posts:write posts:delete posts:approve media:upload queue:read queue:write
		schedule:read schedule:write analytics:read connections:read connections:write feeds:read feeds:write ai:generate`)
	var got []string
	for _, info := range Catalogue() {
		got = append(got, info.Scope)
		if err := CheckScope(info.Scope); err != nil {
			t.Error(err)
		}
		if err := checkText("description", info.Description, 1, 60); err != nil {
			t.Errorf("%s: %v", info.Scope, err)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	Catalogue()[0].Scope = "changed"
	if Catalogue()[0].Scope != "posts:read" {
		t.Error("a caller can change the catalogue")
	}
}

func TestCheckScope(t *testing.T) {
	for _, s := range []string{"posts:write", "a:b", "a-b_9:c-d_9", "a:" + strings.Repeat("b", 62)} {
		if err := CheckScope(s); err != nil {
			t.Errorf("CheckScope(%q) = %v", s, err)
		}
	}
	const accepted = "; accepted: resource:action, such as posts:write, of a-z, 0-9, _ and -, each part starting with a letter, at most 64 characters"
	for _, tt := range []struct{ name, scope, want string }{
		{"empty", "", `"" is not a scope` + accepted},
		{"no action", "invoices", `"invoices" is not a scope` + accepted},
		{"empty action", "a:", `"a:" is not a scope` + accepted},
		{"empty resource", ":b", `":b" is not a scope` + accepted},
		{"two colons", "a:b:c", `"a:b:c" is not a scope` + accepted},
		{"digit first", "1a:b", `"1a:b" is not a scope` + accepted},
		{"hyphen first", "a:-b", `"a:-b" is not a scope` + accepted},
		{"wildcard", "*:*", `"*:*" is not a scope` + accepted},
		{"not ASCII", "ä:b", `"\u00e4:b" is not a scope` + accepted},
		{"65 characters", "a:" + strings.Repeat("b", 63), `"a:` + strings.Repeat("b", 62) + `"… is not a scope` + accepted},
		{"upper case", "Posts:Write", `"Posts:Write" is not a scope (did you mean posts:write?)`},
		{"dot for colon", "posts.write", `"posts.write" is not a scope (did you mean posts:write?)`},
		{"space", " posts:read", `" posts:read" is not a scope (did you mean posts:read?)`},
		{"two in one", "posts:read,posts:write", `"posts:read,posts:write" is not a scope` + accepted},
		{"token", testToken, "<a token> is not a scope" + accepted},
		{"token in the action", "a:ab_abcdefghijkl_" + strings.Repeat("x", 38), "<a token> is not a scope" + accepted},
	} {
		t.Run(tt.name, func(t *testing.T) {
			wantFieldError(t, CheckScope(tt.scope), "scopes", tt.want)
		})
	}
}

func TestCheckKnown(t *testing.T) {
	if err := CheckKnown([]string{"posts:read", "invoices:void", "ai:generate"}, []string{"invoices:void"}); err != nil {
		t.Error(err)
	}
	if err := CheckKnown(nil, nil); err != nil {
		t.Error(err)
	}
	for _, tt := range []struct{ scope, want string }{
		{"posts:wrte", `"posts:wrte" is not a known scope (did you mean posts:write?)`},
		{"post:wirte", `"post:wirte" is not a known scope (did you mean posts:write?)`},
		{"feed:read", `"feed:read" is not a known scope (did you mean feeds:read?)`},
		{"invoice:void", `"invoice:void" is not a known scope (did you mean invoices:void?)`},
		{"posts:publish", `"posts:publish" is not a known scope; accepted: those that caddy keygate scopes lists`},
		{"webhooks:send", `"webhooks:send" is not a known scope; accepted: those that caddy keygate scopes lists`},
		{"Posts:read", `"Posts:read" is not a scope (did you mean posts:read?)`},
	} {
		t.Run(tt.scope, func(t *testing.T) {
			err := CheckKnown([]string{"posts:read", tt.scope, "other:unknown"}, []string{"invoices:void"})
			wantFieldError(t, err, "scopes", tt.want)
		})
	}
}

func TestEditDistance(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want int
	}{
		{"", "", 0},
		{"abc", "abc", 0},
		{"", "abc", 3},
		{"abc", "", 3},
		{"abc", "axc", 1},
		{"abc", "ac", 1},
		{"abc", "abxc", 1},
		{"abc", "acb", 1},
		{"wirte", "write", 1},
		{"ab", "ba", 1},
		{"bacd", "abcd", 1},
		{"xab", "ba", 2},
		{"ab", "xba", 2},
		{"abdc", "abcd", 1},
		{"kitten", "sitting", 3},
		{"ca", "abc", 3},
	} {
		if got := editDistance(tt.a, tt.b); got != tt.want {
			t.Errorf("editDistance(%q, %q) = %d, want %d", tt.a, tt.b, got, tt.want)
		}
	}
}

func TestScopeSet(t *testing.T) {
	list := []string{"queue:read", "ai:generate", "queue:read"}
	set := NewScopeSet(list)
	if want := []string{"ai:generate", "queue:read"}; !slices.Equal(set.List, want) || set.Joined != "ai:generate queue:read" {
		t.Errorf("got %q, %q", set.List, set.Joined)
	}
	if list[0] != "queue:read" {
		t.Error("the caller's list was sorted")
	}
	for scope, want := range map[string]bool{"ai:generate": true, "queue:read": true, "queue:write": false, "queue": false, "": false} {
		if got := set.Has(scope); got != want {
			t.Errorf("Has(%q) = %v, want %v", scope, got, want)
		}
	}
	if empty := NewScopeSet(nil); empty.Has("") || empty.Joined != "" {
		t.Error("the empty set holds something")
	}
}
