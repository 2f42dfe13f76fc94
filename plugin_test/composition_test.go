package plugin_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// What is judged is the request as it is where Keygate stands.
func TestComposition(t *testing.T) {
	t.Parallel()
	b := startBackend(t)
	g := startCaddy(t, composition, "BACKEND="+b.Addr)
	reader, token := g.createKey(t, "--scope", "posts:read", "--per-minute", "1000")

	const passes, forged = 200, "Socialpatra-Workspace: forged"
	tests := []struct {
		host, method, path string
		status             int
		is                 string // the code of a denial, or what the backend sees
	}{
		{"handle", "GET", "/v1/posts?q", passes, "GET /v1/posts?q"},
		{"handle", "GET", "/v1/nothing", 403, "route_not_mapped"},
		{"handle", "GET", "/v1//posts", 400, "ambiguous_path"},

		{"handle-path", "GET", "/api/v1/posts", passes, "GET /v1/posts"},
		{"handle-path", "GET", "/api/posts", 403, "route_not_mapped"},
		{"handle-path", "GET", "/api/v1%2fposts", 400, "ambiguous_path"},
		{"handle-path", "GET", "/api/v1/posts%2f..", 403, "route_not_mapped"},
		{"handle-path", "GET", "/api//v1/x/../posts", passes, "GET /v1/posts"}, // as Caddy cleans it, for both

		{"route", "GET", "/v1/posts/42", passes, "GET /v1/rewritten"}, // rewritten after it was judged

		{"matchers", "GET", "/v1/posts", passes, "GET /v1/posts"},
		{"matchers", "GET", "/open/../v1/nothing", 400, "ambiguous_path"},
		{"matchers", "GET", "/v1/open/..;/posts", 400, "ambiguous_path"},

		{"path", "GET", "/v1/posts", passes, "GET /v1/posts"},
		{"path", "GET", "/V1/posts", 403, "route_not_mapped"},
		{"path", "GET", "/v2/posts", 403, "insufficient_scope"},

		{"named", "GET", "/v1/posts", passes, "GET /v1/posts"},
		{"named", "POST", "/v1/posts", 403, "insufficient_scope"},

		{"rewrite", "GET", "/old", passes, "GET /v1/posts?from=old"},
		{"rewrite", "GET", "/new/posts", 403, "route_not_mapped"}, // it is /v1/new/posts
		{"rewrite", "GET", "/v1/posts/a%20b", passes, "GET /v1/posts/a%20b"},

		{"strip", "GET", "/api/v1/posts", passes, "GET /v1/posts"},
		{"strip", "GET", "/v1/posts", passes, "GET /v1/posts"},
		{"strip", "GET", "/api/v1/posts%2e", 400, "ambiguous_path"},

		{"method", "GET", "/v1/posts", passes, "GET /v1/posts"},
		{"method", "GET", "/v1/posts?delete=1", 403, "insufficient_scope"},

		// The first takes the key off; what the second cannot see it denies.
		{"twice", "GET", "/v1/posts", 401, "missing_key"},
	}
	for _, test := range tests {
		t.Run(test.host+" "+test.method+" "+test.path, func(t *testing.T) {
			b.take()
			resp := g.onHost(t, test.host, test.method, test.path, bearer(token), forged)
			if test.status != passes {
				denied(t, resp, test.status, test.is)
				if seen := b.take(); len(seen) > 0 {
					t.Errorf("the backend saw %v", seen)
				}
				return
			}
			if resp.Status != passes {
				t.Fatalf("answered %d %s", resp.Status, resp.Body)
			}
			seen := b.takeOne(t)
			if got := seen.Method + " " + seen.URI; got != test.is {
				t.Errorf("the backend saw %s, want %s", got, test.is)
			}
			wantIdentity(t, seen.Header, reader)
			for _, name := range []string{"Ratelimit", "Ratelimit-Policy"} {
				if n := len(resp.Header[name]); n != 1 {
					t.Errorf("%s is there %d times", name, n)
				}
			}
			vary := strings.Join(resp.Header["Vary"], ", ")
			for _, name := range []string{"Origin", "Authorization"} {
				if strings.Count(vary, name) != 1 {
					t.Errorf("Vary: %s; want %s in it, once", vary, name)
				}
			}
		})
	}
	t.Run("without a key", func(t *testing.T) {
		for _, host := range []string{"handle", "matchers", "path", "named", "rewrite", "strip", "method", "respond", "encode", "log"} {
			denied(t, g.onHost(t, host, "GET", "/v1/posts", forged), 401, "missing_key")
		}
		if seen := b.take(); len(seen) > 0 {
			t.Errorf("the backend saw %v", seen)
		}
	})
	t.Run("respond", func(t *testing.T) {
		resp := g.onHost(t, "respond", "GET", "/v1/posts", bearer(token))
		if want := reader.ID + " of acme may posts:read: allowed"; resp.Body != want {
			t.Errorf("answered %q, want %q", resp.Body, want)
		}
	})
	// What a matcher leaves out is Caddy's alone: nothing is refused, and nothing
	// is taken off. A public route is what opens a path.
	t.Run("left out", func(t *testing.T) {
		b.take()
		for host, path := range map[string]string{"matchers": "/open/..;/v1/posts", "matchers-elsewhere": "/v1/posts", "path": "/v3/posts"} {
			g.onHost(t, host, "GET", path, forged)
			if seen := b.takeOne(t); seen.Header.Get("SocialPatra-Workspace") != "forged" {
				t.Errorf("%s%s: the backend saw %v", host, path, seen.Header)
			}
		}
		g.onHost(t, "matchers", "GET", "/v1/open/x", forged)
		if seen := b.takeOne(t); seen.Header.Get("SocialPatra-Workspace") != "" {
			t.Errorf("a public route: the backend saw %v", seen.Header)
		}
	})
	// The last one to see a request says who it is from, if it knows.
	t.Run("twice", func(t *testing.T) {
		b.take()
		g.onHost(t, "twice-open", "GET", "/v1/posts", bearer(token), forged)
		seen := b.takeOne(t)
		for _, name := range []string{"Socialpatra-Workspace", "Socialpatra-Key-Id", "Socialpatra-Scopes"} {
			if values := seen.Header[name]; len(values) > 0 {
				t.Errorf("the backend saw %s: %q", name, values)
			}
		}
		resp := g.onHost(t, "twice-open", "GET", "/v1/posts")
		denied(t, resp, 401, "missing_key")
	})
	t.Run("encode", func(t *testing.T) {
		resp := g.onHost(t, "encode", "GET", "/v1/posts", bearer(token), "Accept-Encoding: gzip", "X-Long: "+strings.Repeat("a", 1024))
		vary := strings.Join(resp.Header["Vary"], ", ")
		if resp.Status != 200 || resp.Header.Get("Content-Encoding") != "gzip" || resp.Header.Get("RateLimit") == "" ||
			strings.Count(vary, "Origin") != 1 || strings.Count(vary, "Accept-Encoding") != 1 {
			t.Errorf("answered %d with %v", resp.Status, resp.Header)
		}
	})
	t.Run("handle_errors", func(t *testing.T) {
		resp := g.onHost(t, "errors", "GET", "/v1/nothing", bearer(token))
		if want := "403 Forbidden route_not_mapped route_not_mapped " + reader.ID; resp.Status != 403 || resp.Body != want {
			t.Errorf("answered %d %q, want 403 %q", resp.Status, resp.Body, want)
		}
		small, tiny := g.createKey(t, "--scope", "posts:read", "--per-minute", "1000")
		g.onHost(t, "errors", "POST", "/v1/posts", bearer(tiny))
		resp = g.onHost(t, "errors", "POST", "/v1/posts", bearer(tiny))
		if want := "429 Too Many Requests rate_limited rate_limited " + small.ID; resp.Status != 429 || resp.Body != want || resp.Header.Get("Retry-After") == "" {
			t.Errorf("answered %d %q with %v, want 429 %q", resp.Status, resp.Body, resp.Header, want)
		}
		b.take()
		resp = g.onHost(t, "errors", "GET", "/v1/posts", bearer("nonsense"), forged)
		if resp.Status != 401 || resp.Header.Get("WWW-Authenticate") == "" {
			t.Errorf("answered %d with %v", resp.Status, resp.Header)
		}
		seen := b.takeOne(t)
		if seen.URI != "/status/401" || seen.Header.Get("Authorization") != "" || seen.Header.Get("SocialPatra-Workspace") != "" {
			t.Errorf("the error page saw %s with %v", seen.URI, seen.Header)
		}
	})
	t.Run("log_append", func(t *testing.T) {
		g.onHost(t, "log", "GET", "/v1/posts", bearer(token))
		g.onHost(t, "log", "POST", "/v1/posts", bearer(token))
		g.stop(t) // the log is written after the answer
		var whys []string
		for _, entry := range g.logged(t, withMessage("handled request")) {
			if entry["caller"] == reader.ID {
				whys = append(whys, fmt.Sprint(entry["why"]))
			}
		}
		slices.Sort(whys) // the second line may be written before the first
		if want := []string{"allowed", "insufficient_scope"}; !slices.Equal(whys, want) {
			t.Errorf("logged %v, want %v", whys, want)
		}
	})
}

// wantIdentity checks that a request names a key of the workspace acme, once,
// and carries no credential.
func wantIdentity(t testing.TB, h http.Header, k key) {
	t.Helper()
	for name, want := range map[string][]string{
		"Socialpatra-Workspace": {"acme"},
		"Socialpatra-Key-Id":    {k.ID},
		"Socialpatra-Scopes":    {strings.Join(k.Scopes, " ")},
		"Authorization":         nil,
	} {
		if got := h[name]; !slices.Equal(got, want) {
			t.Errorf("the backend saw %s: %q, want %q", name, got, want)
		}
	}
}
