package openapi_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/socialpatra/keygate/access"
	"github.com/socialpatra/keygate/access/openapi"
	"github.com/socialpatra/keygate/apikey"
)

// A request that two paths of documents have, neither of which is within the
// other, passes only with what both need: OpenAPI leaves open whose it is.
func TestCrossingPathsNeedWhatBothNeed(t *testing.T) {
	r := rand.New(rand.NewPCG(19, 17))
	texts := []string{"aa", "bb", "{x}", "{x}"}
	needs := []access.Route{
		{Access: access.Public},
		{Access: access.Authenticated},
		{Access: access.Denied},
		{Scopes: access.AllOf("a:a")},
		{Scopes: access.AllOf("b:b")},
		{Scopes: access.Scopes{{"a:a"}, {"b:b", "c:c"}}},
	}
	for range 400 {
		var routes []access.Route
		for range 2 + r.IntN(6) {
			pattern := ""
			for i := range 1 + r.IntN(4) {
				text := texts[r.IntN(len(texts))]
				pattern += "/" + strings.Replace(text, "x", fmt.Sprintf("x%d", i), 1)
			}
			if r.IntN(8) == 0 {
				pattern += "/*"
			} else if r.IntN(8) == 0 {
				pattern += "/"
			}
			method := []string{"GET", "GET", "HEAD", "POST"}[r.IntN(4)]
			if slices.ContainsFunc(routes, func(o access.Route) bool { return o.Pattern == pattern && o.Methods[0] == method }) {
				continue
			}
			route := needs[r.IntN(len(needs))]
			route.Methods, route.Pattern, route.Imported = []string{method}, pattern, true
			routes = append(routes, route)
		}
		checkCrossings(t, routes)
	}
}

func checkCrossings(t *testing.T, routes []access.Route) {
	t.Helper()
	more, err := openapi.Crossings(routes)
	if err != nil {
		t.Fatal(err)
	}
	table, err := access.NewTable(slices.Concat(routes, more, []access.Route{{Methods: []string{"GET"}, Pattern: "/other", Access: access.Public}}))
	if err != nil {
		t.Fatalf("%v: %v and %v", err, routes, more)
	}
	// A slash at the end may make a path resemble one that is more specific.
	slashes := slices.ContainsFunc(routes, func(r access.Route) bool { return strings.HasSuffix(r.Pattern, "/") })
	for path := range requests(4) {
		slash := slashes || strings.HasSuffix(path, "/")
		for _, method := range []string{"GET", "HEAD", "POST"} {
			for _, scopes := range [][]string{nil, {"z:z"}, {"a:a"}, {"b:b"}, {"b:b", "c:c"}, {"a:a", "b:b"}} {
				most, least := slowCrossing(routes, method, path, scopes)
				if got := lets(table.Match(method, path), scopes); got && !most || !got && least && !slash {
					t.Fatalf("%s %s with %v passes: %t, by %v and %v", method, path, scopes, got, routes, more)
				}
			}
		}
	}
}

// lets reports whether a route lets a key with the scopes pass; nil is no key.
func lets(r *access.Route, scopes []string) bool {
	switch {
	case r == nil || r.Access == access.Denied:
		return false
	case r.Access == access.Public:
		return true
	default:
		return scopes != nil && r.Scopes.HeldBy(apikey.NewScopeSet(scopes))
	}
}

// requests are paths of a few segments.
func requests(most int) map[string]bool {
	all := map[string]bool{"": true}
	for range most {
		for path := range maps.Clone(all) {
			for _, text := range []string{"aa", "bb", "zz"} {
				all[path+"/"+text] = true
			}
		}
	}
	delete(all, "")
	for path := range maps.Clone(all) {
		all[path+"/"] = true
	}
	return all
}

