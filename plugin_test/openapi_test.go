package plugin_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// documentSite imports its routes but for one, which is written by hand.
const documentSite = `
{
	keygate {
		store bbolt ./data/keygate.db
	}
}
:{$PORT} {
	keygate {
		openapi {$API}/api.yaml
		scope media:upload GET /v1/posts/{id}/media
	}
	reverse_proxy {$BACKEND}
}
`

const document = `openapi: 3.1.0
info: {title: Posts, version: "1"}
servers: [{url: "https://api.example.com/v1"}]
components:
  securitySchemes:
    key: {type: http, scheme: bearer}
security: [{key: ["posts:read"]}]
paths:
  /posts:
    get: {}
    post:
      security: [{key: ["posts:write"]}, {key: ["posts:approve", "media:upload"]}]
      x-keygate-cost: 5
  /posts/{id}/media:
    get: {}
  /me:
    get: {security: [{key: []}]}
  /status:
    get: {security: []}
  /files/{name}{ext}:
    get: {}
`

// startDocumentSite returns the gateway, and a function that replaces its
// document.
func startDocumentSite(t testing.TB) (g *gateway, write func(document string)) {
	t.Helper()
	folder := t.TempDir()
	write = func(document string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(folder, "api.yaml"), []byte(document), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(document)
	return startCaddy(t, documentSite, "BACKEND="+startBackend(t).Addr, "API="+folder), write
}

func TestRoutesFromADocument(t *testing.T) {
	t.Parallel()
	g, _ := startDocumentSite(t)
	reader := g.token(t, "--scope", "posts:read")
	writer := g.token(t, "--scope", "posts:write")
	approver := g.token(t, "--scope", "posts:approve,media:upload")
	half := g.token(t, "--scope", "posts:approve")
	tests := map[string]struct {
		method, path, token string
		status              int
		code                string
	}{
		"security of the document":     {"GET", "/v1/posts", reader, 200, ""},
		"HEAD follows GET":             {"HEAD", "/v1/posts", reader, 200, ""},
		"another scope":                {"GET", "/v1/posts", writer, 403, "insufficient_scope"},
		"one alternative":              {"POST", "/v1/posts", writer, 200, ""},
		"the other":                    {"POST", "/v1/posts", approver, 200, ""},
		"half of the other":            {"POST", "/v1/posts", half, 403, "insufficient_scope"},
		"no alternative":               {"POST", "/v1/posts", reader, 403, "insufficient_scope"},
		"written by hand":              {"GET", "/v1/posts/7/media", approver, 200, ""},
		"by hand, not by the document": {"GET", "/v1/posts/7/media", reader, 403, "insufficient_scope"},
		"any key":                      {"GET", "/v1/me", half, 200, ""},
		"any key, without one":         {"GET", "/v1/me", "", 401, "missing_key"},
		"public":                       {"GET", "/v1/status", "", 200, ""},
		"what no route can stand for":  {"GET", "/v1/files/a.txt", reader, 403, "route_not_mapped"},
		"not in the document":          {"DELETE", "/v1/posts", writer, 403, "route_not_mapped"},
		"without the base path":        {"GET", "/posts", reader, 403, "route_not_mapped"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var headers []string
			if tt.token != "" {
				headers = append(headers, bearer(tt.token))
			}
			resp := g.do(t, tt.method, tt.path, "", headers...)
			if tt.code != "" {
				denied(t, resp, tt.status, tt.code)
			} else if resp.Status != tt.status {
				t.Errorf("answered %d: %s", resp.Status, resp.Body)
			}
		})
	}

	resp := g.do(t, "POST", "/v1/posts", "", bearer(half))
	p := denied(t, resp, 403, "insufficient_scope")
	if want := "lacks posts:write, or instead media:upload."; !strings.Contains(p.Detail, want) {
		t.Errorf("the detail is %q, without %q", p.Detail, want)
	}
	wantHeaders(t, resp, map[string]string{"Www-Authenticate": `Bearer realm="keygate", error="insufficient_scope", scope="posts:write"`})
	costly := g.do(t, "POST", "/v1/posts", "", bearer(g.token(t, "--scope", "posts:write")))
	if got := costly.Header.Get("RateLimit"); !strings.HasPrefix(got, `"minute";r=55;`) {
		t.Errorf("a request that costs 5 leaves RateLimit: %s", got)
	}
	warned := g.logged(t, withMessage("operations of the openapi document are no routes and denied; caddy keygate lint shows all"))
	if len(warned) != 1 || warned[0]["operations"] != 1.0 {
		t.Errorf("the log says of what is denied: %v", warned)
	}
	if taken := g.logged(t, withMessage("routes of the config come before those of openapi documents; caddy keygate lint shows all")); len(taken) != 1 {
		t.Errorf("the log says of overlaps: %v", taken)
	}
}

