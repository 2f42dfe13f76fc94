//go:build backends

package plugin_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// exampleClient is a command that calls the URL it is given, with the key from
// the environment.
type exampleClient struct {
	name    string
	command []string
}

var exampleClients = []exampleClient{
	{"curl", []string{"bash", "../docs/clients/client.sh"}},
	{"Python", []string{"python3", "../docs/clients/client.py"}},
	{"Node", []string{"node", "../docs/clients/client.mjs"}},
}

// run returns what the client did. Its curl, where it has one, notes its
// arguments in the file.
func (c *exampleClient) run(t *testing.T, url, token, arguments string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.command[0], append(c.command[1:], url)...)
	cmd.Env = append(os.Environ(), "SOCIALPATRA_API_KEY="+token,
		"PATH="+filepath.Dir(arguments)+string(os.PathListSeparator)+os.Getenv("PATH"), "ARGUMENTS="+arguments)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || ctx.Err() != nil) {
		t.Fatalf("%s: %v: %s", c.name, errors.Join(err, ctx.Err()), stderr.String())
	}
	if token != "" && strings.Contains(stdout.String()+stderr.String(), token) {
		t.Errorf("%s prints the token", c.name)
	}
	return result{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// noteArguments puts a curl into a folder of its own that notes its arguments
// in the file returned before it runs the real one.
func noteArguments(t *testing.T) (file string) {
	t.Helper()
	curl, err := exec.LookPath("curl")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	script := "#!/bin/sh\nprintf '%s\\n' \"$@\" >>\"$ARGUMENTS\"\nexec " + curl + " \"$@\"\n"
	if err := os.WriteFile(filepath.Join(dir, "curl"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "arguments")
}

// statusTap passes requests on to the gateway and notes how it answers.
type statusTap struct {
	URL string

	mu       sync.Mutex
	statuses []int
	before   func() // what happens before the next request passes; or nil
	outage   bool   // the next answer is that the store is unavailable
}

func startTap(t *testing.T, g *gateway) *statusTap {
	t.Helper()
	target, err := url.Parse(g.URL)
	if err != nil {
		t.Fatal(err)
	}
	tap := new(statusTap)
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			tap.mu.Lock()
			defer tap.mu.Unlock()
			if tap.before != nil {
				tap.before()
				tap.before = nil
			}
			r.SetURL(target)
		},
		ModifyResponse: tap.note,
	}
	server := httptest.NewServer(proxy)
	t.Cleanup(server.Close)
	tap.URL = server.URL
	return tap
}

func (tap *statusTap) note(resp *http.Response) error {
	tap.mu.Lock()
	defer tap.mu.Unlock()
	if tap.outage {
		const body = `{"title":"Service Unavailable","status":503,"code":"store_unavailable","detail":"…"}`
		resp.StatusCode, resp.Body, resp.ContentLength = 503, io.NopCloser(strings.NewReader(body)), -1
		resp.Header.Del("Content-Length")
		tap.outage = false
	}
	tap.statuses = append(tap.statuses, resp.StatusCode)
	return nil
}

// take returns the statuses since the last call.
func (tap *statusTap) take() []int {
	tap.mu.Lock()
	defer tap.mu.Unlock()
	statuses := tap.statuses
	tap.statuses = nil
	return statuses
}

func (tap *statusTap) want(t *testing.T, want ...int) {
	t.Helper()
	if got := tap.take(); !slices.Equal(got, want) {
		t.Errorf("the client was answered %v, want %v", got, want)
	}
}

