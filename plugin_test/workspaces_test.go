package plugin_test

import (
	"fmt"
	"regexp"
	"strconv"
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

// balances are of RateLimit: what is left of the key's minute, and what is left of
// the workspace's minute, in how many seconds there is more, and what is left of its day.
var balances = regexp.MustCompile(`^"minute";r=(\d+);.*, "workspace-minute";r=(\d+);t=(\d+), "workspace-day";r=(\d+);t=\d+$`)

// TestWorkspaceLimits spends the minute of a workspace with two keys.
func TestWorkspaceLimits(t *testing.T) {
	t.Parallel()
	sameDay()
	b := startBackend(t)
	g := startCaddy(t, limited("3/min 100/day"), "BACKEND="+b.Addr)
	first, second := g.token(t, "--scope", "posts:read"), g.token(t, "--scope", "posts:read", "--per-minute", "4")
	other := g.token(t, "--scope", "posts:read", "--workspace", "elsewhere")
	began, passed := time.Now(), 0
	// since is what may have come back to a bucket that regains one request in each so
	// long. A machine that is busy may need longer for some requests than the bucket.
	since := func(each time.Duration) int { return int(time.Since(began) / each) }
	parse := func(resp response) (key, minute, more, day int) {
		t.Helper()
		found := balances.FindStringSubmatch(resp.Header.Get("RateLimit"))
		if found == nil {
			t.Fatalf("%d with RateLimit: %s", resp.Status, resp.Header.Get("RateLimit"))
		}
		var n [4]int
		for i := range n {
			n[i], _ = strconv.Atoi(found[i+1]) // digits
		}
		return n[0], n[1], n[2], n[3]
	}
	for i, token := range []string{first, second, first} {
		resp := g.do(t, "GET", "/v1/posts", "", bearer(token))
		passed++
		_, minute, more, day := parse(resp)
		if resp.Status != 200 || minute < 2-i || minute > 2-i+since(20*time.Second) || more > 20 || more < 20-since(time.Second) || day != 99-i {
			t.Errorf("request %d: %d with RateLimit: %s", i, resp.Status, resp.Header.Get("RateLimit"))
		}
		if got := resp.Header.Get("RateLimit-Policy"); !strings.HasSuffix(got, `, "workspace-minute";q=3;w=60, "workspace-day";q=100;w=86400`) {
			t.Errorf("RateLimit-Policy: %s", got)
		}
	}
	// spent asks until the answer is a refusal: no more passes than came back.
	spent := func(token string) response {
		t.Helper()
		for {
			resp := g.do(t, "GET", "/v1/posts", "", bearer(token))
			if resp.Status != 200 {
				return resp
			}
			if passed++; passed > 3+since(20*time.Second) {
				t.Fatalf("%d requests passed in %v", passed, time.Since(began))
			}
		}
	}
	resp := spent(second)
	p := denied(t, resp, 429, "rate_limited")
	if fmt.Sprint(p.ViolatedPolicies) != "[workspace-minute]" || !strings.Contains(p.Detail, "All keys of the workspace together allow 3 requests per minute") {
		t.Errorf("the problem is %s", resp.Body)
	}
	// The key itself was charged for what passed, and for nothing else.
	key, _, _, _ := parse(resp)
	charged := 1 + passed - 3
	wait, _ := strconv.Atoi(resp.Header.Get("Retry-After"))
	if key < 4-charged || key > min(4, 4-charged+since(15*time.Second)) || wait > 20 || wait < max(1, 20-since(time.Second)) {
		t.Errorf("RateLimit: %s, Retry-After: %s", resp.Header.Get("RateLimit"), resp.Header.Get("Retry-After"))
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
		denied(t, spent(minted), 429, "rate_limited")
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

// sameDay waits for the next UTC day where this one ends soon: before a test of some
// twenty commands is over on a machine that has much else to do.
func sameDay() {
	if left := time.Until(time.Now().UTC().Truncate(24 * time.Hour).Add(24 * time.Hour)); left < 2*time.Minute {
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
