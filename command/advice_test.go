package command

import (
	"cmp"
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/socialpatra/keygate/access/lint"
)

// adviceCase is a config with a finding, and who follows what the finding says.
type adviceCase struct {
	code     lint.Code
	document string // YAML after adviceHead
	block    string // lines of the openapi block
	keygate  string // further lines of keygate
	scopes   string // of a key in the store; "": there is none
	json     string // a config in place of all that

	says   string // a part of the finding, where there are several of the code
	follow func(t *testing.T, problem string, s *adviceSite)
}

// adviceSite is what somebody can change.
type adviceSite struct {
	document, block, keygate, json string
	db                             string
}

const adviceHead = `openapi: 3.2.0
components:
  securitySchemes:
    key: {type: http, scheme: bearer}
    session: {type: apiKey, in: cookie, name: s}
    oauth: {type: oauth2, flows: {clientCredentials: {scopes: {"x:read": Read, "x:more": More}}}}
    header: {type: apiKey, in: header, name: X-Api-Key}
`

// pasted finds a line to paste, which ends a finding.
var pasted = regexp.MustCompile(`(?:the openapi block|in keygate[^:]*): (.+)$`)

// paste puts the line of a finding where the finding says.
func paste(t *testing.T, problem string, s *adviceSite) {
	t.Helper()
	m := pasted.FindStringSubmatch(problem)
	if m == nil {
		t.Fatalf("no line to paste in: %s", problem)
	}
	for line := range strings.SplitSeq(m[1], "; ") {
		if strings.Contains(m[0], "openapi block") {
			s.block += "\n" + line
		} else {
			s.keygate += "\n" + line
		}
	}
}

// edit replaces a text, once the finding says so in these words.
func edit(field func(*adviceSite) *string, says, old, text string) func(*testing.T, string, *adviceSite) {
	return func(t *testing.T, problem string, s *adviceSite) {
		t.Helper()
		if !strings.Contains(problem, says) {
			t.Errorf("the finding does not say %q: %s", says, problem)
		}
		at := field(s)
		if !strings.Contains(*at, old) {
			t.Fatalf("there is no %q in %q", old, *at)
		}
		*at = strings.Replace(*at, old, text, 1)
	}
}

func inDocument(s *adviceSite) *string { return &s.document }
func inKeygate(s *adviceSite) *string  { return &s.keygate }
func inBlock(s *adviceSite) *string    { return &s.block }
func inJSON(s *adviceSite) *string     { return &s.json }

// only is a document with one operation that needs something, beside a public one.
func only(security string) string {
	return "paths: {/ok: {get: {security: []}}, /a: {get: {security: " + security + "}}}\n"
}

// cacheSite is a config with a cache before or behind keygate.
func cacheSite(settings string, behind bool) string {
	handlers := []string{`{"handler": "cache", "Configuration": {"DefaultCache": {` + settings + `}}}`, `{"handler": "keygate", "routes": [{"methods": ["GET"], "path": "/a", "scopes": ["x:read"]}]}`}
	if behind {
		slices.Reverse(handlers)
	}
	return `{"apps": {"http": {"servers": {"s": {"listen": [":80"], "routes": [{"handle": [` + strings.Join(handlers, ", ") + `]}]}}}}}`
}

// earlySite is a config with a limiter of others around keygate.
func earlySite(handlers ...string) string {
	return `{"apps": {"http": {"servers": {"s": {"listen": [":80"], "routes": [{"handle": [` + strings.Join(handlers, ", ") + `]}]}}}}}`
}

const (
	aGate    = `{"handler": "keygate", "routes": [{"methods": ["GET"], "path": "/a", "scopes": ["x:read"]}]}`
	aLimiter = `{"handler": "rate_limit", "rate_limits": {"each": {"key": "{http.auth.user.workspace}"}}}`
)

const quietCache = `"disable_coalescing": true`

