package access

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/text/unicode/norm"
)

// slowMatch is Match as its documentation puts it: all routes that some reader
// takes the path for, written ones first, then by rank, and of those that are
// first the one that the path is exactly of. Routes have one method each. It goes
// by regular expressions.
func slowMatch(routes []Route, method, path string) *Route {
	var best []slowCandidate
	for i := range routes {
		r := &routes[i]
		byMethod := slices.Index([]string{method, map[string]string{"HEAD": "GET"}[method], "*"}, r.Methods[0])
		if byMethod < 0 || !slowLike(r.Pattern, path) {
			continue
		}
		c := slowCandidate{r, slowRanks(r.Pattern), byMethod, slowPattern(r.Pattern, exactly).MatchString(path)}
		if len(best) > 0 {
			order := c.compare(best[0])
			if order > 0 {
				continue
			}
			if order < 0 {
				best = nil
			}
		}
		best = append(best, c)
	}
	// An imported route may be meant where the path is only like a written one
	// that is as specific, and like no imported one that is more so.
	for i := range routes {
		r := &routes[i]
		byMethod := slices.Index([]string{method, map[string]string{"HEAD": "GET"}[method], "*"}, r.Methods[0])
		if r.Imported && byMethod >= 0 && slowPattern(r.Pattern, exactly).MatchString(path) && len(best) > 0 && !best[0].route.Imported &&
			!slices.ContainsFunc(best, func(c slowCandidate) bool { return c.exact }) && slices.Equal(slowRanks(r.Pattern), best[0].ranks) &&
			!slices.ContainsFunc(routes, func(o Route) bool {
				return o.Imported && slices.Contains([]string{method, map[string]string{"HEAD": "GET"}[method], "*"}, o.Methods[0]) &&
					slowLike(o.Pattern, path) && slices.Compare(slowRanks(o.Pattern), best[0].ranks) < 0
			}) {
			best = append(best, slowCandidate{r, best[0].ranks, byMethod, true})
		}
	}
	var exact *slowCandidate
	for i := range best {
		if c := &best[i]; c.exact && (exact == nil || c.method < exact.method || c.method == exact.method && c.route.Access == Denied) {
			exact = c
		}
	}
	if exact == nil {
		return nil
	}
	// Where a name could end elsewhere, no other route may be a candidate.
	if !slowPattern(exact.route.Pattern, plain).MatchString(slowFold(path)) {
		for i := range routes {
			r := &routes[i]
			byMethod := slices.Index([]string{method, map[string]string{"HEAD": "GET"}[method], "*"}, r.Methods[0])
			if byMethod >= 0 && slowTexts(r.Pattern) != slowTexts(exact.route.Pattern) && slowLike(r.Pattern, path) {
				return nil
			}
		}
	}
	return exact.route
}

// slowTexts is a pattern without names and what follows its segments.
func slowTexts(pattern string) string {
	return strings.TrimSuffix(strings.TrimSuffix(aName.ReplaceAllString(pattern, "{}"), "*"), "/")
}

type slowCandidate struct {
	route  *Route
	ranks  []string
	method int
	exact  bool
}

func (c slowCandidate) compare(o slowCandidate) int {
	imported := func(r *Route) int {
		if r.Imported {
			return 1
		}
		return 0
	}
	return cmp.Or(cmp.Compare(imported(c.route), imported(o.route)), slices.Compare(c.ranks, o.ranks))
}

var aName = regexp.MustCompile(`\{[^}]*\}`)

// slowRanks ranks the segments of a pattern, so that the more specific one of
// two that match one path sorts first.
func slowRanks(pattern string) (ranks []string) {
	for s := range strings.SplitSeq(strings.Trim(pattern, "/"), "/") {
		text := aName.ReplaceAllString(s, "")
		switch {
		case s == "*":
			ranks = append(ranks, "4")
		case text == s:
			ranks = append(ranks, "1")
		case text == "":
			ranks = append(ranks, "3")
		default:
			ranks = append(ranks, fmt.Sprintf("2 %03d %03d %s", 999-len(text), 999-strings.Index(s, "{"), strings.ToLower(aName.ReplaceAllString(s, "\x00"))))
		}
	}
	return ranks
}

