package plugin_test

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// limited is the site with workspace_limits.
func limited(limits string) string {
	return strings.Replace(siteWith(), "store bbolt ./data/keygate.db", "store bbolt ./data/keygate.db\n\t\tworkspace_limits "+limits, 1)
}

// TestWorkspaceLimits spends the minute of a workspace with two keys.
func TestWorkspaceLimits(t *testing.T) {
	t.Parallel()
	b := startBackend(t)
	g := startCaddy(t, limited("3/min 100/day"), "BACKEND="+b.Addr)
	first, second := g.token(t, "--scope", "posts:read"), g.token(t, "--scope", "posts:read")
	other := g.token(t, "--scope", "posts:read", "--workspace", "elsewhere")
	for i, token := range []string{first, second, first} {
		resp := g.do(t, "GET", "/v1/posts", "", bearer(token))
		want := fmt.Sprintf(`"workspace-minute";r=%d;t=20, "workspace-day";r=%d;t=`, 2-i, 99-i)
		if got := resp.Header.Get("RateLimit"); resp.Status != 200 || !strings.Contains(got, want) {
			t.Errorf("request %d: %d with RateLimit: %s; want %s", i, resp.Status, got, want)
		}
		if got := resp.Header.Get("RateLimit-Policy"); !strings.HasSuffix(got, `, "workspace-minute";q=3;w=60, "workspace-day";q=100;w=86400`) {
			t.Errorf("RateLimit-Policy: %s", got)
		}
	}
	resp := g.do(t, "GET", "/v1/posts", "", bearer(second))
	p := denied(t, resp, 429, "rate_limited")
	if fmt.Sprint(p.ViolatedPolicies) != "[workspace-minute]" || !strings.Contains(p.Detail, "All keys of the workspace together allow 3 requests per minute") {
		t.Errorf("the problem is %s", resp.Body)
	}
	// The key itself was charged for what passed, and for nothing else.
	if got := resp.Header.Get("RateLimit"); !strings.HasPrefix(got, `"minute";r=59;`) || resp.Header.Get("Retry-After") != "20" {
		t.Errorf("RateLimit: %s, Retry-After: %s", got, resp.Header.Get("Retry-After"))
	}
	if resp := g.do(t, "GET", "/v1/posts", "", bearer(other)); resp.Status != 200 {
		t.Errorf("another workspace: %d", resp.Status)
	}

	// Minting keys gives nothing, nor does a reload, nor limits that stay as low.
	minted := g.token(t, "--scope", "posts:read")
	for _, change := range []func(){
		func() {},
		func() { g.load(t, limited("3/min 100/day")) },
		func() { g.mustCLI(t, "workspace", "acme", "--per-day", "50") },
	} {
		change()
		denied(t, g.do(t, "GET", "/v1/posts", "", bearer(minted)), 429, "rate_limited")
	}
	// Limits of its own are in force at once, and so are those of the config.
	g.mustCLI(t, "workspace", "acme", "--per-minute", "none")
	if resp := g.do(t, "GET", "/v1/posts", "", bearer(minted)); resp.Status != 200 || strings.Contains(resp.Header.Get("RateLimit"), "workspace-minute") {
		t.Errorf("without a limit per minute: %d, RateLimit: %s", resp.Status, resp.Header.Get("RateLimit"))
	}
	g.mustCLI(t, "workspace", "acme", "--per-day", "4")
	p = denied(t, g.do(t, "GET", "/v1/posts", "", bearer(minted)), 429, "quota_exceeded")
	if fmt.Sprint(p.ViolatedPolicies) != "[workspace-day]" {
		t.Errorf("the problem is %+v", p)
	}
}

// TestWorkspaceDay has the day's count outlive keys, a stop and a kill.
func TestWorkspaceDay(t *testing.T) {
	t.Parallel()
	sameDay()
	b := startBackend(t)
	g := startCaddy(t, limited("4/day"), "BACKEND="+b.Addr)
	k, token := g.createKey(t, "--scope", "posts:read")
	for range 3 {
		if resp := g.do(t, "GET", "/v1/posts", "", bearer(token)); resp.Status != 200 {
			t.Fatalf("%d %s", resp.Status, resp.Body)
		}
	}
	g.mustCLI(t, "delete", k.ID, "--yes")
	g.stop(t)
	g.start(t)
	minted := g.token(t, "--scope", "posts:read")
	if resp := g.do(t, "GET", "/v1/posts", "", bearer(minted)); resp.Status != 200 {
		t.Fatalf("%d %s", resp.Status, resp.Body)
	}
	denied(t, g.do(t, "GET", "/v1/posts", "", bearer(minted)), 429, "quota_exceeded")
	g.mustCLI(t, "usage", keyOf(minted)) // saves what is not saved yet
	g.kill9(t)
	g.start(t)
	denied(t, g.do(t, "GET", "/v1/posts", "", bearer(minted)), 429, "quota_exceeded")
}

// sameDay waits for the next UTC day where this one ends soon.
func sameDay() {
	if left := time.Until(time.Now().UTC().Truncate(24 * time.Hour).Add(24 * time.Hour)); left < 30*time.Second {
		<-time.After(left)
	}
}

func keyOf(token string) string { return strings.Split(token, "_")[1] }

// TestWorkspaceLimitsInParallel has many clients use many keys of a workspace.
func TestWorkspaceLimitsInParallel(t *testing.T) {
	t.Parallel()
	sameDay()
	b := startBackend(t)
	g := startCaddy(t, limited("1000000/min 40/day"), "BACKEND="+b.Addr)
	var passed atomic.Int64
	var clients sync.WaitGroup
	for range 5 {
		token := g.token(t, "--scope", "posts:read", "--per-day", "30")
		for range 4 {
			clients.Go(func() {
				for range 10 {
					if g.do(t, "GET", "/v1/posts", "", bearer(token)).Status == 200 {
						passed.Add(1)
					}
				}
			})
		}
	}
	clients.Wait()
	if n := passed.Load(); n != 40 {
		t.Errorf("%d requests passed, want 40", n)
	}
}

// TestMinuteBucketOutlivesAStop goes on with what a bucket held.
func TestMinuteBucketOutlivesAStop(t *testing.T) {
	t.Parallel()
	g, _ := startSite(t)
	token := g.token(t, "--scope", "posts:read", "--per-minute", "2")
	start := time.Now()
	for range 2 {
		if resp := g.do(t, "GET", "/v1/posts", "", bearer(token)); resp.Status != 200 {
			t.Fatalf("%d %s", resp.Status, resp.Body)
		}
	}
	g.stop(t)
	g.start(t)
	resp := g.do(t, "GET", "/v1/posts", "", bearer(token))
	if time.Since(start) < 25*time.Second { // else a token may have come
		denied(t, resp, 429, "rate_limited")
	}
}
