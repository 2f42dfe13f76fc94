package plugin_test

import (
	"context"
	"encoding/json"
	"errors"
	"os/exec"
	"strings"
	"testing"
)

// canaryRequests makes requests of every outcome with the token in them, which
// must allow posts:read and 6 requests a day. No denial repeats it, and the
// backend does not see it.
func canaryRequests(t testing.TB, g *gateway, b *backend, token string) {
	t.Helper()
	sameDay()
	b.take()
	for _, request := range []struct {
		method, path, body string
		headers            []string
		status             int
	}{
		{"GET", "/v1/status", "", []string{bearer(token)}, 200},
		{"GET", "/v1/posts", "", []string{bearer(token)}, 200},
		{"GET", "/v1/posts", "", []string{"X-API-Key: " + token}, 200},
		{"GET", "/v1/posts", "", []string{"X_API_Key: " + token}, 401},
		{"GET", "/v1/posts", "", []string{bearer(token), "X-API-Key: " + token}, 400},
		{"GET", "/v1/posts", "", []string{"Authorization: Basic " + token}, 401},
		{"GET", "/v1//posts", "", []string{bearer(token)}, 400},
		{"GET", "/v1/posts", "", []string{bearer(token + "x")}, 401},
		{"POST", "/v1/posts", token, []string{bearer(token)}, 403},
		{"GET", "/elsewhere", "", []string{bearer(token)}, 403},
		{"TRACE", "/v1/posts", "", []string{bearer(token)}, 405},
		{"GET", "/status/500", "", []string{bearer(token)}, 500},
		{"GET", "/fails", "", []string{"X-API-Key: " + token}, 500},
		{"GET", "/closed", "", []string{bearer(token)}, 502},
		{"GET", "/v1/posts", "", []string{bearer(token)}, 200},
		{"GET", "/v1/posts", "", []string{bearer(token)}, 429},
	} {
		resp := g.do(t, request.method, request.path, request.body, request.headers...)
		if resp.Status != request.status {
			t.Errorf("%s %s %.12s: %d, want %d", request.method, request.path, request.headers, resp.Status, request.status)
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
}

// pasteToken puts a token where IDs and names belong, as people do.
func pasteToken(t testing.TB, g *gateway, token string) {
	t.Helper()
	for _, request := range []struct{ method, path, body string }{
		{"POST", "/keygate/keys", `{"workspace":"acme","name":"` + token + `","scopes":["posts:read"]}`},
		{"POST", "/keygate/keys", `{"workspace":"` + token + `","name":"n","scopes":["posts:read"]}`},
		{"POST", "/keygate/keys", `{"workspace":"acme","name":"n","scopes":["` + token + `"]}`},
		{"POST", "/keygate/keys", `{"` + token + `":1}`},
		{"POST", "/keygate/keys", `{"workspace":"acme","name":"n","scopes":["posts:read"],"allowed_ips":["` + token + `"]}`},
		{"PATCH", "/keygate/keys/" + keyOf(token), `{"description":"` + token + `"}`},
		{"PATCH", "/keygate/workspaces/acme", `{"limits":{"` + token + `":1}}`},
		{"POST", "/keygate/explain", `{"token":"` + token + `","method":"GET","path":"/","` + token + `":1}`},
		{"POST", "/keygate/import", `{"workspace":"` + token + `","name":"n","scopes":["posts:read"],"hash":"` + token + `"}`},
		{"POST", "/keygate/import", `{"hash":"` + token + `"}`},
	} {
		resp := g.adminDo(t, request.method, request.path, request.body)
		if resp.Status != 400 || strings.Contains(resp.Body, secretOf(token)) {
			t.Errorf("%s %s with a pasted token: %d %s", request.method, request.path, resp.Status, resp.Body)
		}
	}
	for _, args := range [][]string{
		{"show", token},
		{"update", token, "--name", "n"},
		{"rotate", token},
		{"disable", token},
		{"revoke", token},
		{"delete", token, "--yes"},
		{"usage", token},
		{"audit", "--key", token},
		{"explain", token, "--method", "GET", "--path", "/v1/posts"},
		{"workspace", token},
		{"list", "--workspace", token},
		{"create", "--workspace", "acme", "--name", token, "--scope", "posts:read"},
	} {
		r := g.cli(t, append([]string{"keygate"}, args...)...)
		if r.Code != 1 || strings.Contains(r.Stdout+r.Stderr, secretOf(token)) {
			t.Errorf("%s with a pasted token: %d %s%s", args[0], r.Code, r.Stdout, r.Stderr)
		}
	}
}

// readEverything looks at all that the gateway tells of the key.
func readEverything(t testing.TB, g *gateway, token string) {
	t.Helper()
	var page struct{ Keys []key }
	if err := json.Unmarshal([]byte(g.adminDo(t, "GET", "/keygate/keys", "").Body), &page); err != nil || len(page.Keys) != 1 {
		t.Fatalf("%v, %d keys", err, len(page.Keys))
	}
	id := page.Keys[0].ID
	question := `"method":"GET","path":"/v1/posts"}`
	for _, request := range []struct{ method, path, body string }{
		{"GET", "/keygate/keys", ""},
		{"GET", "/keygate/keys/" + id, ""},
		{"GET", "/keygate/keys/" + id + "/usage", ""},
		{"PATCH", "/keygate/keys/" + id, `{"description":"a canary"}`},
		{"PATCH", "/keygate/workspaces/acme", `{"limits":{"per_minute":600}}`},
		{"GET", "/keygate/workspaces", ""},
		{"GET", "/keygate/workspaces/acme", ""},
		{"GET", "/keygate/health", ""},
		{"GET", "/keygate/scopes", ""},
		{"GET", "/keygate/check", ""},
		{"GET", "/keygate/audit", ""},
		{"POST", "/keygate/explain", `{"key":"` + id + `",` + question},
		{"POST", "/keygate/explain", `{"token":"` + token + `",` + question},
		{"GET", "/metrics", ""},
		{"GET", "/config/", ""},
	} {
		resp := g.adminDo(t, request.method, request.path, request.body)
		if resp.Status != 200 || strings.Contains(resp.Body, secretOf(token)) || strings.Contains(resp.Body, `"hash`) {
			t.Errorf("%s %s: %d, or the token or its hash is in %s", request.method, request.path, resp.Status, resp.Body)
		}
	}
	if resp := g.adminDo(t, "GET", "/keygate/export", ""); resp.Status != 200 || strings.Contains(resp.Body, secretOf(token)) {
		t.Errorf("the export: %d %s", resp.Status, resp.Body)
	}
	g.mustCLI(t, "backup", "backup.db")
	for _, args := range [][]string{{"explain", "-"}, {"explain", "-", "--json"}} {
		out, code := g.cliWithInput(t, token+"\n", append(args, "--method", "GET", "--path", "/v1/posts")...)
		if code > 1 || !strings.Contains(out, id) || strings.Contains(out, secretOf(token)) {
			t.Errorf("explain with the token on stdin: %d %s", code, out)
		}
	}
}

// cliWithInput runs a command of keygate, and returns all that it printed.
func (g *gateway) cliWithInput(t testing.TB, stdin string, args ...string) (out string, code int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := g.command(t, ctx, append([]string{"keygate"}, args...)...)
	cmd.Stdin = strings.NewReader(stdin)
	text, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || ctx.Err() != nil) {
		t.Fatalf("caddy keygate %s: %v", args[0], err)
	}
	return string(text), cmd.ProcessState.ExitCode()
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