// What a regular expression of a pattern is for.
const (
	exactly = "exactly" // the paths that are of it
	like    = "like"    // those that some reader takes for one, folded
	plain   = "plain"   // those where names end where all readers say, folded
)

// slowLike reports whether some reader takes a path for one of the pattern. To
// some of them a plus is a space.
func slowLike(pattern, path string) bool {
	folded, re := slowFold(path), slowPattern(pattern, like)
	return re.MatchString(folded) || re.MatchString(strings.ReplaceAll(folded, "+", " "))
}

var slowPatterns = make(map[string]*regexp.Regexp)

const aSpace = `[\s\p{Z}\x{feff}]*`

func slowPattern(pattern, purpose string) *regexp.Regexp {
	key := purpose + pattern
	if re := slowPatterns[key]; re != nil {
		return re
	}
	var re strings.Builder
	re.WriteString("^")
	bare, slash := strings.CutSuffix(pattern, "/")
	if bare == "" {
		bare, slash = "/", false
	}
	for _, s := range strings.Split(bare, "/")[1:] {
		re.WriteString("/")
		if s == "*" {
			re.WriteString("[^/]+(/[^/]+)*")
			continue
		}
		texts, name := aName.Split(s, -1), "[^/]+"
		if partial := len(texts) > 1 && strings.Join(texts, "") != ""; purpose != exactly {
			for i := range texts {
				texts[i] = slowFold(texts[i])
			}
			if partial && purpose == plain {
				name = `[^/.\x{2028}\x{2029}`
				for _, text := range texts[1:] {
					first := []rune(text + ".")[0]
					name += fmt.Sprintf(`\x{%x}`, first)
				}
				name += "]+"
			}
			if last := len(texts) - 1; purpose == like {
				if partial {
					name = "[^/]*"
				}
				texts[0] = strings.TrimLeftFunc(texts[0], isSpace)
				texts[last] = strings.TrimRightFunc(texts[last], isSpace)
				re.WriteString(aSpace)
			}
		}
		for i, text := range texts {
			if i > 0 {
				re.WriteString(name)
			}
			re.WriteString(regexp.QuoteMeta(text))
		}
		if purpose == like && s != "" && !strings.HasSuffix(s, "}") {
			re.WriteString(aSpace + `(\.[^/]*)?`)
		}
	}
	switch {
	case purpose == like && bare != "/":
		re.WriteString("/?")
	case slash:
		re.WriteString("/")
	}
	slowPatterns[key] = regexp.MustCompile(re.String() + "$")
	return slowPatterns[key]
}

// slowFold decodes a path and puts it into one case. What would be a slash stays
// encoded.
func slowFold(path string) string {
	segments := strings.Split(path, "/")
	for i, s := range segments {
		if decoded, err := url.PathUnescape(s); err == nil {
			s = strings.ReplaceAll(sharpS.Replace(norm.NFKC.String(decoded)), "/", "%2f")
		}
		// Twice, for what is one letter in upper case and two in lower case.
		segments[i] = strings.ToLower(strings.ToUpper(strings.ToLower(undotted.Replace(s))))
	}
	return strings.Join(segments, "/")
}

// matchesReference compares Match with slowMatch on one request, for all
// routes that a table accepts.
func matchesReference(t *testing.T, given []Route, method, path string) (matched, denied bool) {
	t.Helper()
	var routes []Route
	for _, r := range given {
		for _, m := range r.Methods {
			r.Methods = []string{m}
			// One route that lets somebody in makes it a table, whatever r is.
			open := Route{Methods: []string{"GET"}, Pattern: "/open/to/all/who/come", Access: Public}
			if _, err := NewTable(append(slices.Clip(routes), r, open)); err == nil {
				routes = append(routes, r)
			}
		}
	}
	if len(routes) == 0 || CheckPath(path) != "" {
		return false, false
	}
	table, err := NewTable(routes)
	if err != nil {
		return false, false // all of them are denied
	}
	if _, ok := parseMethod(method); !ok {
		return false, false
	}
	show := func(r *Route) string {
		if r == nil {
			return "nothing"
		}
		return fmt.Sprintf("%s %s (%s, imported: %t)", r.Methods[0], r.Pattern, r.Access, r.Imported)
	}
	got, want := table.Match(method, path), slowMatch(routes, method, path)
	if show(got) != show(want) {
		t.Fatalf("%s %s matches %s; want %s of %v", method, path, show(got), show(want), routes)
	}
	return got != nil, got != nil && got.Access == Denied
}

