package plugin_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/socialpatra/keygate/adminapi"
)

// recipe returns the n-th Caddyfile below a heading of docs/self-service.md.
func recipe(t testing.TB, heading string, n int) string {
	t.Helper()
	_, text, ok := strings.Cut(readFile(t, "docs/self-service.md"), "\n### "+heading+"\n")
	if !ok {
		t.Fatalf("docs/self-service.md has no recipe %q", heading)
	}
	text, _, _ = strings.Cut(text, "\n### ")
	blocks := regexp.MustCompile("(?s)```caddyfile\n(.*?)```").FindAllStringSubmatch(text, -1)
	if len(blocks) <= n {
		t.Fatalf("the recipe %q has %d Caddyfiles", heading, len(blocks))
	}
	return blocks[n][1]
}

// recipes are all of them.
func recipes(t testing.TB) []string {
	t.Helper()
	_, text, _ := strings.Cut(readFile(t, "docs/self-service.md"), "\n## Recipes\n")
	var found []string
	for _, m := range regexp.MustCompile("(?s)```caddyfile\n(.*?)```").FindAllStringSubmatch(text, -1) {
		found = append(found, m[1])
	}
	if len(found) < 6 {
		t.Fatalf("docs/self-service.md has %d recipes", len(found))
	}
	return found
}

// console is a running recipe.
type console struct {
	*gateway
	host, port string
}

