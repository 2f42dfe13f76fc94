package command

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/socialpatra/keygate/access/lint"
)

// Where a cache stands is where a request comes to it.
func TestFindCaches(t *testing.T) {
	const (
		gate    = `{"handler": "keygate"}`
		other   = `{"handler": "keygate", "identity_prefix": "x-"}`
		cache   = `{"handler": "cache", "Configuration": {"DefaultCache": {"disable_coalescing": true, "key": {"headers": ["A"]}}}}`
		respond = `{"handler": "static_response"}`
	)
	route := func(more string, handlers ...string) string {
		return fmt.Sprintf(`{%s"handle": [%s]}`, more, strings.Join(handlers, ","))
	}
	list := func(routes ...string) string { return "[" + strings.Join(routes, ",") + "]" }
	subroute := func(routes ...string) string { return `{"handler": "subroute", "routes": ` + list(routes...) + "}" }
	for name, test := range map[string]struct {
		server string
		want   string
	}{
		"none":                       {`"routes": ` + list(route("", gate, respond)), ""},
		"without keygate":            {`"routes": ` + list(route("", cache, respond)), ""},
		"behind":                     {`"routes": ` + list(route("", gate, cache)), "behind Socialpatra-Key-Id at :80"},
		"in front":                   {`"routes": ` + list(route("", cache, gate)), "front at :80"},
		"both":                       {`"routes": ` + list(route("", cache, gate, cache)), "front at :80, behind Socialpatra-Key-Id at :80"},
		"in the next route":          {`"routes": ` + list(route("", gate), route("", cache)), "behind Socialpatra-Key-Id at :80"},
		"another prefix":             {`"routes": ` + list(route("", other, cache)), "behind X-Key-Id at :80"},
		"of a site":                  {`"routes": ` + list(route(`"match": [{"host": ["a.example", "b.example"]}], "terminal": true, `, subroute(route("", gate, subroute(route("", cache)))))), "behind Socialpatra-Key-Id at a.example b.example"},
		"of another site":            {`"routes": ` + list(route(`"match": [{"host": ["a.example"]}], "terminal": true, `, subroute(route("", gate))), route("", cache)), ""},
		"behind a subroute":          {`"routes": ` + list(route("", subroute(route("", gate)), cache)), "behind Socialpatra-Key-Id at :80"},
		"before a subroute":          {`"routes": ` + list(route("", cache, subroute(route("", gate)))), "front at :80"},
		"in another handle":          {`"routes": ` + list(route(`"group": "g", `, subroute(route("", gate))), route(`"group": "g", `, subroute(route("", cache)))), ""},
		"behind handles":             {`"routes": ` + list(route(`"group": "g", `, subroute(route("", gate))), route(`"group": "g", `, respond), route("", cache)), "behind Socialpatra-Key-Id at :80"},
		"invoked":                    {`"named_routes": {"n": ` + route("", gate) + `}, "routes": ` + list(route("", `{"handler": "invoke", "name": "n"}`, cache)), "behind Socialpatra-Key-Id at :80"},
		"invoking itself":            {`"named_routes": {"n": ` + route("", `{"handler": "invoke", "name": "n"}`) + `}, "routes": ` + list(route("", `{"handler": "invoke", "name": "n"}`, cache)), ""},
		"in routes of a response":    {`"routes": ` + list(route("", gate, `{"handler": "reverse_proxy", "handle_response": [{"routes": `+list(route("", cache))+`}]}`)), "behind Socialpatra-Key-Id at :80"},
		"in error routes":            {`"routes": ` + list(route(`"terminal": true, `, gate)) + `, "errors": {"routes": ` + list(route("", cache)) + `}`, "behind Socialpatra-Key-Id at :80"},
		"in error routes of another": {`"routes": ` + list(route("", respond)) + `, "errors": {"routes": ` + list(route("", cache)) + `}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var found []string
			caches, _ := findAround(parseTree(t, `{"apps": {"http": {"servers": {"s": {"listen": [":80"], `+test.server+`}}}}}`))
			for _, c := range caches {
				if c.Coalesces || len(c.Keys) != 1 || !slices.Equal(c.Keys[0].Headers, []string{"A"}) {
					t.Errorf("found %+v", c)
				}
				if c.Behind {
					found = append(found, "behind "+c.Identity+" at "+c.Where)
				} else {
					found = append(found, "front at "+c.Where)
				}
			}
			if got := strings.Join(found, ", "); got != test.want {
				t.Errorf("found %q, want %q", got, test.want)
			}
		})
	}
}

// What a cache handler does not say is what the app says for all of them.
func TestCacheSettings(t *testing.T) {
	for name, test := range map[string]struct {
		handler, app string
		want         lint.Cache
	}{
		"nothing":        {`{}`, `null`, lint.Cache{Coalesces: true, Keys: []lint.CacheKey{{}}}},
		"not as a cache": {`{"Configuration": 1}`, `[]`, lint.Cache{Coalesces: true, Keys: []lint.CacheKey{{}}}},
		"of the app":     {`{}`, `{"key": {"headers": ["A"]}, "mode": "bypass", "disable_coalescing": true}`, lint.Cache{Coalesces: true, Mode: "bypass", Keys: []lint.CacheKey{{Headers: []string{"A"}}}}},
		"its own":        {`{"Configuration": {"DefaultCache": {"key": {"template": "t", "hash": true}, "mode": "strict", "disable_coalescing": true}}}`, `{"key": {"headers": ["A"]}, "mode": "bypass"}`, lint.Cache{Mode: "strict", Keys: []lint.CacheKey{{Template: "t", Hash: true}}}},
		"hidden":         {`{"Configuration": {"DefaultCache": {"key": {"hide": true}}}}`, `{"key": {"headers": ["A"]}}`, lint.Cache{Coalesces: true, Keys: []lint.CacheKey{{}}}},
		"for some":       {`{"Configuration": {"cache_keys": {".css": {"disable_vary": true}}}}`, `{"cache_keys": {".js": {"headers": ["B"]}}}`, lint.Cache{Coalesces: true, IgnoresVary: true, Keys: []lint.CacheKey{{}, {}, {Headers: []string{"B"}}}}},
	} {
		t.Run(name, func(t *testing.T) {
			got := newCache(parseTree(t, test.handler), parseTree(t, test.app))
			if fmt.Sprint(got) != fmt.Sprint(test.want) {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}

func parseTree(t *testing.T, text string) (tree any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &tree); err != nil {
		t.Fatal(err)
	}
	return tree
}
