package plugin_test

import (
	"strings"
	"testing"
)

// The token is printed once. After that no file, log line, error, metric,
// config dump or command line has it, whatever was done with the key. The
// header X-API-Key is the exception that Caddy makes: its access log would
// show it, so the log filter of Caddyfile.example is on here.
func TestTokenIsNowhere(t *testing.T) {
	b := startBackend(t)
	config := strings.Replace(siteWith(), "level DEBUG", `level DEBUG
		format filter {
			request>headers>X-Api-Key replace REDACTED
		}`, 1)
	config = strings.Replace(config, "keygate {", "metrics\n\tkeygate {", 1)
	g := startCaddy(t, config, "BACKEND="+b.Addr)

	r := g.cli(t, "keygate", "create", "--workspace", "acme", "--name", "canary", "--scope", "posts:read", "--per-minute", "4")
	token := tokenIn(t, r.Stdout)
	if strings.Count(r.Stdout, token) != 1 || strings.Contains(r.Stderr, token) {
		t.Errorf("the token is not printed exactly once:\n%s%s", r.Stdout, r.Stderr)
	}
	id := strings.Split(token, "_")[1]

	for _, request := range []struct {
		method, path, body string
		headers            []string
		status             int
	}{
		{"GET", "/v1/posts", "", []string{bearer(token)}, 200},
		{"GET", "/v1/posts", "", []string{"X-API-Key: " + token}, 200},
		{"GET", "/v1/posts", "", []string{bearer(token), "X-API-Key: " + token}, 400},
		{"GET", "/v1//posts", "", []string{bearer(token)}, 400},
		{"GET", "/v1/posts", "", []string{bearer(token + "x")}, 401},
		{"POST", "/v1/posts", token, []string{bearer(token)}, 403},
		{"GET", "/v1/posts", "", []string{bearer(token)}, 200},
		{"GET", "/v1/posts", "", []string{bearer(token)}, 200},
		{"GET", "/v1/posts", "", []string{bearer(token)}, 429},
	} {
		resp := g.do(t, request.method, request.path, request.body, request.headers...)
		if resp.Status != request.status {
			t.Errorf("%s %s: %d, want %d", request.method, request.path, resp.Status, request.status)
		}
		if request.status != 200 && strings.Contains(resp.Body, secretOf(token)) {
			t.Errorf("%s %s: the answer repeats the token", request.method, request.path)
		}
	}
	for _, seen := range b.take() {
		for name, values := range seen.Header {
			if strings.Contains(strings.Join(values, " "), secretOf(token)) {
				t.Errorf("the backend saw the token in %s", name)
			}
		}
	}

	// People paste tokens where IDs and names belong.
	for _, body := range []string{
		`{"workspace":"acme","name":"` + token + `","scopes":["posts:read"]}`,
		`{"workspace":"` + token + `","name":"n","scopes":["posts:read"]}`,
		`{"workspace":"acme","name":"n","scopes":["` + token + `"]}`,
		`{"` + token + `":1}`,
		`{"workspace":"acme","name":"n","scopes":["posts:read"],"allowed_ips":["` + token + `"]}`,
	} {
		resp := g.adminDo(t, "POST", "/keygate/keys", body)
		if resp.Status != 400 || strings.Contains(resp.Body, secretOf(token)) {
			t.Errorf("a pasted token: %d %s", resp.Status, resp.Body)
		}
	}
	for _, resp := range []response{
		g.adminDo(t, "GET", "/keygate/keys", ""),
		g.adminDo(t, "GET", "/keygate/keys/"+id, ""),
		g.adminDo(t, "GET", "/metrics", ""),
		g.adminDo(t, "GET", "/config/", ""),
		g.adminDo(t, "POST", "/keygate/keys/"+id+"/revoke", ""),
		g.do(t, "GET", "/v1/posts", "", bearer(token)),
	} {
		if strings.Contains(resp.Body, secretOf(token)) || strings.Contains(resp.Body, "\"hash") {
			t.Errorf("the token or its hash is in an answer: %s", resp.Body)
		}
	}
	scanForSecret(t, token, g.Dir)
	g.stop(t)
	scanForSecret(t, token, g.Dir)
}

func secretOf(token string) string { return token[strings.LastIndexByte(token, '_')+1:] }

// tokenIn finds the line that is a token alone.
func tokenIn(t testing.TB, out string) string {
	t.Helper()
	for line := range strings.Lines(out) {
		if line = strings.TrimSuffix(line, "\n"); strings.HasPrefix(line, "patra_") && len(line) == 57 {
			return line
		}
	}
	t.Fatalf("no token alone on a line in:\n%s", out)
	return ""
}