// Small alphabets make for many near misses. Routes are written, imported and
// denied.
func TestMatchAgainstReference(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	pick := func(from ...string) string { return from[r.IntN(len(from))] }
	matched, denied := 0, 0
	const rounds = 40_000
	for range rounds {
		var lines strings.Builder
		for range 1 + r.IntN(6) {
			lines.WriteString(pick("", "", "+", "+", "-", "+-") + pick("GET", "GET", "POST", "HEAD", "*") + " ")
			for range 1 + r.IntN(3) {
				lines.WriteString("/" + pick("a", "a", "A", "b", "k@", "a.b", "{x}", "{x}", "{x}.b", "a{x}", "{x}:a", "{x}..{x}"))
			}
			lines.WriteString(pick("", "", "", "/", "/*") + "\n")
		}
		var path strings.Builder
		for range 1 + r.IntN(4) {
			path.WriteString("/" + pick("a", "a", "a", "A", "b", "b", "c", "k@", "k%40", "%E2%84%AA@", "a.b", "a.B", "a.c", "aa", "c:a", "c%3Aa", "c:A.x", "a..b", "c..k@", "a%20", "A%20.", "c:a%20", "c:a%20.", "b%20", "%20b", ":a", "c:c:a", "a.b.b", "a+", "+A.x", "c:a+", "%EF%BD%81", "c%EF%BC%9Aa", "%E2%80%A8+a", "c%E2%80%A8.b", "a..c..b"))
		}
		path.WriteString(pick("", "", "", "/"))
		switch m, d := matchesReference(t, parseMarked(lines.String()), pick("GET", "POST", "HEAD"), path.String()); {
		case d:
			denied++
		case m:
			matched++
		}
	}
	if matched < rounds/40 || denied < rounds/100 {
		t.Errorf("only %d of %d requests matched anything, and %d what is denied", matched, rounds, denied)
	}
}

// parseMarked reads lines as parseRoutes does. A + before the method means
// imported, a - denied. Each {x} gets a name of its own, as two in a pattern have
// to differ.
func parseMarked(lines string) []Route {
	var routes []Route
	for line := range strings.Lines(lines) {
		line, imported := strings.CutPrefix(line, "+")
		line, denied := strings.CutPrefix(line, "-")
		for _, r := range parseRoutes(line) {
			for n := 0; strings.Contains(r.Pattern, "{x}"); n++ {
				r.Pattern = strings.Replace(r.Pattern, "{x}", fmt.Sprintf("{n%d}", n), 1)
			}
			if r.Imported = imported; denied {
				r.Access = Denied
			}
			routes = append(routes, r)
		}
	}
	return routes
}

func FuzzMatch(f *testing.F) {
	f.Add("GET /v1/posts\nPOST /v1/posts\nGET /v1/posts/{id}", "GET", "/v1/posts/7")
	f.Add("GET /a/\n* /{x}\nHEAD /a/*\nGET /", "HEAD", "/a/B")
	f.Add("GET /a/{b}/c\nGET /{a}/b/d\nGET /*", "GET", "/a/b/d")
	f.Add("GET /k@\nGET /{x}\nGET /K@", "GET", "/%E2%84%AA%40")
	f.Add("GET,PUT /a\nGET /A/b\n* /a/*", "PUT", "/A/b/")
	f.Add("GET /v1/{x}/me\n+GET /v1/users/{x}\n+-GET /v1/users/all", "GET", "/v1/users/ME")
	f.Add("GET /drafts\nGET /{x}\n-GET /{x}.json\nPOST /{x}:go", "GET", "/drafts.json")
	f.Fuzz(func(t *testing.T, lines, method, path string) {
		if strings.Count(lines, "\n") > 20 {
			return
		}
		matchesReference(t, parseMarked(lines), method, path)
	})
}

var sharpS = strings.NewReplacer("ß", "ss", "ẞ", "ss")

// undotted turns the two letters that simple case folding keeps apart from i,
// and conversion to lower or upper case does not.
var undotted = strings.NewReplacer("İ", "i", "ı", "i")