var adviceCases = map[string]adviceCase{
	"no security, a default":          {code: lint.NoSecurity, document: "paths: {/a: {get: {}}, /ok: {get: {security: []}}}\n", follow: paste},
	"no security, security":           {code: lint.NoSecurity, document: "paths: {/a: {get: {}}, /ok: {get: {security: []}}}\n", follow: edit(inDocument, "add security, or security: [] if it is public", "{get: {}}", "{get: {security: []}}")},
	"no security, deny by default":    {code: lint.NoSecurity, document: "paths: {/a: {get: {}}, /ok: {get: {security: []}}}\n", block: "default deny", follow: edit(inBlock, "change the default", "deny", "authenticated")},
	"a path that is ambiguous":        {code: lint.AmbiguousPath, document: "security: []\npaths: {/ok: {get: {}}, /a//b: {get: {}}}\n", follow: edit(inDocument, "serve it at another path", "/a//b", "/a/b")},
	"a scope of another form":         {code: lint.Unmappable, document: only("[{key: [Read.All]}]"), follow: paste},
	"several of another form":         {code: lint.Unmappable, document: only("[{key: [Read.All, 'a b', 'x:read']}]"), follow: paste},
	"a scope mapped to none":          {code: lint.Unmappable, document: only("[{key: [Posts.readonly]}]"), block: "scope_map *.readonly *:read", follow: pasteAlone},
	"a scope with a star":             {code: lint.Unmappable, document: only("[{key: ['*']}]"), follow: edit(inDocument, "give it another name in the document", "'*'", "'x:any'")},
	"another scheme only":             {code: lint.Unmappable, document: "paths: {/ok: {get: {security: [{key: []}]}}, /a: {get: {security: [{session: []}]}}}\n", follow: paste},
	"no scheme for keys":              {code: lint.Unmappable, document: only("[{session: []}]"), follow: paste},
	"two names in a row":              {code: lint.Unmappable, document: "security: []\npaths: {/ok: {get: {}}, '/a/{b}{c}': {get: {}}}\n", follow: paste},
	"a scope, and two names in a row": {code: lint.Unmappable, document: "paths: {/ok: {get: {security: []}}, '/a/{b}{c}': {get: {security: [{key: [Read.All]}]}}}\n", follow: paste},
	"a star inside":                   {code: lint.Unmappable, document: "security: []\npaths: {/ok: {get: {}}, '/a/*/b*': {get: {}}}\n", follow: paste},
	"to be percent-encoded":           {code: lint.Unmappable, document: "security: []\npaths: {/ok: {get: {}}, '/é x': {get: {}}}\n", follow: edit(inDocument, "serve it at another path", "/é x", "/e")},
	"too long a path":                 {code: lint.Unmappable, document: "security: []\npaths: {/ok: {get: {}}, '" + "/" + strings.Repeat("a", 300) + "': {get: {}}}\n", follow: edit(inDocument, "serve it at another path", "/"+strings.Repeat("a", 300), "/a")},
	"too many alternatives":           {code: lint.Unmappable, document: only("[" + strings.Repeat("{key: ['x:a', 'x:b']}, ", 1) + manyAlternatives() + "]"), follow: paste},
	"a query":                         {code: lint.Unmappable, document: "security: []\npaths: {/ok: {get: {}}, '/a?b=c': {get: {}}}\n", follow: edit(inDocument, `write the path as "/a"`, "/a?b=c", "/a")},
	"a fragment":                      {code: lint.Unmappable, document: "security: []\npaths: {/ok: {get: {}}, '/a#b': {get: {}}}\n", follow: edit(inDocument, `what clients send is "GET /a"`, "/a#b", "/a")},
	"the same as one denied":          {code: lint.Unmappable, document: "paths: {/ok: {get: {security: []}}, /a: {get: {security: []}}, '/a#b': {get: {security: [{key: ['x:read']}]}}}\n", says: "its requests are also", follow: edit(inDocument, `mend that one, or remove it`, ", '/a#b': {get: {security: [{key: ['x:read']}]}}", "")},
	"TRACE":                           {code: lint.Unmappable, document: "security: []\npaths: {/a: {get: {}, trace: {}}}\n", follow: edit(inDocument, "remove it from the document", ", trace: {}", "")},
	"a method of nobody's":            {code: lint.Unmappable, document: "security: []\npaths: {/a: {get: {}, additionalOperations: {COPY: {}}}}\n", follow: edit(inDocument, "remove it from the document", ", additionalOperations: {COPY: {}}", "")},
	"a wider route":                   {code: lint.WiderRoute, document: "paths: {'/users/{id}': {get: {security: [{key: ['x:read']}]}}, /users/me: {get: {}}}\n", follow: paste},
	"a wider route, with a verb":      {code: lint.WiderRoute, document: "paths: {'/users/{id}': {get: {security: [{key: ['x:read']}]}}, '/users/{id}:me': {get: {}}}\n", follow: paste},
	"a dropped alternative":           {code: lint.Dropped, document: only("[{key: ['x:read']}, {key: [Read.All]}]"), follow: paste},
	"another scheme beside":           {code: lint.OtherScheme, document: only("[{key: ['x:read'], session: []}]"), follow: paste},
	"another scheme instead":          {code: lint.OtherScheme, document: only("[{key: ['x:read']}, {session: []}]"), follow: paste},
	"a name with a colon":             {code: lint.ColonName, document: "security: []\npaths: {/ok: {get: {}}, '/a/:id': {get: {}}}\n", follow: edit(inDocument, "write in the document: {id}", ":id", "{id}")},
	"a declared scope":                {code: lint.UnusedScope, document: "paths: {/a: {get: {security: [{oauth: ['x:read']}]}}}\n", follow: edit(inDocument, "name it where it is needed, or remove it", "['x:read']", "['x:read', 'x:more']")},
	"a route that nobody has":         {code: lint.UnknownRoute, document: "security: []\npaths: {/a: {get: {}}}\n", keygate: "scope x:read GET /b", follow: edit(inKeygate, "correct the route, or remove it", "scope x:read GET /b", "")},
	"a route with another case":       {code: lint.UnknownRoute, document: "paths: {/a: {get: {}}, /ok: {get: {security: []}}}\n", keygate: "scope x:read GET /A/", says: "write it as GET /a", follow: edit(inKeygate, "write it as GET /a", "GET /A/", "GET /a")},
	"another method":                  {code: lint.UnknownRoute, document: "paths: {/a: {get: {}}, /ok: {get: {security: []}}}\n", keygate: "scope x:read PUT /a", follow: edit(inKeygate, "correct the method", "PUT", "GET")},
	"a shadow":                        {code: lint.Shadowed, document: "security: []\npaths: {'/a/{b}': {get: {}}}\n", keygate: "scope x:read GET /a/{b}", follow: edit(inKeygate, "remove the route", "scope x:read GET /a/{b}", "")},
	"the same shadow":                 {code: lint.Shadowed, document: "security: []\npaths: {'/a/{b}': {get: {}}}\n", keygate: "public GET /a/b", follow: edit(inKeygate, "remove the route", "public GET /a/b", "")},
	"a read scope that writes":        {code: lint.ReadScopeWrites, document: "paths: {/a: {post: {security: [{key: ['x:read']}]}}}\n", follow: edit(inDocument, "name a scope for writing", "'x:read'", "'x:write'")},
	"a cost above the default":        {code: lint.TooCostly, document: "paths: {/a: {post: {security: [{key: ['x:write']}], x-keygate-cost: 61}}}\n", follow: edit(inDocument, "lower the cost", "61", "60")},
	"a cost above a key's burst":      {code: lint.TooCostly, document: "paths: {/a: {post: {security: [{key: ['x:write']}], x-keygate-cost: 61}}}\n", scopes: "x:write", follow: updateKey},
	"a scope for nothing":             {code: lint.UselessKeyScope, document: only("[{key: ['x:read']}]"), scopes: "y:other", follow: updateKey},
	"a misspelt scope":                {code: lint.UselessKeyScope, document: only("[{key: ['x:read']}]"), scopes: "x:raed", says: "did you mean x:read?", follow: updateKey},
	"a header":                        {code: lint.KeyHeader, document: only("[{header: []}]"), follow: paste},
	"another header": {code: lint.KeyHeader, document: only("[{header: []}]"), keygate: "header X-Key", follow: func(t *testing.T, problem string, s *adviceSite) {
		edit(inKeygate, "write in place of that in keygate", "header X-Key", "")(t, problem, s)
		paste(t, problem, s)
	}},
	"a line for nothing": {code: lint.UnusedScopeMap, document: only("[{key: ['x:read']}]"), block: "scope_map Admin x:admin", follow: func(t *testing.T, problem string, s *adviceSite) {
		s.block = strings.Replace(s.block, pasted.FindStringSubmatch(problem)[1], "", 1)
	}},
	"two scopes in one":        {code: lint.MergedScopes, document: only("[{key: [A]}, {key: [B]}]"), block: "scope_map A x:a\nscope_map B x:a", follow: edit(inBlock, "give each a scope of its own in the scope_map lines", "B x:a", "B x:b")},
	"a header of the client's": {code: lint.ChosenByClient, json: consoleSite(askedFor, `"workspace": "{http.request.header.X-Workspace}", "actor": "ada"`), follow: edit(inJSON, "write {http.reverse_proxy.header.X-Workspace}", "http.request.header", "http.reverse_proxy.header")},
	"a header that is deleted": {code: lint.ChosenByClient, json: consoleSite(askedFor, `"workspace": "{http.request.header.X-Workspace}", "actor": "ada"`), follow: func(t *testing.T, problem string, s *adviceSite) {
		t.Helper()
		edit(inJSON, "put request_header -X-Workspace where every request passes it", `"routes": [`, `"routes": [{"handle": [{"handler": "headers", "request": {"delete": ["X-Workspace"]}}]}, `)(t, problem, s)
	}},
	"a query of the client's":           {code: lint.ChosenByClient, json: consoleSite(askedFor, `"workspace": "{http.request.uri.query.w}", "actor": "ada"`), follow: edit(inJSON, "{http.reverse_proxy.header.X-Workspace} behind forward_auth", "{http.request.uri.query.w}", "{http.reverse_proxy.header.X-Workspace}")},
	"a name of the client's own making": {code: lint.ChosenByClient, json: consoleSite(`{"handler": "vars"}`, `"workspace": "{http.request.tls.client.san.dns_names.0}", "actor": "ada"`, `{"client_authentication": {"mode": "require"}}`), follow: edit(inJSON, "write mode require_and_verify in client_auth, with the authority", `"mode": "require"`, `"mode": "require_and_verify", "ca": {"provider": "file", "pem_files": ["ca.pem"]}`)},
	"only reported":                     {code: lint.NotEnforced, document: oneOperation, keygate: "mode report", follow: edit(inKeygate, "remove mode report", "mode report", "")},
	"a question that misses":            {code: lint.PastAuthorize, json: askedSite(`"match": [{"host": ["a.example.com"]}], `, ""), follow: edit(inJSON, "give the site no host name and keygate no matcher", `"match": [{"host": ["a.example.com"]}], `, "")},
	"a question that is left over":      {code: lint.PastAuthorize, json: askedSite(`"match": [{"path": ["/authz/*"]}], `, ""), follow: edit(inJSON, "put respond 403 where all else ends", `]}]}}}}}`, `]}, {"handle": [{"handler": "static_response", "status_code": 403}]}]}}}}}`)},
	"foreign to nothing":                {code: lint.NothingBehind, json: foreignSite(``), follow: edit(inJSON, "put reverse_proxy, or what else serves the API, behind it", `"foreign": "pass"}`, `"foreign": "pass"}, {"handler": "reverse_proxy"}`)},
	"nobody signs in":                   {code: lint.NoSignIn, json: consoleSite(`{"handler": "vars"}`, `"workspace": "*", "actor": "ada"`), follow: edit(inJSON, "put forward_auth, basic_auth or client_auth", `{"handler": "vars"}`, askedFor)},
	"some sign in":                      {code: lint.NoSignIn, json: consoleSite(`{"handler": "subroute", "routes": [{"match": [{"path": ["/a/*"]}], "handle": [`+askedFor+`]}]}`, `"workspace": "acme", "actor": "ada", "base": "/a"`), follow: edit(inJSON, "for every path that it serves", `"match": [{"path": ["/a/*"]}], `, "")},
	"a console for no request":          {code: lint.UselessConsole, json: consoleSite(`{"handler": "static_response"}`, `"workspace": "acme", "actor": "ada"`), follow: edit(inJSON, "put it before that", `{"handler": "static_response"}`, askedFor)},
	"a console without its prefix":      {code: lint.UselessConsole, json: consoleSite(askedFor+`, {"handler": "rewrite", "strip_path_prefix": "/a"}`, `"workspace": "acme", "actor": "ada", "base": "/a/b"`), follow: edit(inJSON, "write base /b", `"/a/b"`, `"/b"`)},
	"a console behind keygate": {code: lint.UselessConsole, json: consoleSite(askedFor+`, `+gate, `"workspace": "acme", "actor": "ada", "base": "/a"`), follow: func(t *testing.T, problem string, s *adviceSite) {
		t.Helper()
		edit(inJSON, "put it before keygate", `, `+gate, "")(t, problem, s)
	}},
	"an actor of nobody":    {code: lint.UselessConsole, json: consoleSite(askedFor, `"workspace": "acme"`), follow: edit(inJSON, "write another actor", `"workspace": "acme"`, `"workspace": "acme", "actor": "{http.reverse_proxy.header.X-User}"`)},
	"an answer of nobody's": {code: lint.UselessConsole, json: consoleSite(`{"handler": "authentication"}`, `"workspace": "{http.reverse_proxy.header.X-W}"`), follow: edit(inJSON, "put forward_auth before it", `{"handler": "authentication"}`, `{"handler": "authentication"}, `+askedFor)},
	"a console without TLS": {code: lint.PlainConsole, json: strings.Replace(consoleSite(askedFor, `"workspace": "acme", "actor": "ada"`), ":443", ":80", 1), follow: edit(inJSON, "without http://", ":80", ":443")},

	"a cache that mixes":       {code: lint.UnsafeCache, json: cacheSite(`"key": {"headers": ["Authorization"], "hash": false}`, false), says: "disable_coalescing", follow: edit(inJSON, "write disable_coalescing in cache", `"key": {"headers": ["Authorization"], "hash": false}`, quietCache)},
	"a cache of hashes":        {code: lint.UnsafeCache, json: cacheSite(quietCache+`, "key": {"hash": true, "headers": ["Socialpatra-Key-Id"]}`, true), follow: edit(inJSON, "remove hash", `"hash": true, `, "")},
	"a cache of all keys":      {code: lint.UnsafeCache, json: cacheSite(quietCache, true), follow: edit(inJSON, "key { headers Socialpatra-Key-Id }", quietCache, quietCache+`, "key": {"headers": ["Socialpatra-Key-Id"]}`)},
	"a limiter before keygate": {code: lint.EarlyPlaceholder, json: earlySite(aLimiter, aGate), follow: edit(inJSON, "put it behind keygate", aLimiter+", "+aGate, aGate+", "+aLimiter)},
	"a cache's mode":           {code: lint.UnsafeCache, json: cacheSite(quietCache+`, "mode": "bypass"`, false), follow: edit(inJSON, "remove mode", `, "mode": "bypass"`, "")},
	"a cache without Vary":     {code: lint.UnsafeCache, json: cacheSite(quietCache+`, "key": {"disable_vary": true}`, false), follow: edit(inJSON, "remove disable_vary", `"disable_vary": true`, "")},
	"a cache of private":       {code: lint.UnsafeCache, json: cacheSite(quietCache+`, "key": {"headers": ["Authorization"]}`, false), follow: edit(inJSON, "remove that header from its key", `"Authorization"`, "")},
	"a key in the clear":       {code: lint.Unwatched, json: clearSite(""), follow: edit(inJSON, "write a site http://api.example.com beside it", `"s": {`, besideIt(`{"handler": "keygate_plaintext", "then": "revoke"}`)+`"s": {`)},
	"answered in the clear":    {code: lint.Unwatched, json: clearSite(besideIt(`{"handler": "static_response", "status_code": 403}`)), follow: edit(inJSON, "put keygate_plaintext revoke before all else", `{"handler": "static_response"`, `{"handler": "keygate_plaintext", "then": "revoke"}, {"handler": "static_response"`)},
	"watched for some paths":   {code: lint.Unwatched, json: clearSite(besideIt(`{"handler": "subroute", "routes": [{"match": [{"path": ["/v1/*"]}], "handle": [{"handler": "keygate_plaintext", "then": "revoke"}]}]}`)), follow: edit(inJSON, "without a matcher", `"match": [{"path": ["/v1/*"]}], `, "")},
}

