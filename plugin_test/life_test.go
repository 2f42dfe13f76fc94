package plugin_test

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// mustCLI runs a subcommand of keygate that has to succeed.
func (g *gateway) mustCLI(t testing.TB, args ...string) string {
	t.Helper()
	r := g.cli(t, append([]string{"keygate"}, args...)...)
	if r.Code != 0 {
		t.Fatalf("keygate %s: status %d: %s", strings.Join(args, " "), r.Code, r.Stderr)
	}
	return r.Stdout
}

func (g *gateway) get(t testing.TB, token string) response {
	t.Helper()
	return g.do(t, "GET", "/v1/posts", "", bearer(token))
}

func TestChangesAreInForceAtOnce(t *testing.T) {
	t.Parallel()
	g, _ := startSite(t, "auth_failures off")
	k, token := g.createKey(t, "--scope", "posts:read", "--per-minute", "1000000", "--per-day", "1000000000")

	// Load that goes on while the key changes.
	stop := make(chan struct{})
	var load sync.WaitGroup
	for range 4 {
		load.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					g.do(t, "GET", "/v1/posts", "", bearer(token))
				}
			}
		})
	}
	defer load.Wait()
	defer close(stop)

	for range 5 {
		g.mustCLI(t, "disable", k.ID)
		denied(t, g.get(t, token), 401, "key_disabled")
		g.mustCLI(t, "enable", k.ID)
		if resp := g.get(t, token); resp.Status != 200 {
			t.Fatalf("enabled: %d %s", resp.Status, resp.Body)
		}
	}
	g.mustCLI(t, "update", k.ID, "--scope", "posts:write")
	denied(t, g.get(t, token), 403, "insufficient_scope")
	g.mustCLI(t, "update", k.ID, "--scope", "posts:read", "--ip", "203.0.113.7")
	denied(t, g.get(t, token), 403, "ip_not_allowed")
	g.mustCLI(t, "update", k.ID, "--no-ips", "--origin", "https://shop.example")
	denied(t, g.get(t, token), 403, "origin_not_allowed")
	g.mustCLI(t, "update", k.ID, "--no-origins")
	if resp := g.get(t, token); resp.Status != 200 {
		t.Fatalf("open again: %d %s", resp.Status, resp.Body)
	}
	g.mustCLI(t, "revoke", k.ID)
	denied(t, g.get(t, token), 401, "key_revoked")
	if r := g.cli(t, "keygate", "update", k.ID, "--name", "again"); r.Code != 1 || !strings.Contains(r.Stderr, "revoked") {
		t.Errorf("a change of a revoked key: %d %s", r.Code, r.Stderr)
	}
	g.mustCLI(t, "delete", "--yes", k.ID)
	denied(t, g.get(t, token), 401, "invalid_key")
}

func TestUpdateAdjustsTheRunningBucket(t *testing.T) {
	t.Parallel()
	g, _ := startSite(t)
	k, token := g.createKey(t, "--scope", "posts:read", "--per-minute", "10")
	g.get(t, token)
	g.mustCLI(t, "update", k.ID, "--per-minute", "1") // so that the bucket regains nothing until the end
	resp := g.get(t, token)
	if resp.Status != 200 {
		t.Errorf("answered %d %s", resp.Status, resp.Body)
	}
	wantHeaders(t, resp, map[string]string{"RateLimit-Policy": `"minute";q=1;w=60, "day";q=10000;w=86400`})
	denied(t, g.get(t, token), 429, "rate_limited")
}

