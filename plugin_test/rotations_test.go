package plugin_test

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// chain is a key and what rotations made of it. The last of them is the newest.
type chain struct {
	keys   []key
	tokens []string
}

// startChain makes a key. It may be made at any gateway of a fleet.
func (g *gateway) startChain(t testing.TB, flags ...string) *chain {
	t.Helper()
	k, token := g.createKey(t, append([]string{"--scope", "posts:read"}, flags...)...)
	return &chain{[]key{k}, []string{token}}
}

// rotate adds a successor of the newest key.
func (c *chain) rotate(t testing.TB, g *gateway, overlap string) {
	t.Helper()
	var out struct {
		Key   key
		Token string
	}
	if err := json.Unmarshal([]byte(g.mustCLI(t, "rotate", "--json", "--overlap", overlap, c.keys[len(c.keys)-1].ID)), &out); err != nil {
		t.Fatal(err)
	}
	c.keys, c.tokens = append(c.keys, out.Key), append(c.tokens, out.Token)
}

// remove deletes the nth key of those that are left.
func (c *chain) remove(t testing.TB, g *gateway, n int) {
	t.Helper()
	g.mustCLI(t, "delete", "--yes", c.keys[n].ID)
	c.keys = append(c.keys[:n:n], c.keys[n+1:]...)
	c.tokens = append(c.tokens[:n:n], c.tokens[n+1:]...)
}

// use sends a request with each key, and returns how many passed. Keys whose
// overlap is over are refused as expired.
func (c *chain) use(t testing.TB, g *gateway) (passed int) {
	t.Helper()
	for n, token := range c.tokens {
		switch resp := g.get(t, token); {
		case resp.Status == http.StatusOK:
			passed++
		case resp.Status != http.StatusTooManyRequests && !strings.Contains(resp.Body, "key_expired"):
			t.Errorf("key %d of %d: %d %s", n+1, len(c.tokens), resp.Status, resp.Body)
		}
	}
	return passed
}

// A rotation grants nothing: a key and its successors share one quota, whatever
// becomes of any of them and of the gateway.
func TestRotationsShareOneQuota(t *testing.T) {
	t.Parallel()
	sameDay()
	const quota = 20
	g, _ := startSite(t)
	c := g.startChain(t, "--per-day", fmt.Sprint(quota))
	first := c.keys[0].ID
	passed := 0
	left := func(when string) {
		t.Helper()
		token := c.tokens[len(c.tokens)-1]
		resp := g.get(t, token)
		if resp.Status == http.StatusOK {
			passed++
		}
		if want := fmt.Sprintf(`"day";r=%d;`, quota-passed); !strings.Contains(resp.Header.Get("RateLimit"), want) {
			t.Errorf("%s, %d have passed and the newest key is told %s", when, passed, resp.Header.Get("RateLimit"))
		}
	}
	for round := range 10 {
		passed += c.use(t, g)
		c.rotate(t, g, []string{"1h", "0s"}[round%2])
		left(fmt.Sprintf("after rotation %d", round+1))
		switch round {
		case 2:
			c.remove(t, g, 0)
			left("without the first key")
		case 4:
			g.stop(t)
			g.start(t)
			left("after a restart")
		case 5:
			c.remove(t, g, 1)
			left("without a key in the middle")
		case 7:
			g.mustCLI(t, "usage", c.keys[len(c.keys)-1].ID) // which saves what is only in memory
			g.kill9(t)
			g.start(t)
			left("after a kill")
		}
	}
	for range quota {
		passed += c.use(t, g)
	}
	if passed != quota {
		t.Errorf("%d requests passed with a key and its ten successors, of a quota of %d", passed, quota)
	}
	denied(t, g.get(t, c.tokens[len(c.tokens)-1]), 429, "quota_exceeded")
	if list := g.mustCLI(t, "list"); strings.Contains(list, first) {
		t.Errorf("the first key is there again:\n%s", list)
	}
}

// All of a quota that was used within the last second is gone for the successor
// too, although the key is deleted before anything was saved.
func TestADeletedKeyLeavesNoQuota(t *testing.T) {
	t.Parallel()
	sameDay()
	g, _ := startSite(t)
	c := g.startChain(t, "--per-day", "3")
	for range 3 {
		c.use(t, g)
	}
	c.rotate(t, g, "0s")
	c.remove(t, g, 0)
	denied(t, g.get(t, c.tokens[0]), 429, "quota_exceeded")
	g.stop(t)
	g.start(t)
	denied(t, g.get(t, c.tokens[0]), 429, "quota_exceeded")
	c.rotate(t, g, "0s")
	denied(t, g.get(t, c.tokens[1]), 429, "quota_exceeded")
}

