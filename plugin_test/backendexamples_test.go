//go:build backends

package plugin_test

import (
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

const exampleBackendSite = `
{
	keygate {
		store bbolt ./data/keygate.db
	}
}
:{$PORT} {
	keygate {
		authenticated GET /v1/me
		scope posts:read GET /v1/posts/{id}
		public GET /v1/status
	}
	reverse_proxy {$BACKEND}
}
`

// exampleBackends are those that docs/backends.md shows, by the command that
// runs them.
func exampleBackends(t *testing.T) map[string][]string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "server")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "../docs/backends/server")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return map[string][]string{
		"Go":     {binary},
		"Node":   {"node", "../docs/backends/server.mjs"},
		"Python": {"python3", "../docs/backends/server.py"},
	}
}

// startExampleBackend returns the address, and the file that the backend logs
// to.
func startExampleBackend(t *testing.T, command []string) (addr, log string) {
	t.Helper()
	log = filepath.Join(t.TempDir(), "backend.log")
	t.Setenv("PORT", "0")
	t.Setenv("LOG", log)
	line := runBackendWithPort(t, "", "sh", append([]string{"-c", `exec "$@" 2>"$LOG"`, "sh"}, command...)...)
	addr, ok := strings.CutPrefix(line, "listening on ")
	if !ok {
		t.Fatalf("the backend says %q", line)
	}
	return addr, log
}

func TestBackendExamples(t *testing.T) {
	for name, command := range exampleBackends(t) {
		t.Run(name, func(t *testing.T) {
			addr, logFile := startExampleBackend(t, command)
			g := startCaddy(t, exampleBackendSite, "BACKEND="+addr)
			k, token := g.createKey(t, "--scope", "posts:read,posts:write")
			forged := []string{
				bearer(token), "SocialPatra-Workspace: evil", "socialpatra-workspace: evil", "SOCIALPATRA-KEY-ID: evil",
				"SocialPatra_Scopes: evil", "SocialPatra-Scopes: posts:delete", "Connection: SocialPatra-Workspace",
			}
			want := map[string]any{"workspace": "acme", "key_id": k.ID, "scopes": []any{"posts:read", "posts:write"}}
			for title, headers := range map[string][]string{"honest": {bearer(token)}, "forged": forged} {
				resp := g.do(t, "GET", "/v1/me?x=1", "", headers...)
				var got map[string]any
				if err := json.Unmarshal([]byte(resp.Body), &got); resp.Status != 200 || err != nil || !reflect.DeepEqual(got, want) {
					t.Errorf("%s: answered %d %s, want %v", title, resp.Status, resp.Body, want)
				}
			}
			for _, test := range []struct {
				method, path string
				status       int
			}{
				{"HEAD", "/v1/me", 200},
				{"GET", "/v1/posts/1", 200},
				{"GET", "/v1/posts/2", 404}, // another workspace's
				{"GET", "/v1/posts/3", 404},
			} {
				resp := g.do(t, test.method, test.path, "", forged...)
				if resp.Status != test.status || test.method == "HEAD" && resp.Body != "" {
					t.Errorf("%s %s: %d %q, want %d", test.method, test.path, resp.Status, resp.Body, test.status)
				}
			}

			// Past the gateway, with no identity, in part, or with two.
			identity := []string{"SocialPatra-Workspace: acme", "SocialPatra-Key-Id: " + k.ID, "SocialPatra-Scopes: posts:read"}
			for i, headers := range [][]string{nil, identity[:2], append(identity, "SocialPatra-Workspace: globex")} {
				if resp := send(t, g.client, "GET", "http://"+addr+"/v1/me", "", headers); resp.Status != http.StatusForbidden {
					t.Errorf("past the gateway, %d: answered %d %s, want 403", i, resp.Status, resp.Body)
				}
			}
			if resp := send(t, g.client, "GET", "http://"+addr+"/v1/me", "", identity); resp.Status != 200 {
				t.Errorf("as without the gateway: answered %d %s", resp.Status, resp.Body)
			}

			log, err := os.ReadFile(logFile)
			if err != nil {
				t.Fatal(err)
			}
			if n := strings.Count(string(log), k.ID); n != 7 || strings.Contains(string(log), token) || strings.Contains(string(log), "evil") {
				t.Errorf("the log names the key %d times, want 7: %s", n, log)
			}
		})
	}
}