// slowCrossing asks all routes that a request may be for. A key may pass only with
// what those need that have no other of them within, and passes with what all
// need.
func slowCrossing(routes []access.Route, method, path string, scopes []string) (most, least bool) {
	var mine []access.Route
	for _, r := range routes {
		own := r.Methods[0] == method || method == "HEAD" && r.Methods[0] == "GET" &&
			!slices.ContainsFunc(routes, func(o access.Route) bool { return o.Methods[0] == "HEAD" && o.Pattern == r.Pattern })
		if own && slowTakes(r.Pattern, path) {
			mine = append(mine, r)
		}
	}
	most, least = len(mine) > 0, len(mine) > 0
	for _, r := range mine {
		least = least && lets(&r, scopes)
		if !slices.ContainsFunc(mine, func(o access.Route) bool { return o.Pattern != r.Pattern && slowWithin(o.Pattern, r.Pattern) }) {
			most = most && lets(&r, scopes)
		}
	}
	// Where a route is for just such requests, it says what they need.
	for _, r := range mine {
		if !strings.Contains(r.Pattern, "{") && !strings.HasSuffix(r.Pattern, "*") {
			least = most
		}
	}
	return most, least
}

func slowTakes(pattern, path string) bool {
	p, parts := strings.Split(pattern, "/"), strings.Split(path, "/")
	for i, s := range p {
		switch {
		case s == "*":
			return len(parts) > i && parts[len(parts)-1] != ""
		case i >= len(parts) || s != parts[i] && (!strings.HasPrefix(s, "{") || parts[i] == ""):
			return false
		}
	}
	return len(p) == len(parts)
}

// slowWithin reports whether all requests of p are of q.
func slowWithin(p, q string) bool {
	if strings.HasSuffix(p, "*") && !strings.HasSuffix(q, "*") {
		return false
	}
	example := aParameter.Replace(p)
	return slowTakes(q, strings.TrimSuffix(example, "*")+strings.Repeat("zz", strings.Count(example, "*")))
}

var aParameter = strings.NewReplacer("{x0}", "zz", "{x1}", "zz", "{x2}", "zz", "{x3}", "zz")