// The minute bucket is shared, too, and as empty after a restart as before.
func TestRotationsShareOneBucket(t *testing.T) {
	t.Parallel()
	g, _ := startSite(t)
	c := g.startChain(t, "--per-minute", "1")
	began := time.Now()
	last := began // before the last request that passed
	passed := c.use(t, g)
	if passed != 1 {
		t.Fatalf("%d passed", passed)
	}
	for range 3 {
		c.rotate(t, g, "1h")
	}
	// What comes back while a busy machine is at this, one a minute, may pass.
	empty := func() {
		t.Helper()
		for _, token := range c.tokens {
			asked := time.Now()
			resp := g.get(t, token)
			if resp.Status != http.StatusOK {
				denied(t, resp, 429, "rate_limited")
				continue
			}
			last = asked
			if passed++; passed > 1+int(time.Since(began)/time.Minute) {
				t.Errorf("%d requests passed in %v", passed, time.Since(began))
			}
		}
	}
	empty()
	c.remove(t, g, 0)
	empty()
	g.stop(t)
	g.start(t)
	empty()
	out := g.mustCLI(t, "explain", "--json", c.keys[2].ID, "--method", "GET", "--path", "/v1/posts")
	if !strings.Contains(out, `"reason":"rate_limited"`) && time.Since(last) < time.Minute {
		t.Errorf("explained as %s", out)
	}
}

// What a key did is told of that key, not of all that share its limits.
func TestUseIsOfEachKey(t *testing.T) {
	t.Parallel()
	sameDay()
	g, _ := startSite(t)
	c := g.startChain(t, "--per-day", "5")
	c.use(t, g)
	c.rotate(t, g, "1h")
	for range 3 {
		c.use(t, g)
	}
	for n, want := range []string{`"allowed":3,"limited":1,"denied":0`, `"allowed":2,"limited":1,"denied":0`} {
		if got := g.mustCLI(t, "usage", "--json", c.keys[n].ID); !strings.Contains(got, want) {
			t.Errorf("key %d was used %s; want %s", n+1, got, want)
		}
	}
}

// Keys that are moved keep their account, also one of another system and its
// successors, and where the first of them stays behind.
func TestMovedRotationsShareOneQuota(t *testing.T) {
	t.Parallel()
	sameDay()
	const foreign = "sk_live_4eC39HqLyjWDarjtT1zdp7dc"
	g, _ := startSite(t)
	write := func(lines ...string) string {
		file := filepath.Join(t.TempDir(), "keys.jsonl")
		if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	g.mustCLI(t, "import", write(fmt.Sprintf(
		`{"id":"7Hk2Qp9aX3bC","workspace":"acme","name":"n","scopes":["posts:read"],"hash":"sha256:%x","token_format":"opaque","limits":{"per_day":5}}`,
		sha256.Sum256([]byte(foreign)))))
	c := &chain{[]key{{ID: "7Hk2Qp9aX3bC"}}, []string{foreign}}
	c.rotate(t, g, "1h")
	c.rotate(t, g, "1h")
	fifth := func(g *gateway) {
		t.Helper()
		passed := 0
		for range 5 {
			passed += c.use(t, g)
		}
		if passed != 5 {
			t.Errorf("%d requests passed with %d keys, of a quota of 5", passed, len(c.keys))
		}
	}
	fifth(g)
	exported := strings.Split(strings.TrimSpace(g.mustCLI(t, "export")), "\n")
	if len(exported) != 3 {
		t.Fatalf("exported %q", exported)
	}
	for _, k := range c.keys {
		g.mustCLI(t, "delete", "--yes", k.ID)
	}
	g.mustCLI(t, "import", write(exported...)) // which gives nothing back
	if passed := c.use(t, g); passed != 0 {
		t.Errorf("%d requests passed with keys that were deleted and imported again", passed)
	}

	other, _ := startSite(t)
	var successors []string
	for _, line := range exported {
		if !strings.Contains(line, `"token_format":"opaque"`) {
			successors = append(successors, line)
		}
	}
	other.mustCLI(t, "import", write(successors...))
	c.keys, c.tokens = c.keys[1:], c.tokens[1:]
	fifth(other)
	other.stop(t)
	other.start(t)
	if passed := c.use(t, other); passed != 0 {
		t.Errorf("%d requests passed after a restart, with keys whose account is of no key", passed)
	}
}