// startConsole runs a recipe as it is printed, but for the address of the session
// service. Its site is reached at its own name, with a certificate of Caddy's own
// authority.
func startConsole(t testing.TB, recipe, sessions string, files map[string]string) *console {
	t.Helper()
	const options = `{
	https_port {$PORT}
	http_port {$HTTP_PORT}
	local_certs
	skip_install_trust
	keygate {
		store bbolt ./data/keygate.db
	}
}
`
	c := &console{host: regexp.MustCompile(`(?m)^([a-z.]+) \{$`).FindStringSubmatch(recipe)[1]}
	recipe = strings.ReplaceAll(recipe, "127.0.0.1:9100", sessions)
	c.gateway = startCaddy(t, options, "HTTP_PORT="+freePort(t))
	for name, file := range files { // that the recipe names relatively
		if err := os.WriteFile(filepath.Join(c.Dir, name), []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if r := c.reload(t, options+recipe); r.Code != 0 {
		t.Fatalf("the recipe does not load: %s", r.Stderr)
	}
	c.port = c.URL[strings.LastIndex(c.URL, ":")+1:]
	c.URL = "https://" + c.host + ":" + c.port
	c.client = c.browser(t, nil)
	awaitCertificate(t, "127.0.0.1:"+c.port, c.host)
	return c
}

// awaitCertificate waits until a site of Caddy's own authority can be asked over TLS:
// the admin endpoint answers before.
func awaitCertificate(t testing.TB, addr, host string) {
	t.Helper()
	await(t, "certificate", func() bool {
		conn, err := tls.Dial("tcp", addr, &tls.Config{ServerName: host, InsecureSkipVerify: true})
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
}

// browser is a client with cookies of its own that finds the site by its name.
func (c *console) browser(t testing.TB, certificate *tls.Certificate) *http.Client {
	t.Helper()
	config := &tls.Config{InsecureSkipVerify: true}
	if certificate != nil {
		config.Certificates = []tls.Certificate{*certificate}
	}
	transport := &http.Transport{
		TLSClientConfig: config,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, "127.0.0.1:"+c.port)
		},
	}
	t.Cleanup(transport.CloseIdleConnections)
	client := newClient(t)
	client.Transport = transport
	client.Jar, _ = cookiejar.New(nil) // never fails
	return client
}

// by sends a request to the console as one of its callers.
func (c *console) by(t testing.TB, who *http.Client, method, path, body string, headers ...string) response {
	t.Helper()
	if body != "" {
		headers = append(headers, "Content-Type: application/json")
	}
	return send(t, who, method, c.URL+path, body, headers)
}

// stored are the keys that there are, as an operator sees them.
func (c *console) stored(t testing.TB) string {
	t.Helper()
	return c.adminDo(t, "GET", "/keygate/keys?limit=1000", "").Body
}

// makes a key through the console and returns it with its token.
func (c *console) makes(t testing.TB, who *http.Client, base, body string, headers ...string) (made struct {
	Key struct {
		ID, Workspace string
		CreatedBy     string `json:"created_by"`
		ExpiresAt     string `json:"expires_at"`
		Limits        struct {
			PerMinute int `json:"per_minute"`
		}
	}
	Token string
},
) {
	t.Helper()
	resp := c.by(t, who, "POST", base+"/api/keys", body, headers...)
	if err := json.Unmarshal([]byte(resp.Body), &made); err != nil || resp.Status != http.StatusCreated {
		t.Fatalf("creating a key: %d %s", resp.Status, resp.Body)
	}
	return made
}

// people are who may sign in at the session service, each with the password "of "
// and the name.
const people = `{
	"ada":   {"workspace": "acme", "role": "admin", "password": "HASH"},
	"bob":   {"workspace": "acme", "role": "member", "password": "HASH"},
	"grace": {"workspace": "globex", "role": "admin", "password": "HASH"}
}`

const password = "correct horse battery"

// sessionsBinary builds the session service once: a build over a program that another
// test begins to run may make that fail.
var sessionsBinary = sync.OnceValues(func() (string, error) { return buildCaddy("sessions", "..", "./docs/self-service/sessions") })

// startSessions runs the session service of the page, and returns its address.
func startSessions(t testing.TB) string {
	t.Helper()
	binary, err := sessionsBinary()
	if err != nil {
		t.Fatal(err)
	}
	hash := exec.CommandContext(t.Context(), binary, "-hash")
	hash.Stdin = strings.NewReader(password + "\n")
	hashed, err := hash.Output()
	if err != nil {
		t.Fatal(err)
	}
	users := filepath.Join(t.TempDir(), "users.json")
	if err := os.WriteFile(users, []byte(strings.ReplaceAll(people, "HASH", strings.TrimSpace(string(hashed)))), 0o600); err != nil {
		t.Fatal(err)
	}
	addr := "127.0.0.1:" + freePort(t)
	service := exec.CommandContext(t.Context(), binary, "-listen", addr, "-users", users)
	service.Stderr = os.Stderr
	if err := service.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { service.Wait() }) // its context has ended then
	await(t, "session service", func() bool {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	return addr
}

// signIn fills in the form of the session service.
func (c *console) signIn(t testing.TB, name string) *http.Client {
	t.Helper()
	b := c.browser(t, nil)
	resp := send(t, b, "POST", c.URL+"/sign-in", url.Values{"name": {name}, "password": {password}}.Encode(), []string{"Content-Type: application/x-www-form-urlencoded"})
	if resp.Status != http.StatusSeeOther || resp.Header.Get("Set-Cookie") == "" {
		t.Fatalf("%s signs in: %d %s", name, resp.Status, resp.Body)
	}
	return b
}

// startSayer is a session service that lets everybody in and says of them what the
// test wants.
func startSayer(t testing.TB, says func(w http.ResponseWriter)) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		says(w)
	}))
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

const settings = "/settings/api-keys"