func TestRotate(t *testing.T) {
	t.Parallel()
	g, _ := startSite(t)
	k, old := g.createKey(t, "--scope", "posts:read", "--per-minute", "50")
	rotate := func(id string, flags ...string) (string, key) {
		t.Helper()
		var out struct {
			Key   key
			Token string
		}
		if err := json.Unmarshal([]byte(g.mustCLI(t, append([]string{"rotate", "--json", id}, flags...)...)), &out); err != nil {
			t.Fatal(err)
		}
		return out.Token, out.Key
	}
	next, successor := rotate(k.ID, "--overlap", "1h")
	for _, token := range []string{old, next} {
		if resp := g.get(t, token); resp.Status != 200 {
			t.Errorf("during the overlap: %d %s", resp.Status, resp.Body)
		}
	}
	if successor.Limits.PerMinute != 0 && successor.Limits.PerMinute != 50 {
		t.Errorf("the successor is %+v", successor)
	}
	if out := g.mustCLI(t, "show", "--json", k.ID); !strings.Contains(out, successor.ID) || strings.Contains(out, `"expires_at": null`) || strings.Contains(out, `"last_used_at": null`) {
		t.Errorf("the old key is %s", out)
	}
	if r := g.cli(t, "keygate", "rotate", k.ID); r.Code != 1 || !strings.Contains(r.Stderr, successor.ID) {
		t.Errorf("rotated twice: %d %s", r.Code, r.Stderr)
	}
	last, _ := rotate(successor.ID, "--overlap", "0s")
	denied(t, g.get(t, next), 401, "key_expired")
	if resp := g.get(t, last); resp.Status != 200 {
		t.Errorf("the last of them: %d", resp.Status)
	}
	for _, token := range []string{old, next, last} {
		scanForSecret(t, token, g.Dir)
	}
}

func TestUsageAndAudit(t *testing.T) {
	t.Parallel()
	g, _ := startSite(t)
	k, token := g.createKey(t, "--scope", "posts:read", "--per-minute", "1")
	for range 3 {
		g.get(t, token)
	}
	g.do(t, "POST", "/v1/posts", "", bearer(token))
	var usage struct {
		Days []struct{ Allowed, Limited, Denied int }
	}
	if err := json.Unmarshal([]byte(g.mustCLI(t, "usage", "--json", k.ID)), &usage); err != nil {
		t.Fatal(err)
	}
	var allowed, limited, refused int
	for _, day := range usage.Days {
		allowed, limited, refused = allowed+day.Allowed, limited+day.Limited, refused+day.Denied
	}
	if allowed != 1 || limited != 2 || refused != 1 {
		t.Errorf("usage: %+v", usage)
	}
	g.mustCLI(t, "update", k.ID, "--name", "renamed")
	g.mustCLI(t, "delete", "--yes", k.ID)
	var audit struct {
		Entries []struct {
			Action  string
			Via     string
			KeyID   string `json:"key_id"`
			Changes map[string]struct{ From, To any }
		}
	}
	if err := json.Unmarshal([]byte(g.mustCLI(t, "audit", "--json", "--key", k.ID)), &audit); err != nil {
		t.Fatal(err)
	}
	var actions []string
	for _, e := range audit.Entries {
		actions = append(actions, e.Action)
		if !strings.HasPrefix(e.Via, "api 127.0.0.1:") || e.KeyID != k.ID {
			t.Errorf("the entry is %+v", e)
		}
	}
	if fmt.Sprint(actions) != "[delete update create]" || audit.Entries[1].Changes["name"].To != "renamed" {
		t.Errorf("the audit trail is %+v", audit)
	}
}

func TestExplain(t *testing.T) {
	t.Parallel()
	g, b := startSite(t)
	k, token := g.createKey(t, "--scope", "posts:read", "--per-minute", "5", "--ip", "127.0.0.1")
	explain := func(args ...string) (reason string, checks map[string]string) {
		t.Helper()
		var out struct {
			Reason string
			Checks []struct{ Check, Outcome string }
		}
		if err := json.Unmarshal([]byte(g.mustCLI(t, append([]string{"explain", "--json"}, args...)...)), &out); err != nil {
			t.Fatal(err)
		}
		checks = make(map[string]string)
		for _, c := range out.Checks {
			checks[c.Check] = c.Outcome
		}
		return out.Reason, checks
	}
	reason, checks := explain(k.ID, "--method", "POST", "--path", "/v1/posts", "--ip", "203.0.113.7")
	if reason != "ip_not_allowed" || checks["ip"] != "fail" || checks["scopes"] != "fail" || checks["limits"] != "pass" || checks["shape"] != "pass" {
		t.Errorf("explained as %s: %v", reason, checks)
	}
	reason, _ = explain(k.ID, "--method", "GET", "--path", "/v1/posts", "--ip", "127.0.0.1")
	if reason != "allowed" {
		t.Errorf("explained as %s", reason)
	}
	if got := g.get(t, token).Header.Get("RateLimit"); !strings.HasPrefix(got, `"minute";r=4;`) {
		t.Errorf("explaining was charged: %s", got)
	}
	if seen := b.take(); len(seen) != 1 {
		t.Errorf("the backend saw %+v", seen)
	}
	resp := g.adminDo(t, "POST", "/keygate/explain", `{"token":"`+token+`","method":"GET","path":"/v1/posts","ip":"127.0.0.1"}`)
	if resp.Status != 200 || !strings.Contains(resp.Body, `"reason":"allowed"`) || strings.Contains(resp.Body, secretOf(token)) {
		t.Errorf("by token: %d %s", resp.Status, resp.Body)
	}
}

