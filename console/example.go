package console

import (
	"cmp"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/socialpatra/keygate/access"
	"github.com/socialpatra/keygate/adminapi"
	"github.com/socialpatra/keygate/apikey"
)

// request is one that a key may make.
type request struct{ method, path, origin string }

// exampleOf returns a request that a key may make, or false if no route is open to it.
// The request is for that very route: the one that the gateway finds for its path.
func exampleOf(server *adminapi.Server, k *apikey.Record) (request, bool) {
	choices := choicesOf(server.Opened(k))
	for i := range choices {
		c := &choices[i]
		for _, name := range exampleNames {
			if path := filledIn(c.route.Pattern, name); c.route.Takes(c.method, path) {
				return request{c.method, path, exampleOrigin(k.AllowedOrigins)}, true
			}
		}
	}
	return request{}, false
}

// exampleNames are tried for the names in a pattern, in this order: another route may
// have one of them as its own text.
var exampleNames = []string{"1", "2", "7", "x", "example", "k3y", "0f8c2d5e"}

// routeChoice is a route and one of its methods.
type routeChoice struct {
	route  *adminapi.OpenedRoute
	method string
}

// choicesOf returns the choices, the best for an example first: a method that only
// reads, no upgrade to a WebSocket, no name to fill in, and the lowest cost.
func choicesOf(routes []adminapi.OpenedRoute) (list []routeChoice) {
	for i := range routes {
		methods := routes[i].Methods
		if methods[0] == "*" {
			methods = requestMethods
		}
		for _, method := range methods {
			list = append(list, routeChoice{&routes[i], method})
		}
	}
	slices.SortStableFunc(list, func(x, y routeChoice) int {
		return cmp.Or(
			cmp.Compare(methodRank(x.method), methodRank(y.method)),
			compareBool(x.route.WebSocket, y.route.WebSocket),
			compareBool(hasNames(x.route.Pattern), hasNames(y.route.Pattern)),
			cmp.Compare(x.route.Cost, y.route.Cost),
		)
	})
	return list
}

// requestMethods are the methods that requests may have.
var requestMethods = strings.Split(access.RequestMethods, ", ")

// safeMethods change nothing (RFC 9110 section 9.2.1, RFC 10008). The best for an
// example comes first.
var safeMethods = []string{http.MethodGet, http.MethodHead, "QUERY", http.MethodOptions}

// methodRank orders methods for an example: the safe ones come first.
func methodRank(method string) int {
	if i := slices.Index(safeMethods, method); i >= 0 {
		return i
	}
	return len(safeMethods) + slices.Index(requestMethods, method)
}

// compareBool orders false before true.
func compareBool(x, y bool) int {
	switch {
	case x == y:
		return 0
	case y:
		return -1
	}
	return 1
}

func hasNames(pattern string) bool { return strings.ContainsAny(pattern, "{*") }

var patternName = regexp.MustCompile(`\{[^}]*\}`)

// filledIn returns the path of a pattern with the same text for each name, and for the
// star at its end.
func filledIn(pattern, name string) string {
	if start, ok := strings.CutSuffix(pattern, "*"); ok {
		pattern = start + name
	}
	return patternName.ReplaceAllLiteralString(pattern, name)
}

// exampleOrigin returns an origin that is allowed, or "" if every one is.
func exampleOrigin(allowed []string) string {
	if len(allowed) == 0 {
		return ""
	}
	return strings.Replace(allowed[0], "://*.", "://www.", 1)
}

// example is a request in one language.
type example struct{ Name, Code string }

// examples returns the request with a token in each language.
func (q *request) examples(host, token string) []example {
	url := host + q.path
	headers := [][2]string{{"Authorization", "Bearer " + token}}
	if q.origin != "" {
		headers = slices.Insert(headers, 0, [2]string{"Origin", q.origin})
	}
	return []example{{"curl", q.curl(url, headers)}, {"Python", q.python(url, headers)}, {"JavaScript", q.javaScript(url, headers)}}
}

func (q *request) curl(url string, headers [][2]string) string {
	option := " -X " + q.method
	switch q.method {
	case http.MethodGet:
		option = ""
	case http.MethodHead:
		option = " -I" // with -X it would wait for a body
	}
	var code strings.Builder
	code.WriteString("curl" + option + " " + shellWord(url))
	for _, h := range headers {
		fmt.Fprintf(&code, " \\\n  -H '%s: %s'", h[0], h[1])
	}
	return code.String()
}

func (q *request) python(url string, headers [][2]string) string {
	return fmt.Sprintf("import urllib.request\n\nrequest = urllib.request.Request(\n    %q,%s\n    headers={%s},\n)\nprint(urllib.request.urlopen(request).read().decode())",
		url, q.unlessGet("\n    method=%q,"), eachOf(headers, "%q: %q"))
}

func (q *request) javaScript(url string, headers [][2]string) string {
	return fmt.Sprintf("const answer = await fetch(%q, {%s\n  headers: { %s },\n});\nconsole.log(await answer.text());",
		url, q.unlessGet("\n  method: %q,"), eachOf(headers, "%s: %q"))
}

// unlessGet writes the method, if it has to be said.
func (q *request) unlessGet(format string) string {
	if q.method == http.MethodGet {
		return ""
	}
	return fmt.Sprintf(format, q.method)
}

// eachOf writes headers, with commas between them.
func eachOf(headers [][2]string, format string) string {
	var pairs []string
	for _, h := range headers {
		pairs = append(pairs, fmt.Sprintf(format, h[0], h[1]))
	}
	return strings.Join(pairs, ", ")
}

var plainWord = regexp.MustCompile(`^[A-Za-z0-9/:._~@%+=,-]*$`)

// shellWord quotes what a shell would read otherwise.
func shellWord(s string) string {
	if plainWord.MatchString(s) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
