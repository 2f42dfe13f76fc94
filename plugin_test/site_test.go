package plugin_test

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// site is the gateway that most tests here drive: a few routes of every kind
// in front of the backend.
const site = `
{
	keygate {
		store bbolt ./data/keygate.db
	}
	log {
		level DEBUG
	}
}
:{$PORT} {
	log
	keygate {
		scope posts:read {
			GET /v1/posts
			GET /v1/posts/{id}
		}
		scope posts:write POST /v1/posts
		scope posts:write media:upload POST /v1/posts/with-media
		scope ai:generate POST /v1/ai/* cost=5
		authenticated GET /v1/me
		public GET /v1/status
		header X-API-Key
		OPTIONS
	}
	reverse_proxy {$BACKEND}
}
`

// startSite starts the gateway with more lines in its keygate block.
func startSite(t testing.TB, options ...string) (*gateway, *backend) {
	t.Helper()
	b := startBackend(t)
	return startCaddy(t, siteWith(options...), "BACKEND="+b.Addr), b
}

func siteWith(options ...string) string {
	return strings.Replace(site, "OPTIONS", strings.Join(options, "\n"), 1)
}

// key is what the tests look at of a key.
type key struct {
	ID        string
	Prefix    string
	Workspace string
	Status    string
	Scopes    []string
	Limits    struct{ PerMinute, PerDay, Burst int }
}

// createKey creates a key with the command and returns it with its token.
func (g *gateway) createKey(t testing.TB, flags ...string) (key, string) {
	t.Helper()
	args := append([]string{"keygate", "create", "--json", "--workspace", "acme", "--name", "test"}, flags...)
	r := g.cli(t, args...)
	if r.Code != 0 {
		t.Fatalf("caddy %s: status %d: %s", strings.Join(args, " "), r.Code, r.Stderr)
	}
	var created struct {
		Key   key
		Token string
	}
	if err := json.Unmarshal([]byte(r.Stdout), &created); err != nil {
		t.Fatalf("%v in %s", err, r.Stdout)
	}
	return created.Key, created.Token
}

// token is createKey for those who need only the token.
func (g *gateway) token(t testing.TB, flags ...string) string {
	t.Helper()
	_, token := g.createKey(t, flags...)
	return token
}

// problem is a denial as clients read it.
type problem struct {
	Type             string
	Title            string
	Status           int
	Code             string
	Error            string
	Detail           string
	Instance         string
	ViolatedPolicies []string `json:"violated-policies"`
}

// randomUUID is version 4 (RFC 9562 §5.4), as a URN.
var randomUUID = regexp.MustCompile(`^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

// withoutInstance is the body of a denial, but for what is different each time.
func withoutInstance(body string) string {
	return regexp.MustCompile(`urn:uuid:[0-9a-f-]{36}`).ReplaceAllString(body, "(instance)")
}

// denied checks that an answer is a denial with a code, in all its parts, and
// returns it.
func denied(t testing.TB, resp response, status int, code string) problem {
	t.Helper()
	var p problem
	if err := json.Unmarshal([]byte(resp.Body), &p); err != nil {
		t.Fatalf("status %d, want %d %s; the body is no JSON (%v): %s", resp.Status, status, code, err, resp.Body)
	}
	if resp.Status != status || p.Status != status || p.Code != code {
		t.Errorf("answered %d %s (status in the body %d), want %d %s", resp.Status, p.Code, p.Status, status, code)
	}
	if p.Detail == "" || p.Title == "" || p.Type == "" {
		t.Errorf("the problem is not whole: %s", resp.Body)
	}
	for name, want := range map[string]string{"Content-Type": "application/problem+json", "Cache-Control": "no-store"} {
		if got := resp.Header.Values(name); !slices.Equal(got, []string{want}) {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if !randomUUID.MatchString(p.Instance) || !slices.Equal(resp.Header.Values("Request-Id"), []string{p.Instance}) {
		t.Errorf("the instance is %q, and Request-Id %q; want one random UUID", p.Instance, resp.Header.Values("Request-Id"))
	}
	if !slices.Contains(resp.Header.Values("Vary"), "Origin") {
		t.Errorf("Vary: %q lacks Origin", resp.Header.Values("Vary"))
	}
	return p
}
