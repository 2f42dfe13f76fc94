//go:build fleet

package plugin_test

import (
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/socialpatra/keygate/internal/redis"
	"github.com/socialpatra/keygate/internal/redis/redistest"
)

// documentedUser returns the arguments of ACL SETUSER that docs/fleet.md has.
func documentedUser(t *testing.T) []string {
	t.Helper()
	page, err := os.ReadFile("../docs/fleet.md")
	if err != nil {
		t.Fatal(err)
	}
	text := regexp.MustCompile(`(?s)redis-cli (ACL SETUSER .*?)\n *` + "```").FindStringSubmatch(string(page))
	if text == nil {
		t.Fatal("docs/fleet.md has no ACL SETUSER")
	}
	return strings.Fields(strings.NewReplacer("'", "", "\\\n", " ").Replace(text[1]))
}

// The user that docs/fleet.md describes may do what Keygate does, by every
// command, and nothing besides.
func TestFleetDocumentedUser(t *testing.T) {
	acl := documentedUser(t)
	var documented []string
	for _, arg := range acl {
		if name, ok := strings.CutPrefix(arg, "+"); ok {
			documented = append(documented, name)
		}
	}
	needed := redis.Permissions()
	slices.Sort(documented)
	slices.Sort(needed)
	if !slices.Equal(documented, needed) {
		t.Errorf("docs/fleet.md lists %q; needed are %q", documented, needed)
	}

	server := redistest.Start(t)
	server.Do(acl...)
	server.Do("ACL", "LOG", "RESET")
	b := startBackend(t)
	store := fleetStore(server.Addr, patient, "username {env.REDIS_USERNAME}", "password {env.REDIS_PASSWORD}")
	g := startCaddy(t, strings.Replace(siteWith(), bboltStore, store, 1), "BACKEND="+b.Addr, "REDIS_USERNAME=keygate", "REDIS_PASSWORD=the-password")
	k, token := g.createKey(t, "--scope", "posts:read")
	g.until(t, token, http.StatusOK)
	g.until(t, noSuchToken, http.StatusUnauthorized)
	export, backup := filepath.Join(t.TempDir(), "keys.jsonl"), filepath.Join(t.TempDir(), "keys.db")
	other, _ := g.createKey(t, "--scope", "posts:read")
	for _, line := range []string{
		"list", "list --workspace acme --status active", "show " + k.ID, "update " + k.ID + " --per-day 5", "usage " + k.ID, "scopes", "routes", "health",
		"explain " + k.ID + " GET /v1/posts", "disable " + k.ID, "enable " + k.ID, "rotate " + k.ID + " --overlap 1h", "revoke " + k.ID, "list --status revoked",
		"workspace acme --per-day 100", "workspace", "audit", "audit --key " + k.ID, "check", "check --mend", "backup " + backup, "export " + export,
		"delete " + k.ID + " --yes", "delete " + other.ID + " --yes", "import " + export + " --keep-going", "check",
	} {
		args := append([]string{"keygate"}, strings.Fields(line)...)
		if r := g.cli(t, args...); r.Code != 0 && !strings.HasPrefix(line, "import") && !strings.HasPrefix(line, "explain") {
			t.Errorf("%s: status %d: %s", line, r.Code, r.Stderr)
		}
	}
	families := g.metrics(t)
	for _, name := range []string{"engine_away", "engine_heartbeat_age_seconds", "gateways", "clock_skew_seconds", "engine_evicted_keys", "keys"} {
		if families["caddy_keygate_"+name] == nil {
			t.Errorf("the metric %s is missing", name)
		}
	}
	g.stop(t)
	if log := server.Do("ACL", "LOG"); log != "" {
		t.Errorf("the engine refused:\n%s", log)
	}
	used := server.Do("INFO", "COMMANDSTATS")
	for _, name := range documented {
		// Of a Sentinel set or a Cluster, and of connections that are given back.
		if slices.Contains([]string{"role", "wait", "client|setname", "cluster|slots", "cluster|shards", "asking", "discard", "unsubscribe", "punsubscribe", "sunsubscribe"}, name) {
			continue
		}
		if !strings.Contains(used, "cmdstat_"+name+":") {
			t.Errorf("%s is documented, and never used", name)
		}
	}
}

// A gateway of another brand does not start beside those that there are.
func TestFleetOtherBrand(t *testing.T) {
	server := redistest.Start(t)
	fleet := startFleet(t, fleetStore(server.Addr, patient))
	other := startCaddy(t, siteWith(), "BACKEND=127.0.0.1:1")
	config := strings.Replace(siteWith(), bboltStore, fleetStore(server.Addr, patient)+"\nkey_prefix acme", 1)
	if err := os.WriteFile(filepath.Join(other.Dir, "Caddyfile"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	r := other.cli(t, "reload", "--config", filepath.Join(other.Dir, "Caddyfile"), "--adapter", "caddyfile", "--address", other.Admin)
	if r.Code == 0 || !strings.Contains(r.Stderr, "key_prefix") {
		t.Errorf("status %d: %s", r.Code, r.Stderr)
	}
	fleet[0].until(t, fleet[0].token(t, "--scope", "posts:read"), http.StatusOK)
}