// oneOperation is a document with one operation, of which nothing is to be told.
const oneOperation = `paths:
  /a: {get: {security: [{key: ["x:read"]}]}}
`

// foreignSite is a config with a gateway that passes requests of others, and what
// is behind it.
func foreignSite(behind string) string {
	return `{"apps": {"http": {"servers": {"s": {"listen": [":443"], "routes": [{"handle": [{"handler": "keygate", "routes": [{"methods": ["GET"], "path": "/v1/*", "access": "authenticated"}], "foreign": "pass"}` + behind + `]}]}}}}}`
}

// askedSite is a config with a gateway that a proxy asks.
func askedSite(match, before string) string {
	return `{"apps": {"http": {"servers": {"s": {"listen": [":9100"], "routes": [{` + match + `"handle": [` + before + `{"handler": "keygate", "authorize": "ext_authz", "routes": [{"methods": ["GET"], "path": "/v1/*", "access": "authenticated"}]}]}]}}}}}`
}

const gate = `{"handler": "keygate", "routes": [{"methods": ["GET"], "path": "/v1", "access": "authenticated"}]}`

// consoleSite is a site with handlers before a console. policies are those of its
// TLS connections.
func consoleSite(before, options string, policies ...string) string {
	return `{"apps": {"http": {"servers": {"s": {"listen": [":443"], "tls_connection_policies": [` + strings.Join(policies, ",") + `],
		"routes": [{"match": [{"host": ["app.example.com"]}], "handle": [` + before + `, {"handler": "keygate_console", ` + options + `}]}]}}}}}`
}