func TestRecipeSessions(t *testing.T) {
	t.Parallel()
	c := startConsole(t, recipe(t, "Behind a session service", 0), startSessions(t), nil)
	stranger := c.browser(t, nil)
	if resp := c.by(t, stranger, "GET", settings+"/api/keys", ""); resp.Status != http.StatusUnauthorized {
		t.Errorf("nobody: %d %s", resp.Status, resp.Body)
	}
	if resp := c.by(t, stranger, "GET", settings, "", "Accept: text/html"); resp.Status != http.StatusSeeOther || resp.Header.Get("Location") != "/sign-in?from=%2Fsettings%2Fapi-keys" {
		t.Errorf("a page for nobody: %d to %s", resp.Status, resp.Header.Get("Location"))
	}
	if resp := send(t, stranger, "POST", c.URL+"/sign-in", "name=ada&password=wrong", []string{"Content-Type: application/x-www-form-urlencoded"}); resp.Status != http.StatusForbidden || resp.Header.Get("Set-Cookie") != "" {
		t.Errorf("a wrong password: %d", resp.Status)
	}
	ada, bob, grace := c.signIn(t, "ada"), c.signIn(t, "bob"), c.signIn(t, "grace")

	made := c.makes(t, ada, settings, `{"name":"one","scopes":["posts:read"]}`)
	if made.Key.Workspace != "acme" || made.Key.CreatedBy != "ada" || made.Key.ExpiresAt == "" {
		t.Errorf("made is %+v", made)
	}
	one := settings + "/api/keys/" + made.Key.ID
	for name, tt := range map[string]struct {
		who                *http.Client
		method, path, body string
		status             int
	}{
		"an admin looks":              {ada, "GET", one, "", 200},
		"an admin rotates":            {ada, "POST", one + "/rotate", "{}", 201},
		"too far ahead":               {ada, "PATCH", one, `{"expires_in_days":366}`, 403},
		"a scope that is not allowed": {ada, "POST", settings + "/api/keys", `{"name":"n","scopes":["posts:delete"]}`, 403},
		"a member looks":              {bob, "GET", one, "", 200},
		"a member sees use":           {bob, "GET", one + "/usage", "", 200},
		"a member makes":              {bob, "POST", settings + "/api/keys", `{"name":"n","scopes":["posts:read"]}`, 403},
		"a member revokes":            {bob, "POST", one + "/revoke", "", 403},
		"a member sees history":       {bob, "GET", settings + "/api/audit", "", 403},
		"another workspace":           {grace, "GET", one, "", 404},
		"its use":                     {grace, "GET", one + "/usage", "", 404},
		"its end":                     {grace, "DELETE", one, "", 404},
	} {
		if resp := c.by(t, tt.who, tt.method, tt.path, tt.body); resp.Status != tt.status {
			t.Errorf("%s: %d %s, want %d", name, resp.Status, resp.Body, tt.status)
		}
	}
	if resp := c.by(t, grace, "GET", settings+"/api/keys", ""); resp.Status != 200 || strings.Contains(resp.Body, made.Key.ID) {
		t.Errorf("another workspace lists: %d %s", resp.Status, resp.Body)
	}
	send(t, ada, "POST", c.URL+"/sign-out", "", nil)
	if resp := c.by(t, ada, "GET", one, ""); resp.Status != http.StatusUnauthorized {
		t.Errorf("signed out: %d %s", resp.Status, resp.Body)
	}
}

func TestRecipeOperators(t *testing.T) {
	t.Parallel()
	c := startConsole(t, recipe(t, "For operators", 0), "", nil)
	const keys = "/api/keys"
	if resp := c.by(t, c.client, "GET", keys, ""); resp.Status != http.StatusUnauthorized {
		t.Errorf("nobody: %d %s", resp.Status, resp.Body)
	}
	auth := basicAuth("ada", password)
	for _, workspace := range []string{"acme", "globex"} {
		made := c.makes(t, c.client, "", fmt.Sprintf(`{"name":"n","scopes":["posts:read"],"workspace":%q}`, workspace), auth)
		if made.Key.Workspace != workspace || made.Key.CreatedBy != "ada" {
			t.Errorf("made is %+v", made)
		}
	}
	if resp := c.by(t, c.client, "GET", keys, "", auth); !strings.Contains(resp.Body, "acme") || !strings.Contains(resp.Body, "globex") {
		t.Errorf("an operator lists: %d %s", resp.Status, resp.Body)
	}
	if resp := c.by(t, c.client, "PATCH", "/api/workspaces/acme", `{"limits":{"per_minute":5}}`, auth); resp.Status != http.StatusOK {
		t.Errorf("limits of a workspace: %d %s", resp.Status, resp.Body)
	}
	if resp := c.by(t, c.client, "GET", keys, "", basicAuth("ada", "wrong")); resp.Status != http.StatusUnauthorized {
		t.Errorf("a wrong password: %d", resp.Status)
	}
}