// The clients that docs/key-holders.md shows wait exactly when waiting helps,
// and exactly as long as they are told.
func TestClientExamples(t *testing.T) {
	for _, client := range exampleClients {
		t.Run(client.name, func(t *testing.T) {
			g, _ := startSite(t, "auth_failures 1", "scope ai:generate GET /v1/ai/captions cost=5")
			tap := startTap(t, g)
			arguments := noteArguments(t)
			token := g.token(t, "--scope", "posts:read", "--per-minute", "60", "--burst", "1")
			call := func(path, token string) result {
				t.Helper()
				return client.run(t, tap.URL+path, token, arguments)
			}
			client.waits(t, g, tap, func() result { return call("/v1/posts", token) }, token)

			tap.mu.Lock()
			tap.outage = true
			tap.mu.Unlock()
			spare := g.token(t, "--scope", "posts:read")
			if r := call("/v1/posts", spare); r.Code != 0 || strings.Count(r.Stderr, "waiting") != 1 {
				t.Errorf("after an outage: status %d: %s", r.Code, r.Stderr)
			}
			tap.want(t, 503, 200)

			gone, goneToken := g.createKey(t, "--scope", "posts:read")
			g.mustCLI(t, "revoke", gone.ID)
			wantRefusal(t, call("/v1/posts", goneToken), "key_revoked", "Ask the workspace's admin for a new one.")
			tap.want(t, 401)
			wantRefusal(t, call("/v1/posts", goneToken), "too_many_failures", "Check the key")
			tap.want(t, 429)
			wantRefusal(t, call("/v1/me/nothing", spare), "route_not_mapped", "Check both")
			tap.want(t, 403)

			awaitLongDay()
			small := g.token(t, "--scope", "posts:read", "--per-day", "1")
			g.do(t, "GET", "/v1/posts", "", bearer(small))
			wantRefusal(t, call("/v1/posts", small), "quota_exceeded", "at 00:00 UTC")
			tap.want(t, 429)

			costly := g.token(t, "--scope", "ai:generate", "--burst", "4")
			wantRefusal(t, call("/v1/ai/captions", costly), "cost_too_high", "larger burst or quota")
			tap.want(t, 429)

			if r := call("/v1/posts", ""); r.Code == 0 {
				t.Errorf("without a key: %s", r.Stdout)
			}
			seen, err := os.ReadFile(arguments)
			if client.name == "curl" && (err != nil || !strings.Contains(string(seen), tap.URL)) {
				t.Errorf("the arguments of curl are not seen: %v", err)
			}
			if strings.Contains(string(seen), "patra_") {
				t.Error("the key is among the arguments of curl")
			}
		})
	}
}

// waits lets the client run into a limit: just before its request comes, the
// bucket is emptied. Where that is full again within the request, which takes a
// second, it has to try again.
func (c *exampleClient) waits(t *testing.T, g *gateway, tap *statusTap, call func() result, token string) {
	t.Helper()
	for range 10 {
		tap.mu.Lock()
		tap.before = func() { g.do(t, "GET", "/v1/posts", "", bearer(token)) }
		tap.mu.Unlock()
		r := call()
		statuses := tap.take()
		if r.Code != 0 || !strings.Contains(r.Stdout, `"method"`) {
			t.Fatalf("status %d, answered %v: %s%s", r.Code, statuses, r.Stdout, r.Stderr)
		}
		if slices.Equal(statuses, []int{200}) {
			continue
		}
		if !slices.Equal(statuses, []int{429, 200}) || !strings.Contains(r.Stderr, "HTTP 429 rate_limited: waiting 1.") {
			t.Errorf("the client was answered %v, want one 429 and, after one wait of a second, 200: %s", statuses, r.Stderr)
		}
		return
	}
	t.Error("the client never ran into the limit")
}

func wantRefusal(t *testing.T, r result, parts ...string) {
	t.Helper()
	if r.Code != 1 || strings.Contains(r.Stderr, "waiting") {
		t.Errorf("status %d, want 1 at once: %s%s", r.Code, r.Stdout, r.Stderr)
	}
	for _, part := range parts {
		if !strings.Contains(r.Stderr, part) {
			t.Errorf("the message lacks %q: %s", part, r.Stderr)
		}
	}
}

// awaitLongDay returns when the next UTC day is more than two minutes away,
// which is longer than a client waits.
func awaitLongDay() {
	if left := time.Until(time.Now().UTC().Truncate(24 * time.Hour).Add(24 * time.Hour)); left < 2*time.Minute {
		<-time.After(left)
	}
}

// A redirect, which may lead anywhere, takes no key along.
func TestClientExamplesOnARedirect(t *testing.T) {
	for _, client := range exampleClients {
		t.Run(client.name, func(t *testing.T) {
			var asked, leaked atomic.Bool
			elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Authorization") != "" {
					leaked.Store(true)
				}
			}))
			t.Cleanup(elsewhere.Close)
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				asked.Store(r.Header.Get("Authorization") != "")
				http.Redirect(w, r, elsewhere.URL+"/elsewhere", http.StatusFound)
			}))
			t.Cleanup(server.Close)
			client.run(t, server.URL, "patra_secret", noteArguments(t))
			if leaked.Load() || !asked.Load() {
				t.Errorf("asked with the key: %v; the key went elsewhere: %v", asked.Load(), leaked.Load())
			}
		})
	}
}
