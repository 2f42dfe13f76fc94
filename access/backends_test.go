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

// steps are what backends make of a path before they look for its route. Each
// backend takes one or two of them.
var steps = map[string]func(string) string{
	"nothing":           func(p string) string { return p },
	"decode":            decodeOnce,
	"decode segments":   decodeSegments,
	"clean":             clean,
	"backslashes":       func(p string) string { return strings.ReplaceAll(p, `\`, "/") },
	"path parameters":   func(p string) string { return pathParameters.ReplaceAllString(p, "") },
	"no slash":          trimSlash,
	"no slashes":        func(p string) string { return strings.TrimRight(p, "/") },
	"to ?":              cutAt("?"),
	"to #":              cutAt("#"),
	"to ? or #":         cutAt("?#"),
	"to ;":              cutAt(";"),
	"to any of ;?#":     cutAt(";?#"),
	"to NUL":            cutAt("\x00"),
	"no new line":       func(p string) string { return strings.TrimSuffix(p, "\n") },
	"no dots or spaces": func(p string) string { return trailing.ReplaceAllString(p, "$1") },
	"a URL": func(p string) string {
		u, err := url.Parse(p)
		if err != nil {
			return ""
		}
		return u.Path
	},
}

var (
	pathParameters = regexp.MustCompile(`;[^/]*`)
	anEscape       = regexp.MustCompile(`%[0-9A-Fa-f]{2}`)
	trailing       = regexp.MustCompile(`[. ]+(/|$)`) // as file systems of Windows leave it out
)

func cutAt(any string) func(string) string {
	return func(p string) string {
		if i := strings.IndexAny(p, any); i >= 0 {
			p = p[:i]
		}
		return p
	}
}

// decodeOnce leaves what is no escape as it is, which most backends do.
func decodeOnce(p string) string {
	return anEscape.ReplaceAllStringFunc(p, func(e string) string {
		s, _ := url.PathUnescape(e)
		return s
	})
}

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

// normalised are the paths that backends make of one, by the steps that lead
// there.
func normalised(p string) map[string]string {
	all := make(map[string]string)
	for first, one := range steps {
		once := one(p)
		for second, two := range steps {
			if twice := two(once); all[twice] == "" || all[twice] > first+", "+second {
				all[twice] = first + ", " + second
			}
		}
	}
	return all
}

// comparing is how a backend compares a path with its patterns.
type comparing struct {
	fold   string // "", or the way in which it ignores case
	loose  bool   // it ignores a slash at the end
	format string // where it takes an optional format: "", "at the end", "anywhere"
	name   string // what a name may be, a key of names
}

// names are what a name in a pattern may be, by the literal text after it.
var names = map[string]func(after string) string{
	"any":                  func(string) string { return "[^/]+" },
	"shortest":             func(string) string { return "[^/]+?" },
	"without dots":         func(string) string { return "[^/.]+" },
	"without line ends":    func(string) string { return "[^/\u2028\u2029\r\n]+" },
	"perhaps empty":        func(string) string { return "[^/]*" },
	"without what follows": func(after string) string { return "[^/" + regexp.QuoteMeta(after[:min(1, len(after))]) + "]+" },
}

var folds = map[string]func(string) string{
	"":           func(p string) string { return p },
	"lower case": strings.ToLower,
	"upper case": func(p string) string { return strings.ToLower(strings.ToUpper(p)) },
}

// expressions returns those of the routes' patterns.
func (c comparing) expressions(routes []Route) []*regexp.Regexp {
	var all []*regexp.Regexp
	for _, r := range routes {
		pattern := folds[c.fold](r.Pattern)
		if c.loose {
			pattern = trimSlash(pattern)
		}
		var re strings.Builder
		segments := strings.Split(pattern, "/")[1:]
		for i, s := range segments {
			if s == "*" {
				re.WriteString("/(?s:[^/].*)")
				continue
			}
			texts := aName.Split(s, -1)
			re.WriteString("/" + regexp.QuoteMeta(texts[0]))
			for _, text := range texts[1:] {
				re.WriteString(names[c.name](text) + regexp.QuoteMeta(text))
			}
			if s != "" && (c.format == "anywhere" || c.format != "" && i == len(segments)-1) {
				re.WriteString(`(\.[^/]*)?`)
			}
		}
		if c.loose && pattern != "/" {
			re.WriteString("/?")
		}
		all = append(all, regexp.MustCompile("^"+re.String()+"$"))
	}
	return all
}

// kinds are all ways of comparing, with the expressions of backendRoutes.
var kinds = func() map[comparing][]*regexp.Regexp {
	all := make(map[comparing][]*regexp.Regexp)
	for fold := range folds {
		for _, loose := range []bool{false, true} {
			for _, format := range []string{"", "at the end", "anywhere"} {
				for name := range names {
					c := comparing{fold, loose, format, name}
					all[c] = c.expressions(backendRoutes)
				}
			}
		}
	}
	return all
}()

// served is the route that a backend takes a path for, which it has normalised:
// the first one of a list that has the more specific ones first.
func served(expressions []*regexp.Regexp, method, p string) *Route {
	for i := range backendRoutes {
		r := &backendRoutes[i]
		if slices.Contains(r.Methods, method) || method == "HEAD" && slices.Contains(r.Methods, "GET") {
			if expressions[i].MatchString(p) {
				return r
			}
		}
	}
	return nil
}

// backendRoutes has the more specific ones first. Those marked with + are
// imported in one of two tables, and those marked with - denied.
var backendRoutes = parseMarked(`+GET /v1/posts
POST /v1/posts
-GET /v1/posts/drafts
POST /v1/posts/{id}:publish
+POST /v1/posts/{id}
+GET /v1/posts/{id}
+DELETE /v1/posts/{id}
+GET /v1/posts/{id}/comments
GET /v1/users/me
GET /v1/users/me/Keys
+GET /v1/users/{id}
GET /v1/analytics/skill
GET /v1/analytics/*
POST /v1/ai/*
PUT /v1/settings/
GET /v1/reports/{id}.csv
+GET /v1/reports/{id}
GET /v1/compare/{base}...{head}
+GET /v1/compare/{base}
+GET /v1/{kind}/me
GET /files/Report.pdf
GET /files/k@s
+GET /files/{name}
+GET /admin
DELETE /admin/*
GET /`)

// backendTables are one with all of the routes written, and one with half of
// them imported and one denied.
func backendTables(t testing.TB) map[string]*Table {
	t.Helper()
	written := slices.Clone(backendRoutes)
	for i := range written {
		written[i].Imported, written[i].Access = false, Authenticated
	}
	tables := make(map[string]*Table)
	for name, routes := range map[string][]Route{"written": written, "imported": backendRoutes} {
		table, err := NewTable(routes)
		if err != nil {
			t.Fatal(err)
		}
		tables[name] = table
	}
	return tables
}

// checkBackends reports whether a request is authorised as any route.
func checkBackends(t *testing.T, tables map[string]*Table, method, p string) (passes bool) {
	t.Helper()
	if CheckPath(p) != "" {
		return false
	}
	for name, table := range tables {
		authorised := table.Match(method, p)
		if authorised == nil || authorised.Access == Denied {
			continue
		}
		passes = true
		for normal, how := range normalised(p) {
			for fold, convert := range folds {
				seen := convert(normal)
				for kind, expressions := range kinds {
					if kind.fold != fold {
						continue
					}
					r := served(expressions, method, seen)
					if r != nil && (r.Pattern != authorised.Pattern || !slices.Equal(r.Methods, authorised.Methods)) {
						t.Errorf("%s %q is authorised as %s %s by the table %q; a backend that does %q and compares %+v takes it for %q and serves %s %s",
							method, p, authorised.Methods, authorised.Pattern, name, how, kind, seen, r.Methods, r.Pattern)
						return true
					}
				}
			}
		}
	}
	return passes
}

// What is authorised as one route is served as no other one by any backend,
// whatever it makes of the path.
func FuzzBackends(f *testing.F) {
	for _, p := range []string{
		"/v1/posts", "/v1/posts/", "/v1/posts/drafts", "/v1/posts/DRAFTS", "/v1/posts/draft%73", "/v1/posts/%2e", "/v1/posts/42;/comments", "/v1/posts/42%3b",
		"/v1/posts/x%2f..%2fdrafts", "/v1/posts/x/../drafts", `/v1/posts/x\..\drafts`, "/v1/posts/%2564rafts", "/v1/posts/drafts%00", "/v1/posts/drafts%0a",
		"/v1/posts/drafts%3f", "/v1/posts/drafts%23x", "/v1//posts", "/v1/users/m%65", "/v1/users/ME/", "/v1/analytics/%C5%BFkill", "/v1/analytics/s%E2%84%AAill",
		"/v1/analytics/sk%C4%B1ll", "/v1/analytics/sk%C4%B0ll", "/files/report.PDF", "/files/k%40s", "/files/%E2%84%AA@%C5%BF", "/admin/", "/", "/v1/settings",
		"/v1/posts/drafts.json", "/v1/posts/42:publish.json", "/v1/reports/7.CSV", "/v1/compare/a...b...c", "/v1/reports/%E2%80%A87.csv", "/v1/groups/me", "/v1/posts/:publish",
	} {
		for _, method := range []string{"GET", "POST", "DELETE"} {
			f.Add(method, p)
		}
	}
	tables := backendTables(f)
	f.Fuzz(func(t *testing.T, method, p string) { checkBackends(t, tables, method, p) })
}

// The same over paths of the routes with something put in at each place.
func TestBackendsAgreeOnWhatPasses(t *testing.T) {
	tables := backendTables(t)
	passed := 0
	for _, r := range backendRoutes {
		own := aName.ReplaceAllString(strings.Replace(r.Pattern, "*", "7", 1), "7")
		for _, put := range []string{"", ".", "..", "...", ".json", ".JSON", ".tar.gz", ".csv", ":", ":publish", "/", "%20", "me", "%E2%80%A8", "%2ejson", "%3f", "%23", ";", "%3b"} {
			for i := 1; i <= len(own); i++ {
				for _, p := range []string{own[:i] + put + own[i:], own[:i] + put + own[i:] + ".x", strings.ToUpper(own[:i]) + put + own[i:]} {
					if checkBackends(t, tables, r.Methods[0], p) {
						passed++
					}
				}
			}
		}
	}
	if passed < 1000 {
		t.Errorf("only %d requests passed", passed)
	}
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