// clearSite is a site with keygate, a name and TLS. others are other servers.
func clearSite(others string) string {
	return `{"apps": {"http": {"servers": {` + others + `"s": {"listen": [":443"], "routes": [{"match": [{"host": ["api.example.com"]}], "handle": [` + gate + `]}]}}}}}`
}

// besideIt is a server for http:// of the same name.
func besideIt(handler string) string {
	return `"plain": {"listen": [":80"], "routes": [{"match": [{"host": ["api.example.com"]}], "handle": [` + handler + `]}]}, `
}

// askedFor is forward_auth, which copies no header.
const askedFor = `{"handler": "reverse_proxy", "handle_response": [{"match": {"status_code": [2]}, "routes": [{"handle": [{"handler": "vars"}]}]}]}`

// manyAlternatives are 17 sets of scopes.
func manyAlternatives() string {
	var b strings.Builder
	for c := 'a'; c < 'r'; c++ {
		b.WriteString("{key: ['y:" + string(c) + "']}, ")
	}
	return b.String()
}

// pasteAlone leaves out what mapped the scope to none, which nothing needs then.
func pasteAlone(t *testing.T, problem string, s *adviceSite) {
	t.Helper()
	s.block = ""
	paste(t, problem, s)
}

// updateKey runs the command that the finding has, with the scope of a route, which
// a store alone does not know.
func updateKey(t *testing.T, problem string, s *adviceSite) {
	t.Helper()
	_, line, ok := strings.Cut(problem, "caddy keygate ")
	if !ok {
		t.Fatalf("no command in: %s", problem)
	}
	person{}.mustRun(t, append(strings.Fields(strings.Replace(line, "<scopes>", "x:read", 1)), "--db", s.db, "--allow-unknown-scope")...)
}