func TestIfMatch(t *testing.T) {
	t.Parallel()
	g, _ := startSite(t)
	k, _ := g.createKey(t, "--scope", "posts:read")
	path := "/keygate/keys/" + k.ID
	tag := g.adminDo(t, "GET", path, "").Header.Get("ETag")
	var mu sync.Mutex
	var wg sync.WaitGroup
	count := make(map[int]int)
	for i := range 8 {
		wg.Go(func() {
			resp := send(t, g.admin, "PATCH", "http://"+g.Admin+path, fmt.Sprintf(`{"name":"writer %d"}`, i),
				[]string{"Content-Type: application/json", "If-Match: " + tag})
			mu.Lock()
			defer mu.Unlock()
			count[resp.Status]++
		})
	}
	wg.Wait()
	if count[200] != 1 || count[412] != 7 {
		t.Errorf("of 8 changes of one state: %v, want one 200 and seven 412", count)
	}
}

// Keys of another system are found by the hash of their tokens.
func TestImportOfForeignKeys(t *testing.T) {
	t.Parallel()
	g, _ := startSite(t)
	const foreign = "sk_live_4eC39HqLyjWDarjtT1zdp7dc"
	line := func(name, hash string) string {
		return fmt.Sprintf(`{"workspace":"acme","name":%q,"scopes":["posts:read"],"hash":%q,"token_format":"opaque"}`, name, hash) + "\n"
	}
	good := line("from elsewhere", fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(foreign))))
	write := func(text string) string {
		file := filepath.Join(t.TempDir(), "keys.jsonl")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	denied(t, g.get(t, foreign), 401, "invalid_key")
	r := g.cli(t, "keygate", "import", write(good+line("bad", "sha256:12")))
	if r.Code != 1 || !strings.Contains(r.Stderr, "line 2") {
		t.Errorf("an import with a bad line: %d %s", r.Code, r.Stderr)
	}
	denied(t, g.get(t, foreign), 401, "invalid_key")
	g.mustCLI(t, "import", write(good))
	if resp := g.get(t, foreign); resp.Status != http.StatusOK {
		t.Errorf("a foreign key: %d %s", resp.Status, resp.Body)
	}
	denied(t, g.get(t, foreign+"x"), 401, "invalid_key")
}

func TestMoveAndRestore(t *testing.T) {
	t.Parallel()
	g, _ := startSite(t)
	kept, token := g.createKey(t, "--scope", "posts:read")
	file := filepath.Join(g.Dir, "backup.db")
	g.mustCLI(t, "backup", file)
	export := filepath.Join(g.Dir, "export.jsonl")
	g.mustCLI(t, "export", export)
	g.mustCLI(t, "check")
	g.mustCLI(t, "revoke", kept.ID)
	if r := g.cli(t, "keygate", "restore", file, "--db", "data/keygate.db", "--yes"); r.Code != 1 || !strings.Contains(r.Stderr, "in use") {
		t.Errorf("restoring a store that is served: %d %s", r.Code, r.Stderr)
	}
	g.stop(t)
	r := g.cli(t, "keygate", "restore", file, "--db", "data/keygate.db", "--yes")
	if r.Code != 0 || !strings.Contains(r.Stderr, kept.ID) {
		t.Errorf("restore: %d %s; it should warn of the revocation that is lost", r.Code, r.Stderr)
	}
	g.start(t)
	if resp := g.get(t, token); resp.Status != 200 {
		t.Errorf("restored: %d %s", resp.Status, resp.Body)
	}
	for _, f := range []string{file, export} {
		if info, err := os.Stat(f); err != nil || info.Mode() != 0o600 {
			t.Errorf("%s: %v %v", f, info.Mode(), err)
		}
	}

	other, _ := startSite(t)
	other.mustCLI(t, "import", export)
	if resp := other.get(t, token); resp.Status != 200 {
		t.Errorf("moved to another gateway: %d %s", resp.Status, resp.Body)
	}
	scanForSecret(t, token, g.Dir, other.Dir)
}
