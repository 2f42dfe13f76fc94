//go:build browser

package plugin_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// consoleConfig has the page in every form that these tests look at. Who is
// signed in is said by a cookie, as a product's own session would.
const consoleConfig = `
{
	keygate {
		store bbolt ./data/keygate.db
	}
	log {
		level DEBUG
	}
}
(console) {
	keygate_console {
		base /{args[0]}
		actor {user}
		{block}
	}
}
:{$PORT} {
	log
	map {http.request.cookie.session} {user} {
		ada ada@acme.example
		bob bob@acme.example
		default ""
	}
	route {
		# The product's own sign-in.
		handle /signin {
			@as query as=*
			header @as Set-Cookie "session={query.as}; Path=/; HttpOnly; SameSite=Lax"
			header Content-Type text/html
			header Cache-Control no-store
			respond "<!doctype html><html lang=en><title>Sign in</title><h1>Sign in</h1><a href='/signin?as=ada'>As ada</a></html>"
		}
		# This one sends whoever is not signed in to the sign-in page, as many do.
		@away {
			path /redirected /redirected/*
			not header Cookie *session=ada*
		}
		redir @away /signin 302
		import console settings/api-keys {
			workspace acme
			expiry default=90d max=365d
			per_minute max=600
		}
		import console redirected {
			workspace acme
		}
		import console fresh {
			workspace fresh
			keys max=3
		}
		import console strict {
			workspace strict
			scopes posts:read posts:write
			expiry max=120d required
			ips required
			origins forbidden
		}
		import console look {
			workspace acme
			may list
		}
		import console nothing {
			workspace acme
			may explain
		}
		import console all {
			workspace *
		}
		respond "no such place" 404
	}
}
:{$API_PORT} {
	log
	keygate {
		scope posts:read {
			GET /v1/posts
			GET /v1/posts/{id}
		}
		scope posts:write {
			POST /v1/posts
			PUT,PATCH /v1/posts/{id}
		}
		scope posts:write media:upload POST /v1/posts/with-media
		scope analytics:read GET /v1/analytics/*
		scope ai:generate POST /v1/ai/* cost=5
		authenticated GET /v1/me
		public GET /v1/status
	}
	reverse_proxy {$BACKEND}
}
`

// consoleSite is a Caddy with the page, and a gateway whose keys it manages.
type consoleSite struct {
	*gateway
	API string // the gateway, "http://127.0.0.1:34569"
}

func startPage(t testing.TB) *consoleSite {
	t.Helper()
	port := freePort(t)
	g := startCaddy(t, consoleConfig, "BACKEND="+startBackend(t).Addr, "API_PORT="+port)
	return &consoleSite{g, "http://127.0.0.1:" + port}
}

// browserScripts installs the scripts, with the packages that they need, on first
// use.
var browserScripts = sync.OnceValues(func() (string, error) {
	dir := filepath.Join(binDir, "console")
	if err := os.CopyFS(dir, os.DirFS("testdata/console")); err != nil {
		return "", err
	}
	install := exec.Command("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	install.Dir = dir
	if out, err := install.CombinedOutput(); err != nil {
		return "", errors.Join(err, errors.New(string(out)))
	}
	return dir, nil
})

// visits runs a script in a browser. The script prints a line that begins with
// FAIL for each thing that does not hold, and at its end how much it has looked
// at. What it prints as JSON after RESULT is returned.
func (s *consoleSite) visits(t *testing.T, script string, more map[string]any) (result map[string]any) {
	t.Helper()
	dir, err := browserScripts()
	if err != nil {
		t.Fatal(err)
	}
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatal(err)
	}
	input := map[string]any{"chromium": chromium, "site": s.URL, "api": s.API, "admin": "http://" + s.Admin, "profile": t.TempDir(), "shots": os.Getenv("KEYGATE_SHOTS")}
	maps.Copy(input, more)
	text, err := json.Marshal(input)
	if err != nil {
		t.Fatal(err)
	}
	limit := 5 * time.Minute
	if os.Getenv("KEYGATE_SHOTS") != "" {
		limit = time.Hour // pictures take long
	}
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", filepath.Join(dir, script))
	cmd.Stdin = bytes.NewReader(text)
	out, err := cmd.CombinedOutput()
	looked := false
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		switch kind, rest, _ := strings.Cut(lines.Text(), " "); kind {
		case "FAIL":
			t.Errorf("%s: %s", script, rest)
		case "RESULT":
			if err := json.Unmarshal([]byte(rest), &result); err != nil {
				t.Fatalf("%s: %v in %s", script, err, rest)
			}
		case "LOOKED":
			t.Logf("%s: %s", script, rest)
			looked = !strings.HasPrefix(rest, "0 ")
		}
	}
	if err != nil || !looked {
		t.Fatalf("%s did not come to its end: %v\n%s", script, err, out)
	}
	return result
}