func TestCrossings(t *testing.T) {
	scoped := func(method, pattern string, sets ...[]string) access.Route {
		return access.Route{Methods: []string{method}, Pattern: pattern, Scopes: sets, Imported: true}
	}
	a, b := []string{"a:a"}, []string{"b:b"}
	many := make([][]string, 5)
	for i := range many {
		many[i] = []string{fmt.Sprintf("m:m%d", i)}
	}
	for name, test := range map[string]struct {
		routes []access.Route
		want   []string
	}{
		"nothing crosses":       {[]access.Route{scoped("GET", "/u/{id}", a), scoped("GET", "/u/me", b), scoped("GET", "/{x}/{y}", b)}, nil},
		"two that need as much": {[]access.Route{scoped("GET", "/u/me/{x}", a), scoped("GET", "/u/{id}/keys", a)}, nil},
		"two":                   {[]access.Route{scoped("GET", "/u/me/{x}", a), scoped("GET", "/u/{id}/keys", b)}, []string{"GET /u/me/keys a:a b:b"}},
		"two, and HEAD": {
			[]access.Route{scoped("GET", "/u/me/{x}", a), scoped("GET", "/u/{id}/keys", b), scoped("HEAD", "/u/me/{x}", b)},
			[]string{"GET /u/me/keys a:a b:b", "HEAD /u/me/keys b:b"},
		},
		"other methods":             {[]access.Route{scoped("GET", "/u/me/{x}", a), scoped("POST", "/u/{id}/keys", b)}, nil},
		"what is mapped":            {[]access.Route{scoped("GET", "/u/me/{x}", a), scoped("GET", "/u/{id}/keys", b), scoped("GET", "/u/me/keys", a)}, nil},
		"one within the other":      {[]access.Route{scoped("GET", "/u/me/{x}", a, b), scoped("GET", "/u/{id}/keys", b)}, []string{"GET /u/me/keys b:b"}},
		"text around a name":        {[]access.Route{scoped("POST", "/u/me/{x}:ban", a), scoped("POST", "/u/{id}/7:ban", b)}, []string{"POST /u/me/7:ban a:a b:b"}},
		"names with text between":   {[]access.Route{scoped("GET", "/u/me/{x}", a), scoped("GET", "/u/{id}/{n}-{m}.js", b)}, []string{"GET /u/me/{p2-0}-{p2-2}.js a:a b:b"}},
		"text that has the other's": {[]access.Route{scoped("GET", "/u/me/a-b", a), scoped("GET", "/u/me/{x}", b), scoped("GET", "/u/{id}/{n}-{m}", b)}, nil},
		"text that has too little":  {[]access.Route{scoped("GET", "/u/me/{x}", a), scoped("GET", "/u/{id}/-", a), scoped("GET", "/{u}/me/{n}-{m}", a)}, nil},
		"texts that cross":          {[]access.Route{scoped("GET", "/u/{x}.a", a), scoped("GET", "/u/b{x}", b)}, nil},
		"no rest":                   {[]access.Route{scoped("GET", "/u/*", a), scoped("GET", "/{x}/b/", b)}, nil},
		"a rest":                    {[]access.Route{scoped("GET", "/u/*", a), scoped("GET", "/{x}/b/*", b)}, []string{"GET /u/b/* a:a b:b"}},
		"several, in order": {
			[]access.Route{scoped("GET", "/z/{x}", a), scoped("GET", "/c/{x}", a), scoped("GET", "/{x}/k", b)},
			[]string{"GET /c/k a:a b:b", "GET /z/k a:a b:b"},
		},
		"too many alternatives": {[]access.Route{scoped("GET", "/u/me/{x}", many...), scoped("GET", "/u/{id}/keys", a, b, []string{"c:c"}, []string{"d:d"})}, []string{"GET /u/me/keys deny"}},
		"a written one":         {[]access.Route{{Methods: []string{"GET"}, Pattern: "/u/me/{x}", Scopes: [][]string{a}}, scoped("GET", "/u/{id}/keys", b)}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			more, err := openapi.Crossings(test.routes)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, r := range more {
				got = append(got, strings.TrimSpace(r.String()+" "+string(r.Access)+r.Scopes.String()))
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// What crosses costs the most of all and opens no WebSocket that one does not. It is
// told of where the route is that would have it otherwise.
func TestCrossingCost(t *testing.T) {
	routes := []access.Route{
		{Methods: []string{"GET"}, Pattern: "/q/me/{x}", Access: access.Public, Cost: 3, WebSocket: true, Imported: true, Source: "a.yaml:9"},
		{Methods: []string{"GET"}, Pattern: "/q/{id}/live", Access: access.Authenticated, Imported: true, Source: "a.yaml:3"},
	}
	for range 2 {
		slices.Reverse(routes)
		more, err := openapi.Crossings(routes)
		if err != nil || len(more) != 1 || more[0].Cost != 3 || more[0].WebSocket || more[0].Access != access.Authenticated || more[0].Source != "a.yaml:9" {
			t.Errorf("got %+v, %v", more, err)
		}
	}
}

// Paths that cross everywhere are refused before they fill the memory.
func TestCrossingsAreBounded(t *testing.T) {
	var routes []access.Route
	for i := range 1000 {
		routes = append(routes,
			access.Route{Methods: []string{"GET"}, Pattern: fmt.Sprintf("/a%d/{x}", i), Access: access.Public, Imported: true},
			access.Route{Methods: []string{"GET"}, Pattern: fmt.Sprintf("/{x}/b%d", i), Access: access.Authenticated, Imported: true})
	}
	_, err := openapi.Crossings(routes)
	if err == nil || !strings.Contains(err.Error(), "accepted: at most 100000") {
		t.Errorf("got %v", err)
	}
}

// They may cross everywhere where they need the same.
func TestCrossingsOfTheSame(t *testing.T) {
	var routes []access.Route
	for i := range 1000 {
		for _, pattern := range []string{fmt.Sprintf("/a%d/{x}", i), fmt.Sprintf("/{x}/b%d", i)} {
			routes = append(routes, access.Route{Methods: []string{"GET"}, Pattern: pattern, Access: access.Public, Imported: true})
		}
	}
	if more, err := openapi.Crossings(routes); err != nil || len(more) > 0 {
		t.Errorf("got %d routes, %v", len(more), err)
	}
}