// Caddy leaves out a reload to the config that it runs, so a document that has
// changed must make another config of the same Caddyfile.
func TestReloadReadsTheDocumentAgain(t *testing.T) {
	t.Parallel()
	g, write := startDocumentSite(t)
	reader := bearer(g.token(t, "--scope", "posts:read"))

	write(strings.Replace(document, "    get: {}\n    post:", "    get: {x-keygate-cost: 0}\n    post:", 1))
	r := g.cli(t, "reload", "--config", "Caddyfile")
	if r.Code == 0 || !strings.Contains(r.Stderr, "api.yaml:10: x-keygate-cost") {
		t.Errorf("a broken document is loaded with status %d and: %s", r.Code, r.Stderr)
	}
	if resp := g.insist(t, "/v1/posts", reader); resp.Status != 200 {
		t.Errorf("after a reload with a broken document: %d %s", resp.Status, resp.Body)
	}

	write(strings.Replace(document, `security: [{key: ["posts:read"]}]`, `security: [{key: ["feeds:read"]}]`, 1))
	if r := g.cli(t, "reload", "--config", "Caddyfile"); r.Code != 0 {
		t.Fatalf("a changed document is refused: %s", r.Stderr)
	}
	denied(t, g.insist(t, "/v1/posts", reader), 403, "insufficient_scope")

	if err := os.Remove(filepath.Join(g.apiFolder(), "api.yaml")); err != nil {
		t.Fatal(err)
	}
	if r := g.cli(t, "reload", "--config", "Caddyfile"); r.Code == 0 || !strings.Contains(r.Stderr, "api.yaml") {
		t.Errorf("a missing document is loaded with status %d and: %s", r.Code, r.Stderr)
	}
	denied(t, g.insist(t, "/v1/posts", reader), 403, "insufficient_scope")
}

func (g *gateway) apiFolder() string {
	for _, variable := range g.env {
		if folder, ok := strings.CutPrefix(variable, "API="); ok {
			return folder
		}
	}
	return ""
}

const documentRoutes = `METHODS  PATH                 NEEDS                                      COST  FROM
GET      /v1/me               (any key)                                  1     api.yaml:17
GET      /v1/posts            posts:read                                 1     api.yaml:10
POST     /v1/posts            posts:write | media:upload posts:approve   5     api.yaml:11
GET      /v1/posts/{id}/media media:upload                               1     Caddyfile:10
GET      /v1/posts/{id}/media posts:read                                 1     api.yaml:15 (never reached: Caddyfile:10)
GET      /v1/status           (public)                                   1     api.yaml:19

DENIED  PATH                     WHY  FROM
GET     /v1/files/{name}{ext}   …    api.yaml:21
`

func TestRoutesCommand(t *testing.T) {
	t.Parallel()
	g, write := startDocumentSite(t)
	running := g.cli(t, "keygate", "routes")
	if running.Code != 0 || running.Stderr != "" {
		t.Fatalf("status %d: %s", running.Code, running.Stderr)
	}
	compareColumns(t, running.Stdout, documentRoutes)

	// What runs, until a reload, is not what the files say.
	write(strings.Replace(document, `"posts:read"`, `"feeds:read"`, 1))
	if again := g.cli(t, "keygate", "routes"); again != running {
		t.Errorf("the running config changed with the document: %+v", again)
	}
	g.stop(t)
	file := g.cli(t, "keygate", "routes", "Caddyfile")
	if want := strings.Replace(documentRoutes, "/v1/posts            posts:read", "/v1/posts            feeds:read", 1); file.Code == 0 {
		compareColumns(t, file.Stdout, strings.Replace(want, "media posts:read", "media feeds:read", 1))
	} else {
		t.Errorf("status %d: %s", file.Code, file.Stderr)
	}

	var table struct {
		Routes []struct {
			Path, Access, Source string
			Scopes               [][]string
			Imported             bool
			NotReached           bool `json:"not_reached"`
		}
		Denied []struct{ Source, Problem string }
	}
	r := g.cli(t, "keygate", "routes", "Caddyfile", "--json")
	if err := json.Unmarshal([]byte(r.Stdout), &table); err != nil {
		t.Fatalf("%v in %s%s", err, r.Stdout, r.Stderr)
	}
	if len(table.Routes) != 6 || len(table.Denied) != 1 {
		t.Fatalf("%+v", table)
	}
	if post := table.Routes[2]; len(post.Scopes) != 2 || post.Access != "scoped" || post.Source != "api.yaml:11" || !post.Imported {
		t.Errorf("the third route is %+v", post)
	}
	if media := table.Routes[4]; !media.NotReached {
		t.Errorf("the fifth route is %+v", media)
	}
}

// compareColumns compares tables whatever their widths; … stands for any text.
func compareColumns(t *testing.T, got, want string) {
	t.Helper()
	gotLines, wantLines := strings.Split(got, "\n"), strings.Split(want, "\n")
	if len(gotLines) != len(wantLines) {
		t.Fatalf("printed\n%swant\n%s", got, want)
	}
	for i := range wantLines {
		line, wanted := strings.Join(strings.Fields(gotLines[i]), " "), strings.Join(strings.Fields(wantLines[i]), " ")
		before, after, cut := strings.Cut(wanted, "…")
		if line != wanted && (!cut || !strings.HasPrefix(line, before) || !strings.HasSuffix(line, after)) {
			t.Errorf("line %d is %q, want %q", i+1, line, wantLines[i])
		}
	}
}
