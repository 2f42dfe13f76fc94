package readers

import (
	"slices"
	"strings"
	"testing"
)

var served = []Route{
	{"GET", "/posts"},
	{"GET", "/posts/drafts"},
	{"GET", "/posts/{id}"},
	{"POST", "/posts/{id}:publish"},
	{"GET", "/reports/{id}.csv"},
	{"GET", "/files/Report.pdf"},
	{"GET", "/office/*"},
	{"PUT", "/settings/"},
	{"GET", "/"},
}

func finds(b *Backend, method, path string) (patterns []string) {
	for _, c := range b.Find(method, path) {
		// They are in order, the more specific ones first.
		if first := served[c.Routes[0]].Pattern; !slices.Contains(patterns, first) {
			patterns = append(patterns, first)
		}
	}
	slices.Sort(patterns)
	return patterns
}

// Each request is taken for a route by some reader that has just one or two ways
// of its own.
func TestReadersFind(t *testing.T) {
	b := New(served)
	for request, want := range map[string]string{
		"GET /posts":                          "/posts",
		"GET /posts/":                         "/posts",
		"GET /posts/draft%73":                 "/posts/drafts",
		"GET /posts/draft%2573":               "/posts/drafts",
		"GET /posts/DRAFTS":                   "/posts/drafts",
		"GET /posts/draft%C5%BF":              "/posts/drafts",
		"GET /posts/%EF%BD%84rafts":           "/posts/drafts",
		"GET /O%EF%AC%83CE/1":                 "/office/*",
		"GET /posts/drafts.json":              "/posts/drafts",
		"GET /posts/drafts.tar.gz":            "/posts/drafts",
		"GET /posts.json/drafts.xml/":         "/posts/drafts",
		"GET /posts/drafts%20.json":           "/posts/drafts",
		"GET /posts/drafts+":                  "/posts/drafts",
		"GET /posts/drafts%3Fx":               "/posts/drafts",
		"GET /posts/drafts%23.json":           "/posts/drafts",
		"GET /posts/drafts;x=1":               "/posts/drafts",
		"GET /posts;x/drafts":                 "/posts/drafts",
		"GET /posts/drafts%3b/7":              "/posts/drafts",
		"GET /posts/drafts%00.txt":            "/posts/drafts",
		"GET /posts/drafts%0a":                "/posts/drafts",
		"GET //posts///drafts":                "/posts/drafts",
		"GET /posts/x/%2e%2e/drafts":          "/posts/drafts",
		`GET /posts\drafts`:                   "/posts/drafts",
		"GET /posts%5cdrafts. .":              "/posts/drafts",
		"GET /posts%ef%bc%8fdrafts":           "/posts/drafts",
		"GET /files/report.PDF.gz":            "/files/Report.pdf",
		"GET /reports/7.CSV.json":             "/reports/{id}.csv",
		"GET /posts/...":                      "/posts",
		"POST /posts/:publish":                "/posts/{id}:publish",
		"HEAD /posts/drafts":                  "/posts/drafts",
		"PUT /settings":                       "/settings/",
		"GET /?x":                             "/",
		"GET /posts/7":                        "/posts/{id}",
		"GET /posts/7:publish":                "/posts/{id}",
		"GET /%25%32%35%32%35%32%35%32%35%37": "",
		"DELETE /posts/7":                     "",
	} {
		t.Run(request, func(t *testing.T) {
			method, path, _ := strings.Cut(request, " ")
			if got := finds(b, method, path); want == "" && got != nil || want != "" && !slices.Contains(got, want) {
				t.Errorf("is taken for %q by readers, want %q", got, want)
			}
		})
	}
}

// What a route is asked by is that route to every reader: those that mangle it
// would be no backends of these routes.
func TestReadersServeTheirOwn(t *testing.T) {
	b := New(served)
	for _, r := range served {
		path := strings.NewReplacer("{id}", "7", "*", "a/b").Replace(r.Pattern)
		want := []string{r.Pattern}
		if got := finds(b, r.Method, path); !slices.Equal(got, want) {
			t.Errorf("%s %s is taken for %q", r.Method, path, got)
		}
	}
}

func TestDescribe(t *testing.T) {
	b := New(served)
	const path = "/posts/draft%2573.json/"
	var all strings.Builder
	for _, c := range b.Find("GET", path) {
		all.WriteString(b.Describe(path, c) + "\n")
	}
	if want := `"/posts/draft%2573.json/" read as "/posts/drafts.json/" (decoded, decoded; names: `; !strings.Contains(all.String(), want) {
		t.Errorf("readers are described as\n%swithout\n%s", all.String(), want)
	}
}
