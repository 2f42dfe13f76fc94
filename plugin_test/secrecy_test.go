package plugin_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// canarySite writes down all that Caddy can be told to: the access log, errors,
// denials, events and the admin API's requests, the handlers that requests
// come by, spans and metrics. The header X-API-Key is the exception that Caddy
// makes: its logs would show it, so the filter of Caddyfile.example is on.
func canarySite(t testing.TB) string {
	t.Helper()
	_, filter, ok := strings.Cut(readFile(t, "Caddyfile.example"), "format filter {")
	filter, _, closed := strings.Cut(filter, "}\n\t}")
	if !ok || !closed {
		t.Fatal("Caddyfile.example has no log filter any more")
	}
	return substitute(t, siteWith("scope posts:read GET /status/500 /closed /fails"),
		"level DEBUG\n", "level DEBUG\n\t\tformat filter {"+filter+"}\n",
		"\n\tkeygate {\n\t\tstore", "\n\tmetrics\n\tservers {\n\t\ttrace\n\t}\n\tkeygate {\n\t\tstore",
		"\tlog\n\tkeygate {", "\tlog\n\ttracing {\n\t\tspan gateway\n\t}\n\tkeygate {",
		"scope posts:read GET /status/500 /closed /fails", "scope posts:read {\n\t\t\tGET /status/500\n\t\t\tGET /closed\n\t\t\tGET /fails\n\t\t}",
		"\treverse_proxy {$BACKEND}", "\terror /fails 500\n\treverse_proxy /closed {$CLOSING}\n\treverse_proxy {$BACKEND}",
	)
}

// startCanarySite also has a backend that ends the connection in place of an
// answer.
func startCanarySite(t testing.TB) (*gateway, *backend) {
	t.Helper()
	closing := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	t.Cleanup(closing.Close)
	b := startBackend(t)
	return startCaddy(t, canarySite(t), "BACKEND="+b.Addr, "CLOSING="+closing.Listener.Addr().String(), "OTEL_TRACES_EXPORTER=console"), b
}

// The token is printed once. After that no file, log line, error, metric,
// span, event, config dump or command line has it, whatever was done with the
// key.
func TestTokenIsNowhere(t *testing.T) {
	t.Parallel()
	g, b := startCanarySite(t)
	r := g.cli(t, "keygate", "create", "--workspace", "acme", "--name", "canary", "--scope", "posts:read", "--per-day", "6")
	token := tokenIn(t, r.Stdout)
	if strings.Count(r.Stdout, token) != 1 || strings.Contains(r.Stderr, token) {
		t.Errorf("the token is not printed exactly once:\n%s%s", r.Stdout, r.Stderr)
	}
	canaryRequests(t, g, b, token)
	pasteToken(t, g, token)
	readEverything(t, g, token)
	if resp := g.adminDo(t, "POST", "/keygate/keys/"+keyOf(token)+"/revoke", ""); resp.Status != 200 {
		t.Errorf("revoke: %d %s", resp.Status, resp.Body)
	}
	denied(t, g.do(t, "GET", "/v1/posts", "", bearer(token)), 401, "key_revoked")

	// A config without keygate, whose admin API is asked all the same.
	if r := g.reload(t, ":{$PORT} {\n\trespond none\n}\n"); r.Code != 0 {
		t.Fatal(r.Stderr)
	}
	body := `{"token":"` + token + `","method":"GET","path":"/v1/posts"}`
	if resp := g.adminDo(t, "POST", "/keygate/explain", body); resp.Status != 503 || strings.Contains(resp.Body, secretOf(token)) {
		t.Errorf("without keygate: %d %s", resp.Status, resp.Body)
	}
	scanForSecret(t, token, g.Dir)
	g.stop(t) // spans are written in batches, and at the end
	scanForSecret(t, token, g.Dir)
	wantAllLogged(t, g)
}

// A token of another system is looked for whole, and as the hash that its
// import says: of that only the store and the export may know.
func TestForeignTokenIsNowhere(t *testing.T) {
	t.Parallel()
	const token = "sk-live-4fJq8Lw2Zr6Xt0Vb9Nc5Md1Hs7Gk3Py"
	g, b := startCanarySite(t)
	sum := sha256.Sum256([]byte(token))
	hash := hex.EncodeToString(sum[:])
	line, err := json.Marshal(map[string]any{
		"workspace": "acme", "name": "canary", "scopes": []string{"posts:read"}, "limits": map[string]int{"per_day": 6},
		"hash": "sha256:" + hash, "token_format": "opaque",
	})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "keys.jsonl")
	if err := os.WriteFile(file, line, 0o600); err != nil {
		t.Fatal(err)
	}
	g.mustCLI(t, "import", file)
	if r := g.cli(t, "keygate", "import", file); r.Code != 1 || strings.Contains(r.Stdout+r.Stderr, hash) {
		t.Errorf("imported twice: %d %s%s", r.Code, r.Stdout, r.Stderr)
	}
	canaryRequests(t, g, b, token)
	readEverything(t, g, token)
	g.stop(t)
	scanForSecret(t, token, g.Dir)
	if len(g.logged(t, func(entry map[string]any) bool { return strings.Contains(fmt.Sprint(entry), hash) })) > 0 {
		t.Error("the hash is in the log")
	}
	wantAllLogged(t, g)
}

// wantAllLogged checks that what was searched is there at all.
func wantAllLogged(t testing.TB, g *gateway) {
	t.Helper()
	status := func(want ...float64) func(map[string]any) bool {
		return func(entry map[string]any) bool {
			logger, _ := entry["logger"].(string)
			for _, s := range want {
				if strings.HasPrefix(logger, "http.log.access") && entry["status"] == s {
					return true
				}
			}
			return false
		}
	}
	logger := func(name string) func(map[string]any) bool {
		return func(entry map[string]any) bool { return entry["logger"] == name }
	}
	for what, match := range map[string]func(map[string]any) bool{
		"access with 200":     status(200),
		"access with 400":     status(400),
		"access with 401":     status(401),
		"access with 403":     status(403),
		"access with 429":     status(429),
		"access with 500":     status(500),
		"access with 502":     status(502),
		"errors":              func(entry map[string]any) bool { return entry["level"] == "error" && logger("http.log.error")(entry) },
		"denials":             withMessage("request denied"),
		"changes":             withMessage("key changed"),
		"requests of admins":  logger("admin.api"),
		"handlers, as traced": logger("http.log.trace"),
		"events":              logger("events"),
		"spans":               func(entry map[string]any) bool { return entry["Name"] == "gateway" },
	} {
		if len(g.logged(t, match)) == 0 {
			t.Errorf("the log has no %s", what)
		}
	}
	saved, err := filepath.Glob(filepath.Join(g.Dir, "home", "config", "caddy", "autosave.json"))
	if err != nil || len(saved) != 1 {
		t.Errorf("there is no autosave.json: %v", err)
	}
}
