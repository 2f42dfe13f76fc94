package plugin_test

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// burst sends n requests at once and returns how many had which status, the
// last refusal, and how long it all took.
func (g *gateway) burst(t testing.TB, n int, path, token string) (count map[int]int, refused response, took time.Duration) {
	t.Helper()
	var mu sync.Mutex
	var wg sync.WaitGroup
	count = make(map[int]int)
	begin := make(chan struct{})
	for range n {
		wg.Go(func() {
			<-begin
			resp := g.do(t, "GET", path, "", bearer(token))
			mu.Lock()
			defer mu.Unlock()
			count[resp.Status]++
			if resp.Status == http.StatusTooManyRequests {
				refused = resp
			}
		})
	}
	start := time.Now()
	close(begin)
	wg.Wait()
	return count, refused, time.Since(start)
}

// exhaust sends n requests at once, again and again until one is refused: where the
// machine is slow, the bucket is refilled meanwhile.
func (g *gateway) exhaust(t testing.TB, n int, path, token string) (sent int, count map[int]int, refused response, took time.Duration) {
	t.Helper()
	count = make(map[int]int)
	start := time.Now()
	for sent < 20*n && count[http.StatusTooManyRequests] == 0 && !t.Failed() {
		some, last, _ := g.burst(t, n, path, token)
		for status, times := range some {
			count[status] += times
		}
		sent, refused = sent+n, last
	}
	return sent, count, refused, time.Since(start)
}

// passed checks that as many passed as the bucket held, and no more than what
// it was refilled with meanwhile.
func passed(t testing.TB, count map[int]int, n, burst, perMinute int, took time.Duration) {
	t.Helper()
	most := burst + int(took.Seconds()*float64(perMinute)/60)
	if count[200] < burst || count[200] > most || count[200]+count[429] != n {
		t.Errorf("of %d requests in %v: %v, want %d to %d to pass and the rest 429", n, took, count, burst, most)
	}
}

func TestMinuteLimit(t *testing.T) {
	t.Parallel()
	g, b := startSite(t)
	token := g.token(t, "--scope", "posts:read")
	sameDay()

	// What is refused before the limits charges nothing.
	for range 70 {
		if resp := g.do(t, "POST", "/v1/posts", "", bearer(token)); resp.Status != 403 {
			t.Fatalf("POST without the scope: %d", resp.Status)
		}
	}
	b.take()

	sent, count, refused, took := g.exhaust(t, 61, "/v1/posts", token)
	passed(t, count, sent, 60, 60, took)
	if seen := len(b.take()); seen != count[200] {
		t.Errorf("%d passed, %d reached the backend", count[200], seen)
	}
	p := denied(t, refused, 429, "rate_limited")
	if p.Type != "https://iana.org/assignments/http-problem-types#quota-exceeded" || fmt.Sprint(p.ViolatedPolicies) != "[minute]" ||
		p.Detail != "The key allows 60 requests per minute; the next is allowed in 1 second." || p.Title != "Too Many Requests" {
		t.Errorf("the problem is %s", refused.Body)
	}
	wantHeaders(t, refused, map[string]string{
		"Retry-After":      "1",
		"RateLimit-Policy": `"minute";q=60;w=60, "day";q=10000;w=86400`,
	})
	var left int // of the day; of those that passed at most all did so before
	got := refused.Header.Get("RateLimit")
	if _, err := fmt.Sscanf(got, `"minute";r=0;t=1, "day";r=%d;t=`, &left); err != nil || left < 10_000-count[200] || left > 10_000-60 {
		t.Errorf("RateLimit: %s, after %d requests", got, count[200])
	}
}

func TestParallelRequestsPassNoMoreThanTheBucket(t *testing.T) {
	t.Parallel()
	g, _ := startSite(t)
	token := g.token(t, "--scope", "posts:read", "--per-minute", "100")
	count, _, took := g.burst(t, 1000, "/v1/posts", token)
	passed(t, count, 1000, 100, 100, took)
}

