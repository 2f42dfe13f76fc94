//go:build beside

package plugin_test

import (
	"bufio"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// besideBinary is Caddy with Keygate and the plugins that people have beside it.
var besideBinary = sync.OnceValues(func() (string, error) { return buildCaddy("caddy-beside", "beside", ".") })

// printedBeside returns the site of docs/composition.md that has a directive, as it is
// printed but for its address and its backend.
func printedBeside(t *testing.T, directive string) string {
	t.Helper()
	var found []string
	for _, p := range readPages(t) {
		for _, code := range p.code {
			if p.file == "docs/composition.md" && code.language == "caddy" && strings.Contains(code.text, "\t"+directive+" ") {
				found = append(found, code.text)
			}
		}
	}
	if len(found) != 1 {
		t.Fatalf("docs/composition.md shows %d sites with %s, want 1", len(found), directive)
	}
	return strings.NewReplacer(":8080 {", ":{$PORT} {", "localhost:9000", "{$BACKEND}").Replace(withStore(found[0]))
}

// withStore adds a store of the test's own to the global options, or makes some.
func withStore(site string) string {
	const store = "\tkeygate {\n\t\tstore bbolt ./data/keygate.db\n\t}\n"
	if rest, ok := strings.CutPrefix(site, "{\n"); ok {
		return "{\n" + store + rest
	}
	return "{\n" + store + "}\n" + site
}

const (
	loginKey = "0123456789abcdef0123456789abcdef"
	hubKey   = "fedcba9876543210fedcba9876543210"
)

// signedJWT returns a token that is signed by HMAC-SHA256.
func signedJWT(key, claims string) string {
	encode := base64.RawURLEncoding.EncodeToString
	text := encode([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + encode([]byte(claims))
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(text))
	return text + "." + encode(mac.Sum(nil))
}

func startBeside(t *testing.T, site string) (*gateway, *backend) {
	t.Helper()
	b := startBackend(t)
	g := startCaddyFrom(t, besideBinary, site, "BACKEND="+b.Addr, "LOGIN_KEY="+loginKey, "HUB_KEY="+hubKey,
		"HUB_TOKEN="+signedJWT(hubKey, `{"mercure":{"publish":["*"],"subscribe":["*"]}}`))
	if found := g.lint(t).Findings; slices.ContainsFunc(found, func(f finding) bool { return f.Code == "early_placeholder" }) {
		t.Errorf("lint finds %v", found)
	}
	return g, b
}

// Each workspace has a bucket of its own where the page puts the limiter, and all
// share one where Caddy sorts it, which lint tells.
func TestBesideRateLimit(t *testing.T) {
	site := strings.Replace(printedBeside(t, "rate_limit"), "events 1000", "events 2", 1)
	g, _ := startBeside(t, site)
	for _, workspace := range []string{"acme", "globex"} {
		token := g.token(t, "--workspace", workspace, "--scope", "posts:read")
		for n, want := range []int{200, 200, 429} {
			if resp := g.get(t, token); resp.Status != want {
				t.Errorf("request %d of %s: answered %d, want %d", n+1, workspace, resp.Status, want)
			}
		}
	}
	sorted := strings.NewReplacer("\troute {\n", "", "\t\treverse_proxy {$BACKEND}\n\t}\n", "\t\treverse_proxy {$BACKEND}\n").Replace(site)
	r := g.reload(t, sorted)
	if r.Code != 0 {
		t.Fatalf("%s\n%s", r.Stderr, sorted)
	}
	var tokens []string // first, as their creation takes a part of the window of a minute
	for _, workspace := range []string{"one", "two", "three"} {
		tokens = append(tokens, g.token(t, "--workspace", workspace, "--scope", "posts:read"))
	}
	var statuses []int
	for _, token := range tokens {
		statuses = append(statuses, g.get(t, token).Status)
	}
	if !slices.Contains(statuses, 429) {
		t.Errorf("three workspaces are answered %v, where the page says that they share a bucket of two", statuses)
	}
	if found := g.lint(t).Findings; !slices.ContainsFunc(found, func(f finding) bool {
		return f.Code == "early_placeholder" && strings.Contains(f.Problem, "rate_limit") && strings.Contains(f.Problem, "{http.auth.user.workspace}")
	}) {
		t.Errorf("lint finds %v", found)
	}
}

func TestBesideFirewall(t *testing.T) {
	g, b := startBeside(t, printedBeside(t, "coraza_waf"))
	token := g.token(t, "--scope", "posts:write", "--scope", "posts:read")
	form := "Content-Type: application/x-www-form-urlencoded"
	for _, test := range []struct {
		name, path, body string
		status           int
	}{
		{"good", "/v1/posts", "text=hello", 200},
		{"in the query", "/v1/posts?text=%3Cscript%3E", "", 403},
		{"in the body", "/v1/posts", "text=%3Cscript%3E", 403},
	} {
		b.take()
		resp := g.do(t, "POST", test.path, test.body, bearer(token), form)
		if seen := b.take(); resp.Status != test.status || len(seen) > 0 != (test.status == 200) {
			t.Errorf("%s: answered %d, want %d; the backend saw %v", test.name, resp.Status, test.status, seen)
		}
	}
	denied(t, g.do(t, "POST", "/v1/posts", "text=%3Cscript%3E", form), 401, "missing_key")
}

func TestBesideLogin(t *testing.T) {
	g, b := startBeside(t, printedBeside(t, "authorize"))
	reader, token := g.createKey(t, "--scope", "posts:read")
	person := signedJWT(loginKey, fmt.Sprintf(`{"sub":"ada","roles":["user"],"exp":%d,"iat":%d}`, time.Now().Add(time.Hour).Unix(), time.Now().Unix()))

	const forged = "Socialpatra-Workspace: forged"
	resp := g.do(t, "GET", "/v1/posts", "", bearer(token), forged)
	seen := b.takeOne(t)
	if resp.Status != 200 {
		t.Errorf("a key is answered %d %s", resp.Status, resp.Body)
	}
	wantIdentity(t, seen.Header, reader)

	if resp := g.do(t, "GET", "/v1/anything", "", "Cookie: access_token="+person, forged); resp.Status != 200 {
		t.Fatalf("a person is answered %d %s", resp.Status, resp.Body)
	}
	for header := range b.takeOne(t).Header {
		if strings.HasPrefix(header, "Socialpatra-") {
			t.Errorf("the backend is told %s of a person", header)
		}
	}
	for name, credential := range map[string]string{
		"nobody":             "X-None: 1",
		"a key, another way": "Authorization: bearer " + token,
		"a token of others":  bearer(signedJWT(hubKey, `{"sub":"ada","roles":["user"]}`)),
		"a wrong key":        bearer(token[:len(token)-1] + "0"),
	} {
		resp := g.do(t, "GET", "/v1/posts", "", credential, forged)
		if seen := b.take(); resp.Status < 300 || len(seen) > 0 {
			t.Errorf("%s: answered %d; the backend saw %v", name, resp.Status, seen)
		}
	}
}

func TestBesideHub(t *testing.T) {
	g, _ := startBeside(t, printedBeside(t, "mercure"))
	reader, writer := g.token(t, "--scope", "posts:read"), g.token(t, "--scope", "posts:write")
	const hub, form = "/.well-known/mercure", "Content-Type: application/x-www-form-urlencoded"
	publish := func(headers ...string) response {
		return g.do(t, "POST", hub, "topic=posts&data=hello&private=on", append(headers, form)...)
	}
	denied(t, publish(), 401, "missing_key")
	denied(t, publish("X-API-Key: "+reader), 403, "insufficient_scope")
	denied(t, publish(bearer(signedJWT(hubKey, `{"mercure":{"publish":["*"]}}`))), 401, "invalid_key")

	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, g.URL+hub+"?topic=posts", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-API-Key", reader)
	events, err := g.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer events.Body.Close()
	if resp := publish("X-API-Key: " + writer); resp.Status != 200 {
		t.Fatalf("published: %d %s", resp.Status, resp.Body)
	}
	for lines := bufio.NewScanner(events.Body); lines.Scan(); {
		if lines.Text() == "data: hello" {
			return
		}
	}
	t.Errorf("the subscriber, answered %d, did not get the event", events.StatusCode)
}