// Every flow works with a mouse and with a keyboard alone, with and without the
// script, and no page breaks its own policy on the way.
func TestConsoleFlows(t *testing.T) {
	s := startPage(t)
	for name, hand := range map[string]map[string]any{
		"mouse":                    {"keyboard": false, "script": true},
		"mouse, without script":    {"keyboard": false, "script": false},
		"keyboard":                 {"keyboard": true, "script": true},
		"keyboard, without script": {"keyboard": true, "script": false},
	} {
		t.Run(name, func(t *testing.T) { s.visits(t, "flows.mjs", hand) })
	}
}

// A token is in the answer that made it, and nowhere else: not in the browser, on
// the wire, in Caddy's log or in the store.
func TestConsoleTokenIsShownOnce(t *testing.T) {
	for name, script := range map[string]bool{"with script": true, "without script": false} {
		t.Run(name, func(t *testing.T) {
			s := startPage(t)
			result := s.visits(t, "secrecy.mjs", map[string]any{"script": script})
			tokens, _ := result["tokens"].([]any)
			if len(tokens) == 0 {
				t.Fatal("no token was shown")
			}
			for _, token := range tokens {
				s.hides(t, token.(string)[len("patra_000000000000_"):])
			}
		})
	}
}

// hides checks that no file of the gateway has a secret.
func (s *consoleSite) hides(t *testing.T, secret string) {
	t.Helper()
	logged := false
	err := filepath.WalkDir(s.Dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		if bytes.Contains(text, []byte(secret)) {
			t.Errorf("%s has a token", path)
		}
		logged = logged || path == s.Log && bytes.Contains(text, []byte("/settings/api-keys/new"))
		return err
	})
	if err != nil || !logged {
		t.Errorf("the files of the gateway: %v; the access log has the visits: %t", err, logged)
	}
}

// Who is second to save is told, with both versions. A session that ends, and a
// browser that refuses, lose nothing.
func TestConsoleLosesNothing(t *testing.T) {
	startPage(t).visits(t, "people.mjs", nil)
}

// Operators have all workspaces and their limits.
func TestConsoleOperators(t *testing.T) {
	startPage(t).visits(t, "operators.mjs", nil)
}

// Pages of other origins change nothing.
func TestConsoleOtherOrigins(t *testing.T) {
	startPage(t).visits(t, "origins.mjs", nil)
}

// The tasks of docs/console.md take as many clicks as it says.
func TestConsoleTasks(t *testing.T) {
	result := startPage(t).visits(t, "tasks.mjs", nil)
	documented := make(map[string]any)
	for _, row := range regexp.MustCompile(`(?m)^\| (.+?) \| .+ \| (\d+) \|$`).FindAllStringSubmatch(readFile(t, "docs/console.md"), -1) {
		clicks, err := strconv.ParseFloat(row[2], 64)
		if err != nil {
			t.Fatal(err)
		}
		documented[row[1]] = clicks
	}
	if len(documented) < 10 {
		t.Errorf("docs/console.md has %d tasks", len(documented))
	}
	clicks, _ := result["clicks"].(map[string]any)
	for task := range maps.Keys(documented) {
		if clicks[task] != documented[task] {
			t.Errorf("%s: %v clicks, docs/console.md says %v", task, clicks[task], documented[task])
		}
	}
	if len(clicks) != len(documented) {
		t.Errorf("%d tasks were done, docs/console.md has %d", len(clicks), len(documented))
	}
}
