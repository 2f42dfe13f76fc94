package plugin_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// refusesToStart runs a gateway that must not start, and returns what it says.
func (g *gateway) refusesToStart(t testing.TB, words ...string) {
	t.Helper()
	saysWhy(t, g.cli(t, "run", "--config", "Caddyfile"), words...)
}

// saysWhy checks that caddy run ended badly, and that its log ends with
// a line that has the words. Keygate logs the same at most once; what it refuses
// while the config is loaded, Caddy alone tells.
func saysWhy(t testing.TB, r result, words ...string) {
	t.Helper()
	lines := strings.Split(strings.TrimSuffix(r.Stderr, "\n"), "\n")
	last := lines[len(lines)-1]
	if r.Code != 1 {
		t.Errorf("caddy run: status %d, and at the end: %s", r.Code, last)
	}
	logged := 0
	for _, line := range lines {
		var entry struct{ Level, Logger, Msg, Error string }
		if json.Unmarshal([]byte(line), &entry) != nil || entry.Level != "error" || entry.Logger != "keygate" {
			continue
		}
		logged++
		for _, word := range words {
			if !strings.Contains(entry.Error, word) {
				t.Errorf("the log, %q, does not say %q", entry.Error, word)
			}
		}
	}
	if logged > 1 {
		t.Errorf("%d errors are logged, want 1 at most:\n%s", logged, r.Stderr)
	}
	for _, word := range words {
		if !strings.Contains(last, word) {
			t.Errorf("%q does not say %q", last, word)
		}
	}
}

// Who cuts the store short while it is served neither ends the process nor
// gets around it.
func TestTruncatedWhileServing(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		left  int64
		words string // at the next start
	}{
		"to two pages": {2 * int64(os.Getpagesize()), "damaged"},
		"to nothing":   {0, "is empty"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sameDay()
			g, _ := startSite(t)
			k, token := g.createKey(t, "--scope", "posts:read")
			writer := g.token(t, "--scope", "posts:write")
			slow := g.token(t, "--scope", "posts:read", "--per-day", "1")
			revoked, revokedToken := g.createKey(t, "--scope", "posts:read")
			g.mustCLI(t, "revoke", revoked.ID)
			g.get(t, slow)
			store := filepath.Join(g.Dir, "data", "keygate.db")
			if err := os.Truncate(store, test.left); err != nil {
				t.Fatal(err)
			}

			requests := func() {
				t.Helper()
				if resp := g.get(t, token); resp.Status != 200 {
					t.Errorf("%d %s", resp.Status, resp.Body)
				}
				denied(t, g.get(t, writer), 403, "insufficient_scope")
				denied(t, g.get(t, slow), 429, "quota_exceeded")
				denied(t, g.get(t, revokedToken), 401, "key_revoked")
				denied(t, g.get(t, noSuchKeyWithID("000000000000")), 401, "invalid_key")
			}
			requests()
			for range 2 {
				unavailable(t, g.create(t), "damaged", "restore")
				unavailable(t, g.adminDo(t, "PATCH", "/keygate/keys/"+k.ID, `{"name":"renamed"}`), "damaged", "restore")
				unavailable(t, g.adminDo(t, "POST", "/keygate/keys/"+k.ID+"/revoke", ""), "damaged", "restore")
				unavailable(t, g.adminDo(t, "DELETE", "/keygate/keys/"+k.ID, ""), "damaged", "restore")
				unavailable(t, g.adminDo(t, "GET", "/keygate/keys", ""), "damaged", "restore")
				unavailable(t, g.adminDo(t, "GET", "/keygate/check", ""), "damaged", "restore")
				resp, err := attempt(t.Context(), g.admin, "GET", "http://"+g.Admin+"/keygate/backup", "", nil)
				if err == nil && resp.Status == 200 {
					t.Errorf("a backup of what is not there: %d bytes", len(resp.Body))
				}
				requests()
			}
			g.stop(t)
			g.refusesToStart(t, store, test.words, "restore")
			if info, err := os.Stat(store); err != nil || info.Size() != test.left {
				t.Errorf("the store is %v, %v; want what was left of it", info, err)
			}
			scanForSecret(t, token, g.Dir)
		})
	}
}