func TestBurst(t *testing.T) {
	t.Parallel()
	g, _ := startSite(t)
	token := g.token(t, "--scope", "posts:read", "--per-minute", "6", "--burst", "3")
	sent, count, refused, took := g.exhaust(t, 5, "/v1/posts", token)
	passed(t, count, sent, 3, 6, took)
	if retry, _ := strconv.Atoi(refused.Header.Get("Retry-After")); retry < 1 || retry > 10 {
		t.Errorf("Retry-After: %s, want 1 to 10", refused.Header.Get("Retry-After"))
	}
}

func TestDayQuota(t *testing.T) {
	t.Parallel()
	g, _ := startSite(t)
	token := g.token(t, "--scope", "posts:read,ai:generate", "--per-day", "5")
	sameDay()
	for i := range 5 {
		if resp := g.do(t, "GET", "/v1/posts", "", bearer(token)); resp.Status != 200 {
			t.Fatalf("request %d: %d", i+1, resp.Status)
		}
	}
	checkExhausted := func() {
		t.Helper()
		asked := time.Now()
		resp := g.do(t, "GET", "/v1/posts", "", bearer(token))
		took := time.Since(asked).Seconds()
		p := denied(t, resp, 429, "quota_exceeded")
		if fmt.Sprint(p.ViolatedPolicies) != "[day]" {
			t.Errorf("the problem is %s", resp.Body)
		}
		midnight := asked.UTC().Truncate(24 * time.Hour).Add(24 * time.Hour).Sub(asked).Seconds()
		retry, _ := strconv.Atoi(resp.Header.Get("Retry-After"))
		if diff := float64(retry) - midnight; diff < -2-took || diff > 2 {
			t.Errorf("Retry-After: %d, want about %.0f", retry, midnight)
		}
	}
	checkExhausted()

	// The count is that of the day, whatever happens to the process.
	g.stop(t)
	g.start(t)
	checkExhausted()
	if r := g.reload(t, siteWith("missing_origin allow")); r.Code != 0 {
		t.Fatal(r.Stderr)
	}
	checkExhausted()
}

func TestCost(t *testing.T) {
	t.Parallel()
	g, _ := startSite(t)
	token := g.token(t, "--scope", "posts:read,ai:generate", "--per-minute", "6", "--per-day", "50")
	resp := g.do(t, "POST", "/v1/ai/captions", "", bearer(token))
	if got := resp.Header.Get("RateLimit"); resp.Status != 200 || !strings.HasPrefix(got, `"minute";r=1;t=`) || !strings.Contains(got, `"day";r=45;t=`) {
		t.Errorf("answered %d with RateLimit: %s", resp.Status, got)
	}
	// In the 40 seconds until it has 5 again.
	denied(t, g.do(t, "POST", "/v1/ai/captions", "", bearer(token)), 429, "rate_limited")
	if resp := g.do(t, "GET", "/v1/posts", "", bearer(token)); resp.Status != 200 {
		t.Errorf("a cheaper request: %d", resp.Status)
	}

	small := g.token(t, "--scope", "ai:generate", "--burst", "4")
	neverAllowed(t, g.do(t, "POST", "/v1/ai/captions", "", bearer(small)), "key")
}

// neverAllowed checks the answer to a request that costs more than a limit of
// the key or its workspace can ever hold: waiting is no way out, and nothing
// says so.
func neverAllowed(t testing.TB, resp response, whose string) {
	t.Helper()
	p := denied(t, resp, 429, "cost_too_high")
	if p.Type != "urn:keygate:problem:cost_too_high" || !strings.Contains(p.Detail, "costs 5") || !strings.Contains(p.Detail, whose) || len(p.ViolatedPolicies) > 0 {
		t.Errorf("the problem is %+v", p)
	}
	wantHeaders(t, resp, map[string]string{"Retry-After": ""})
	if resp.Header.Get("RateLimit") == "" {
		t.Error("no RateLimit")
	}
}

