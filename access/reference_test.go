package access

import (
	"fmt"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// slowMatch is Match as its documentation puts it: all candidates, each with a
// rank per segment, and the least of them if it is the request's own. Routes
// have one method each.
func slowMatch(routes []Route, method, path string) *Route {
	type candidate struct {
		route *Route
		ranks []int
		exact bool
	}
	var best *candidate
	for i := range routes {
		r := &routes[i]
		byMethod := slices.Index([]string{method, map[string]string{"HEAD": "GET"}[method], "*"}, r.Methods[0])
		if byMethod < 0 {
			continue
		}
		ranks, exact, ok := rank(r.Pattern, path)
		if !ok {
			continue
		}
		c := &candidate{r, append(ranks, byMethod), exact}
		if best == nil || slices.Compare(c.ranks, best.ranks) < 0 {
			best = c
		}
	}
	if best == nil || !best.exact {
		return nil
	}
	return best.route
}

func rank(pattern, path string) (ranks []int, exact, ok bool) {
	split := func(s string) ([]string, bool) {
		s, slash := strings.CutSuffix(s, "/")
		return strings.Split(s, "/")[1:], slash
	}
	if pattern == "/" || path == "/" {
		return []int{0}, true, pattern == path
	}
	want, wantSlash := split(pattern)
	have, haveSlash := split(path)
	exact = true
	if n := len(want) - 1; want[n] == "*" {
		if len(have) <= n {
			return nil, false, false
		}
		have = append(have[:n:n], "*")
	}
	if len(want) != len(have) {
		return nil, false, false
	}
	for i, w := range want {
		decoded, err := url.PathUnescape(have[i])
		switch {
		case w == "*":
			ranks = append(ranks, 3)
		case strings.HasPrefix(w, "{"):
			ranks = append(ranks, 2)
		case w == have[i]:
			ranks = append(ranks, 0)
		case err == nil && strings.EqualFold(w, undotted.Replace(decoded)):
			ranks = append(ranks, 1)
			exact = false
		default:
			return nil, false, false
		}
	}
	if wantSlash != haveSlash {
		return append(ranks, 1), false, true
	}
	return append(ranks, 0), exact, true
}

// matchesReference compares Match with slowMatch on one request, for all
// routes that a table accepts.
func matchesReference(t *testing.T, given []Route, method, path string) (matched bool) {
	t.Helper()
	var routes []Route
	for _, r := range given {
		for _, m := range r.Methods {
			r.Methods = []string{m}
			r.Cost = len(routes) + 1
			if _, err := NewTable(append(routes, r)); err == nil {
				routes = append(routes, r)
			}
		}
	}
	if len(routes) == 0 || CheckPath(path) != "" {
		return false
	}
	if _, ok := parseMethod(method); !ok {
		return false
	}
	show := func(r *Route) string {
		if r == nil {
			return "nothing"
		}
		return fmt.Sprintf("route %d, %s %s", r.Cost, r.Methods[0], r.Pattern)
	}
	got, want := mustTable(t, routes...).Match(method, path), slowMatch(routes, method, path)
	if show(got) != show(want) {
		t.Fatalf("%s %s matches %s; want %s of %v", method, path, show(got), show(want), routes)
	}
	return got != nil
}

// Small alphabets make for many near misses.
func TestMatchAgainstReference(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	pick := func(from ...string) string { return from[r.IntN(len(from))] }
	matched := 0
	const rounds = 20_000
	for range rounds {
		var lines strings.Builder
		for range 1 + r.IntN(6) {
			lines.WriteString(pick("GET", "GET", "POST", "HEAD", "*") + " ")
			for range 1 + r.IntN(3) {
				lines.WriteString("/" + pick("a", "a", "A", "b", "k@", "{x}", "{x}"))
			}
			lines.WriteString(pick("", "", "", "/", "/*") + "\n")
		}
		var path strings.Builder
		for range 1 + r.IntN(4) {
			path.WriteString("/" + pick("a", "a", "a", "A", "b", "b", "c", "k@", "k%40", "%E2%84%AA@"))
		}
		path.WriteString(pick("", "", "", "/"))
		// Two names in a pattern have to differ.
		routes := parseRoutes(lines.String())
		for i := range routes {
			for n := 0; strings.Contains(routes[i].Pattern, "{x}"); n++ {
				routes[i].Pattern = strings.Replace(routes[i].Pattern, "{x}", fmt.Sprintf("{n%d}", n), 1)
			}
		}
		if matchesReference(t, routes, pick("GET", "POST", "HEAD"), path.String()) {
			matched++
		}
	}
	if matched < rounds/20 {
		t.Errorf("only %d of %d requests matched anything", matched, rounds)
	}
}

func FuzzMatch(f *testing.F) {
	f.Add("GET /v1/posts\nPOST /v1/posts\nGET /v1/posts/{id}", "GET", "/v1/posts/7")
	f.Add("GET /a/\n* /{x}\nHEAD /a/*\nGET /", "HEAD", "/a/B")
	f.Add("GET /a/{b}/c\nGET /{a}/b/d\nGET /*", "GET", "/a/b/d")
	f.Add("GET /k@\nGET /{x}\nGET /K@", "GET", "/%E2%84%AA%40")
	f.Add("GET,PUT /a\nGET /A/b\n* /a/*", "PUT", "/A/b/")
	f.Fuzz(func(t *testing.T, lines, method, path string) {
		if strings.Count(lines, "\n") > 20 {
			return
		}
		matchesReference(t, parseRoutes(lines), method, path)
	})
}

// undotted turns the two letters that simple case folding keeps apart from i,
// and conversion to lower or upper case does not.
var undotted = strings.NewReplacer("İ", "i", "ı", "i")