func basicAuth(name, password string) string {
	r := httptest.NewRequest("GET", "/", nil)
	r.SetBasicAuth(name, password)
	return "Authorization: " + r.Header.Get("Authorization")
}

func TestRecipePlans(t *testing.T) {
	t.Parallel()
	plan := ""
	c := startConsole(t, recipe(t, "Limits by plan", 0), startSayer(t, func(w http.ResponseWriter) {
		w.Header().Set("X-Workspace", "acme")
		w.Header().Set("X-User", "ada")
		if plan != "" {
			w.Header().Set("X-Plan", plan)
		}
	}), nil)
	const body = `{"name":"n","scopes":["posts:read"],"limits":{"per_minute":%d}}`
	for name, tt := range map[string]struct {
		plan      string
		max, keys int // 0: everything is refused
	}{
		"none":         {"", 0, 0},
		"not mapped":   {"gold", 0, 0},
		"another case": {"Free", 0, 0},
		"two":          {"free,pro", 0, 0},
		"free":         {"free", 60, 2},
		"pro":          {"pro", 600, 25},
	} {
		t.Run(name, func(t *testing.T) {
			plan = tt.plan
			var policy adminapi.PolicyResponse
			resp := c.by(t, c.client, "GET", settings+"/api/policy", "")
			_ = json.Unmarshal([]byte(resp.Body), &policy) // what is refused has no policy
			if want := (resp.Status == http.StatusForbidden); want != (tt.max == 0) || int(policy.PerMinute.Max) != tt.max || tt.keys > 0 && *policy.Keys.Max != tt.keys {
				t.Errorf("the policy: %d %s", resp.Status, resp.Body)
			}
			for limit, status := range map[int]int{max(1, tt.max): http.StatusCreated, tt.max + 1: http.StatusForbidden} {
				if tt.max == 0 {
					status = http.StatusForbidden
				}
				if resp := c.by(t, c.client, "POST", settings+"/api/keys", fmt.Sprintf(body, limit)); resp.Status != status {
					t.Errorf("a key of %d: %d %s, want %d", limit, resp.Status, resp.Body, status)
				}
			}
		})
	}
	// Two keys are all that free may have, and they were made above.
	for name, status := range map[string]int{"free": http.StatusForbidden, "pro": http.StatusCreated} {
		plan = name
		if resp := c.by(t, c.client, "POST", settings+"/api/keys", fmt.Sprintf(body, 1)); resp.Status != status {
			t.Errorf("a third key of %s: %d %s, want %d", name, resp.Status, resp.Body, status)
		}
	}
}

// Every recipe is driven by a test of its own, or one that has its name in it.
func TestRecipesAreDriven(t *testing.T) {
	t.Parallel()
	tests, err := filepath.Glob("selfservice*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	var code strings.Builder
	for _, file := range tests {
		code.WriteString(readFile(t, "plugin_test/"+file))
	}
	_, text, _ := strings.Cut(readFile(t, "docs/self-service.md"), "\n## Recipes\n")
	headings := regexp.MustCompile(`(?m)^### (.*)$`).FindAllStringSubmatch(text, -1)
	if len(headings) < 5 {
		t.Fatalf("the recipes are %q", headings)
	}
	for _, m := range headings {
		if !strings.Contains(code.String(), fmt.Sprintf("recipe(t, %q, ", m[1])) {
			t.Errorf("no test drives the recipe %q", m[1])
		}
	}
	if n := len(recipes(t)); n != len(slices.Compact(recipes(t))) {
		t.Errorf("a recipe is there twice")
	}
}

// servePage puts the page of the recipe where its Caddyfile has it.
func (c *console) servePage(t testing.TB) {
	t.Helper()
	if err := os.CopyFS(filepath.Join(c.Dir, "page"), os.DirFS("../docs/self-service/page")); err != nil {
		t.Fatal(err)
	}
}