// What costs more than any one of four limits is told so, whatever else is
// exhausted, and charges nothing.
func TestCostThatNoLimitHolds(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		key, workspace []string
		whose          string
		refill         time.Duration // of one; 0: at midnight
	}{
		"burst":              {[]string{"--per-minute", "4"}, nil, "key", time.Minute / 4},
		"quota":              {[]string{"--per-day", "4"}, nil, "key", 0},
		"workspace's minute": {nil, []string{"--per-minute", "4"}, "workspace", time.Minute / 4},
		"workspace's day":    {nil, []string{"--per-day", "4"}, "workspace", 0},
	} {
		t.Run(name, func(t *testing.T) {
			g, b := startSite(t)
			token := g.token(t, append([]string{"--scope", "posts:read,ai:generate"}, test.key...)...)
			if test.workspace != nil {
				g.mustCLI(t, append([]string{"workspace", "acme"}, test.workspace...)...)
			}
			sameDay()
			start := time.Now()
			for range 5 { // the last is one more than the limit allows
				neverAllowed(t, g.do(t, "POST", "/v1/ai/captions", "", bearer(token)), test.whose)
				g.do(t, "GET", "/v1/posts", "", bearer(token))
			}
			most := 4
			if took := time.Since(start); test.refill > 0 {
				most += int(took / test.refill)
			}
			if seen := b.take(); len(seen) < 4 || len(seen) > most {
				t.Errorf("%d requests reached the backend, want the 4 that the limit allows, %d with what it regained", len(seen), most)
			}
		})
	}
}

func TestBucketsOutliveAReload(t *testing.T) {
	t.Parallel()
	g, _ := startSite(t)
	token := g.token(t, "--scope", "posts:read", "--per-minute", "1") // there is no other within a minute
	g.do(t, "GET", "/v1/posts", "", bearer(token))
	if r := g.reload(t, siteWith("missing_origin allow")); r.Code != 0 {
		t.Fatal(r.Stderr)
	}
	denied(t, g.do(t, "GET", "/v1/posts", "", bearer(token)), 429, "rate_limited")
}

func TestRateLimitHeadersOff(t *testing.T) {
	t.Parallel()
	g, _ := startSite(t, "ratelimit_headers off")
	token := g.token(t, "--scope", "posts:read", "--per-minute", "1")
	g.do(t, "GET", "/v1/posts", "", bearer(token))
	resp := g.do(t, "GET", "/v1/posts", "", bearer(token))
	denied(t, resp, 429, "rate_limited")
	wantHeaders(t, resp, map[string]string{"RateLimit": "", "RateLimit-Policy": ""})
	if resp.Header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
}

func TestFailedAuthentications(t *testing.T) {
	t.Parallel()
	g, _ := startSite(t, "auth_failures 5")
	token := g.token(t, "--scope", "posts:read")
	bad := noSuchKeyWithID("000000000000")
	failed, start := 0, time.Now()
	resp := g.do(t, "GET", "/v1/posts", "", bearer(bad))
	for ; resp.Status == 401 && failed < 50; resp = g.do(t, "GET", "/v1/posts", "", bearer(bad)) {
		denied(t, resp, 401, "invalid_key")
		failed++
	}
	// The budget regains one every twelve seconds.
	if took := time.Since(start); failed < 5 || failed > 5+int(took/(12*time.Second)) {
		t.Errorf("%d failures in %v were within a budget of 5", failed, took)
	}
	denied(t, resp, 429, "too_many_failures")
	wantHeaders(t, resp, map[string]string{"RateLimit": "", "Retry-After": ""})
	if !strings.Contains(resp.Body, "sending the same one again never helps") {
		t.Errorf("the problem is %s", resp.Body)
	}
	if resp := g.do(t, "GET", "/v1/posts", "", bearer(token)); resp.Status != 200 {
		t.Errorf("a valid key is refused for its neighbour's failures: %d", resp.Status)
	}
	denied(t, g.do(t, "GET", "/v1/posts", ""), 401, "missing_key")
}
