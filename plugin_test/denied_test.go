package plugin_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// madeOperation is an operation of a document that a test makes. Its needs are
// said by security, in JSON; "" says nothing.
type madeOperation struct {
	method, path, security string

	scope  string // the one that is needed; "" for none
	denied bool
	like   *regexp.Regexp // the paths that are of it
	ranks  string         // sorts the more specific operations first
}

// makeOperations returns operations that meet in many ways, a third of them
// denied, each with a scope of its own.
func makeOperations(r *rand.Rand) []*madeOperation {
	pick := func(from ...string) string { return from[r.IntN(len(from))] }
	made := make(map[string]*madeOperation)
	for len(made) < 60 {
		o := &madeOperation{method: pick("GET", "GET", "GET", "POST", "HEAD", "DELETE"), scope: fmt.Sprintf("op%d:use", len(made))}
		var like, shape strings.Builder
		for range 1 + r.IntN(3) {
			segment := pick("a", "b", "me", "{}", "{}", "{}.json", "{}:go", "v{}")
			shape.WriteString("/" + segment)
			like.WriteString("/" + strings.ReplaceAll(regexp.QuoteMeta(segment), `\{\}`, "[^/]+"))
			o.ranks += map[bool]string{true: "1", false: fmt.Sprint(9 - len(segment))}[!strings.Contains(segment, "{")]
		}
		parts := strings.Split(shape.String(), "{}")
		for i, part := range parts {
			o.path += part
			if i < len(parts)-1 {
				o.path += fmt.Sprintf("{p%d}", i)
			}
		}
		o.like = regexp.MustCompile("^" + like.String() + "$")
		switch r.IntN(8) {
		case 0:
			o.denied = true // says nothing
		case 1:
			o.denied, o.security = true, `[{"basic": []}]`
		case 2:
			o.denied, o.security = true, `[{"key": ["Not A Scope"]}]`
		case 3:
			o.scope, o.security = "", `[]`
		default:
			o.security = `[{"key": ["` + o.scope + `"]}]`
		}
		made[o.method+shape.String()] = o
	}
	var all []*madeOperation
	for _, key := range slices.Sorted(maps.Keys(made)) {
		all = append(all, made[key])
	}
	return all
}

func documentOf(t *testing.T, operations []*madeOperation) []byte {
	t.Helper()
	paths := make(map[string]map[string]map[string]json.RawMessage)
	for _, o := range operations {
		if paths[o.path] == nil {
			paths[o.path] = make(map[string]map[string]json.RawMessage)
		}
		operation := map[string]json.RawMessage{}
		if o.security != "" {
			operation["security"] = json.RawMessage(o.security)
		}
		paths[o.path][strings.ToLower(o.method)] = operation
	}
	text, err := json.Marshal(map[string]any{
		"openapi":    "3.1.0",
		"components": json.RawMessage(`{"securitySchemes": {"key": {"type": "http", "scheme": "bearer"}, "basic": {"type": "http", "scheme": "basic"}}}`),
		"paths":      paths,
	})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// operationOf is the operation that OpenAPI has for a request: of those whose
// path matches, the most specific one. HEAD without one of its own follows GET.
func operationOf(operations []*madeOperation, method, path string) (best *madeOperation) {
	for _, o := range operations {
		follows := method == http.MethodHead && o.method == http.MethodGet
		if o.method != method && !follows || !o.like.MatchString(path) {
			continue
		}
		if best == nil || o.ranks < best.ranks || o.ranks == best.ranks && best.method != method {
			best = o
		}
	}
	return best
}

const madeSite = `
{
	keygate {
		store bbolt ./data/keygate.db
	}
}
:{$PORT} {
	keygate {
		openapi ./api.json {
			scheme key
		}
		authenticated GET /written
		auth_failures off
	}
	respond passed
}
`

// Documents in which operations meet in every way: what the gateway lets through
// is what the document says of that very operation, and what routes and lint call
// denied is denied.
func TestNothingDeniedIsServed(t *testing.T) {
	t.Parallel()
	operations := makeOperations(rand.New(rand.NewPCG(7, 8)))
	g := startCaddyWith(t, madeSite, map[string][]byte{"api.json": documentOf(t, operations)})
	var scopes []string
	for _, o := range operations {
		if o.scope != "" && !o.denied {
			scopes = append(scopes, o.scope)
		}
	}
	newKey := func(scopes []string) string {
		return g.token(t, "--scope", strings.Join(scopes, ","), "--per-minute", "1000000", "--per-day", "1000000000")
	}
	all, but := newKey(scopes), make(map[string]string)
	for _, scope := range scopes {
		but[scope] = newKey(slices.DeleteFunc(slices.Clone(scopes), func(s string) bool { return s == scope }))
	}

	passes := func(method, path, token string) bool {
		if token == "" {
			return g.do(t, method, path, "").Status == http.StatusOK
		}
		return g.do(t, method, path, "", bearer(token)).Status == http.StatusOK
	}
	served, closed := 0, 0
	for _, path := range segmentPaths(3, "a", "me", "7", "7.json", "me.json", "7:go", "ME") {
		for _, method := range []string{"GET", "HEAD", "POST", "DELETE"} {
			o := operationOf(operations, method, path)
			switch {
			case o == nil || o.denied:
				closed++
				if passes(method, path, all) {
					t.Errorf("%s %s is served; the document has %+v for it", method, path, o)
				}
			case o.scope != "":
				if passes(method, path, but[o.scope]) {
					t.Errorf("%s %s is served without the scope of %s %s", method, path, o.method, o.path)
				}
				if passes(method, path, all) {
					served++
				}
			}
			if (o == nil || o.denied || o.scope != "") && passes(method, path, "") {
				t.Errorf("%s %s is served without a key", method, path)
			}
		}
	}
	if served < 50 || closed < 500 {
		t.Errorf("%d requests were served, and %d had to be closed", served, closed)
	}

	want := make(map[string]bool)
	for _, o := range operations {
		if o.denied {
			want[o.method+" "+o.path] = true
		}
	}
	var routes struct {
		Denied []struct{ Method, Path string }
	}
	if err := json.Unmarshal([]byte(g.mustCLI(t, "routes", "--json")), &routes); err != nil {
		t.Fatal(err)
	}
	for _, d := range routes.Denied {
		if !want[d.Method+" "+d.Path] {
			t.Errorf("routes calls %s %s denied", d.Method, d.Path)
		}
		delete(want, d.Method+" "+d.Path)
	}
	for missing := range want {
		t.Errorf("routes does not call %s denied", missing)
	}
}

// segmentPaths returns all paths of one to n of the texts.
func segmentPaths(n int, texts ...string) (paths []string) {
	last := []string{""}
	for range n {
		var next []string
		for _, path := range last {
			for _, text := range texts {
				next = append(next, path+"/"+text)
			}
		}
		paths, last = append(paths, next...), next
	}
	return paths
}

// startCaddyWith is startCaddy with more files in its folder.
func startCaddyWith(t testing.TB, caddyfile string, files map[string][]byte, env ...string) *gateway {
	t.Helper()
	folder := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(folder, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
		caddyfile = strings.ReplaceAll(caddyfile, "./"+name, filepath.Join(folder, name))
	}
	return startCaddy(t, caddyfile, env...)
}