// lint writes the site and returns what lint finds.
func (s *adviceSite) lint(t *testing.T) []lint.Finding {
	t.Helper()
	args := []string{"lint", "--json"}
	files := map[string]string{
		"api.yaml":  adviceHead + s.document,
		"Caddyfile": ":8080 {\n\tkeygate {\n" + s.keygate + "\n\t\topenapi api.yaml {\n" + s.block + "\n\t\t}\n\t}\n}\n",
	}
	if s.json != "" {
		files = map[string]string{"caddy.json": s.json}
		args = append(args, "caddy.json")
	}
	for name, text := range files {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if s.db != "" {
		args = append(args, "--db", s.db)
	}
	o := person{}.run(args...)
	var got struct{ Findings []lint.Finding }
	if err := json.Unmarshal([]byte(o.stdout), &got); err != nil || o.failed != (len(got.Findings) > 0) {
		t.Fatalf("lint: %v\n%s%s%s", err, o.stdout, o.stderr, files["Caddyfile"])
	}
	return got.Findings
}

// What a finding says can be done, and then the finding is gone and no other one
// is there. What else the site has to tell was there before.
func TestEveryAdviceCanBeFollowed(t *testing.T) {
	for name, c := range adviceCases {
		t.Run(name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			s := &adviceSite{document: c.document, block: c.block, keygate: c.keygate, json: c.json}
			if c.scopes != "" {
				s.db = "keys.db"
				person{}.run("create", "--db", s.db, "--workspace", "acme", "--name", "n", "--scope", c.scopes, "--allow-unknown-scope", "-q")
			}
			before := s.lint(t)
			i := slices.IndexFunc(before, func(f lint.Finding) bool { return f.Code == c.code && strings.Contains(f.Problem, c.says) })
			if i < 0 {
				t.Fatalf("there is no %s: %v", c.code, before)
			}
			c.follow(t, before[i].Problem, s)
			for _, f := range s.lint(t) {
				known := slices.ContainsFunc(before, func(b lint.Finding) bool { return b.Code == f.Code && b.Problem == f.Problem })
				if !known || f.Code == c.code && f.Problem == before[i].Problem {
					t.Errorf("advised was\n%s\nfound is then %s: %s", before[i].Problem, f.Code, cmp.Or(f.Problem, "nothing"))
				}
			}
		})
	}
}

