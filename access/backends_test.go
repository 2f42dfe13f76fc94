package access

import (
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
)

// normalisers are what backends make of a path before they look for its route.
// Each gets the path as it was sent and returns it decoded.
var normalisers = map[string]func(string) string{
	"as it is":    func(p string) string { return p },
	"decoded":     decodeOnce,
	"twice":       func(p string) string { return decodeOnce(decodeOnce(p)) },
	"nginx":       func(p string) string { return clean(decodeOnce(p)) },
	"cleaned":     clean,
	"then decode": func(p string) string { return decodeOnce(clean(p)) },
	"Express":     func(p string) string { return trimSlash(decodeSegments(strings.ToLower(p))) },
	"lower case":  func(p string) string { return strings.ToLower(decodeOnce(p)) },
	"upper case":  func(p string) string { return strings.ToLower(strings.ToUpper(decodeOnce(p))) },
	"no parameters": func(p string) string {
		return decodeOnce(pathParameters.ReplaceAllString(p, ""))
	},
	"late parameters": func(p string) string { return pathParameters.ReplaceAllString(decodeOnce(p), "") },
	"backslashes":     func(p string) string { return clean(strings.ReplaceAll(decodeOnce(p), `\`, "/")) },
	"no slash":        func(p string) string { return trimSlash(decodeOnce(p)) },
	"query": func(p string) string {
		p, _, _ = strings.Cut(p, "?")
		p, _, _ = strings.Cut(p, "#")
		return decodeOnce(p)
	},
	"NUL":      func(p string) string { p, _, _ = strings.Cut(decodeOnce(p), "\x00"); return p },
	"new line": func(p string) string { return strings.TrimSuffix(decodeOnce(p), "\n") },
	"a URL": func(p string) string {
		u, err := url.Parse(p)
		if err != nil {
			return ""
		}
		return u.Path
	},
}

var pathParameters = regexp.MustCompile(`;[^/]*`)

// decodeOnce leaves what is no escape as it is, which most backends do.
func decodeOnce(p string) string {
	return anEscape.ReplaceAllStringFunc(p, func(e string) string {
		s, _ := url.PathUnescape(e)
		return s
	})
}

var anEscape = regexp.MustCompile(`%[0-9A-Fa-f]{2}`)

// decodeSegments looks for slashes before it decodes.
func decodeSegments(p string) string {
	segments := strings.Split(p, "/")
	for i, s := range segments {
		// A slash in a segment is no separator to such a backend.
		segments[i] = strings.ReplaceAll(decodeOnce(s), "/", "\uffff")
	}
	return strings.Join(segments, "/")
}

// clean merges slashes and resolves dot segments, and leaves one slash at the
// end.
func clean(p string) string {
	cleaned := path.Clean("/" + p)
	if strings.HasSuffix(p, "/") && cleaned != "/" {
		cleaned += "/"
	}
	return cleaned
}

func trimSlash(p string) string {
	if p == "/" {
		return p
	}
	return strings.TrimSuffix(p, "/")
}

// served is the route that a backend takes a path for, which it has normalised:
// the first one of a list that has the more specific ones first. foldCase and
// loose say that it ignores case and a slash at the end of patterns too.
func served(routes []Route, method, p string, foldCase, loose bool) *Route {
	for i := range routes {
		r := &routes[i]
		if !slices.Contains(r.Methods, method) && (method != "HEAD" || !slices.Contains(r.Methods, "GET")) {
			continue
		}
		pattern := r.Pattern
		if loose {
			pattern = trimSlash(pattern)
		}
		if servesAs(pattern, p, foldCase) {
			return r
		}
	}
	return nil
}

func servesAs(pattern, p string, foldCase bool) bool {
	want, have := strings.Split(pattern, "/"), strings.Split(p, "/")
	for i, w := range want {
		switch {
		case w == "*":
			return i < len(have) && have[i] != ""
		case i >= len(have):
			return false
		case strings.HasPrefix(w, "{"):
			if have[i] == "" {
				return false
			}
		case have[i] != w && (!foldCase || strings.ToLower(w) != have[i]):
			return false
		}
	}
	return len(want) == len(have)
}

// backendRoutes has the more specific ones first.
var backendRoutes = parseRoutes(`GET /v1/posts
POST /v1/posts
GET /v1/posts/drafts
GET /v1/posts/{id}
DELETE /v1/posts/{id}
GET /v1/posts/{id}/comments
GET /v1/users/me
GET /v1/users/me/Keys
GET /v1/users/{id}
GET /v1/analytics/skill
GET /v1/analytics/*
POST /v1/ai/*
PUT /v1/settings/
GET /files/Report.pdf
GET /files/k@s
GET /files/{name}
GET /admin
DELETE /admin/*
GET /`)

func checkBackends(t *testing.T, table *Table, method, p string) {
	t.Helper()
	if CheckPath(p) != "" {
		return
	}
	authorised := table.Match(method, p)
	if authorised == nil {
		return
	}
	for name, normalise := range normalisers {
		foldCase := name == "Express" || strings.HasSuffix(name, " case")
		loose := name == "Express" || name == "no slash"
		seen := normalise(p)
		r := served(backendRoutes, method, seen, foldCase, loose)
		if r != nil && (r.Pattern != authorised.Pattern || !slices.Equal(r.Methods, authorised.Methods)) {
			t.Fatalf("%s %q is authorised as %s %s; a backend of the kind %q takes it for %q and serves %s %s",
				method, p, authorised.Methods, authorised.Pattern, name, seen, r.Methods, r.Pattern)
		}
	}
}

// What is authorised as one route is served as no other one by any backend,
// whatever it makes of the path.
func FuzzBackends(f *testing.F) {
	for _, p := range []string{
		"/v1/posts", "/v1/posts/", "/v1/posts/drafts", "/v1/posts/DRAFTS", "/v1/posts/draft%73", "/v1/posts/%2e", "/v1/posts/42;/comments", "/v1/posts/42%3b",
		"/v1/posts/x%2f..%2fdrafts", "/v1/posts/x/../drafts", `/v1/posts/x\..\drafts`, "/v1/posts/%2564rafts", "/v1/posts/drafts%00", "/v1/posts/drafts%0a",
		"/v1/posts/drafts%3f", "/v1/posts/drafts%23x", "/v1//posts", "/v1/users/m%65", "/v1/users/ME/", "/v1/analytics/%C5%BFkill", "/v1/analytics/s%E2%84%AAill",
		"/v1/analytics/sk%C4%B1ll", "/v1/analytics/sk%C4%B0ll", "/files/report.PDF", "/files/k%40s", "/files/%E2%84%AA@%C5%BF", "/admin/", "/", "/v1/settings",
	} {
		for _, method := range []string{"GET", "DELETE"} {
			f.Add(method, p)
		}
	}
	table, err := NewTable(backendRoutes)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, method, p string) { checkBackends(t, table, method, p) })
}

// All characters that some backend makes an ASCII letter of when it ignores
// case, simply or fully, are folded to that letter.
func TestFoldRuneKnowsAllLookalikes(t *testing.T) {
	for r := rune(0x80); r <= unicode.MaxRune; r++ {
		for _, other := range []rune{unicode.ToLower(r), unicode.ToUpper(r), unicode.ToLower(unicode.ToUpper(r))} {
			if other < 0x80 && foldRune(r) != rune(lower(byte(other))) {
				t.Errorf("%U is folded to %U; some make it %q", r, foldRune(r), other)
			}
		}
	}
}