// A console behind a gateway that lets in keys alone refuses everybody. One that
// passes requests of others, or only reports, lets in more.
func TestLetsInMoreThanKeys(t *testing.T) {
	for options, useless := range map[string]bool{`"mode": "enforce"`: true, `"foreign": "pass"`: false, `"mode": "report"`: false} {
		t.Chdir(t.TempDir())
		s := &adviceSite{json: strings.Replace(foreignSite(`, `+askedFor+`, {"handler": "keygate_console", "workspace": "acme", "actor": "ada"}`), `"foreign": "pass"`, options, 1)}
		found := s.lint(t)
		if got := slices.ContainsFunc(found, func(f lint.Finding) bool { return f.Code == lint.UselessConsole }); got != useless {
			t.Errorf("%s: %v", options, found)
		}
	}
}

// Every code has somebody who follows it; that of the catalogue is followed too.
func TestEveryCodeHasAnAdvice(t *testing.T) {
	for _, code := range lint.Codes() {
		found := false
		for _, c := range adviceCases {
			found = found || c.code == code
		}
		if !found {
			t.Errorf("nobody follows what %s says", code)
		}
	}
}

// All lines of all findings can be pasted together, each once.
func TestAllAdviceCanBeFollowedAtOnce(t *testing.T) {
	t.Chdir(t.TempDir())
	s := &adviceSite{document: `    basic: {type: http, scheme: basic}
paths:
  /a: {get: {security: [{key: [Read.All, B], session: []}, {basic: []}, {header: []}]}, put: {}, post: {security: [{key: [B]}]}}
  /b: {get: {security: [{session: []}]}, put: {security: [{key: []}]}}
  '/{x}': {delete: {security: [{key: [B]}]}}
  /c: {delete: {security: [{basic: []}]}}
`, block: "scheme key"}
	lines := make(map[string]bool)
	for _, f := range s.lint(t) {
		if m := pasted.FindStringSubmatch(f.Problem); m != nil && !lines[m[0]] {
			lines[m[0]] = true
		}
	}
	if len(lines) < 6 {
		t.Fatalf("only %v", lines)
	}
	once := make(map[string]bool)
	for line := range lines {
		field := &s.keygate
		if strings.Contains(line, "openapi block") {
			field = &s.block
		}
		for text := range strings.SplitSeq(pasted.FindStringSubmatch(line)[1], "; ") {
			if !once[text] {
				once[text] = true
				*field += "\n" + text
			}
		}
	}
	for _, f := range s.lint(t) {
		t.Errorf("left is %s: %s", f.Code, f.Problem)
	}
}
