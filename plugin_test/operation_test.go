package plugin_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestKeyLife(t *testing.T) {
	t.Parallel()
	g, _ := startSite(t)
	k, token := g.createKey(t, "--scope", "posts:read,media:upload", "--expires-in-days", "30", "--ip", "127.0.0.1", "--ip", "::ffff:10.0.0.0/104")
	if k.Status != "active" || k.Prefix != "patra_"+k.ID || strings.Join(k.Scopes, " ") != "media:upload posts:read" {
		t.Errorf("created %+v", k)
	}
	for _, ref := range []string{k.ID, k.Prefix} {
		r := g.cli(t, "keygate", "show", "--json", ref)
		if r.Code != 0 || !strings.Contains(r.Stdout, `"allowed_ips":["127.0.0.1","10.0.0.0/8"]`) && !strings.Contains(strings.Join(strings.Fields(r.Stdout), ""), `"allowed_ips":["127.0.0.1","10.0.0.0/8"]`) {
			t.Errorf("show %s: %d %s%s", ref, r.Code, r.Stdout, r.Stderr)
		}
	}
	if resp := g.do(t, "GET", "/v1/posts", "", bearer(token)); resp.Status != 200 {
		t.Fatalf("%d %s", resp.Status, resp.Body)
	}
	if r := g.cli(t, "keygate", "list"); !strings.Contains(r.Stdout, k.Prefix) {
		t.Errorf("list: %s%s", r.Stdout, r.Stderr)
	}

	if r := g.cli(t, "keygate", "revoke", k.ID); r.Code != 0 {
		t.Fatal(r.Stderr)
	}
	denied(t, g.do(t, "GET", "/v1/posts", "", bearer(token)), 401, "key_revoked")
	if r := g.cli(t, "keygate", "list", "--status", "revoked"); !strings.Contains(r.Stdout, k.Prefix) {
		t.Errorf("list: %s%s", r.Stdout, r.Stderr)
	}

	if r := g.cli(t, "keygate", "delete", k.ID); r.Code != 1 || !strings.Contains(r.Stderr, "--yes") {
		t.Errorf("delete without a terminal: %d %s", r.Code, r.Stderr)
	}
	if r := g.cli(t, "keygate", "delete", "--yes", k.ID); r.Code != 0 {
		t.Fatal(r.Stderr)
	}
	denied(t, g.do(t, "GET", "/v1/posts", "", bearer(token)), 401, "invalid_key")
	if r := g.cli(t, "keygate", "show", k.ID); r.Code != 1 || !strings.Contains(r.Stderr, "no such key") {
		t.Errorf("show: %d %s", r.Code, r.Stderr)
	}
}

func TestScopesShowRoutes(t *testing.T) {
	t.Parallel()
	g, _ := startSite(t)
	r := g.cli(t, "keygate", "scopes", "--json")
	var got struct {
		Scopes []struct {
			Scope  string
			Routes []string
		}
	}
	if err := json.Unmarshal([]byte(r.Stdout), &got); err != nil {
		t.Fatalf("%v: %s%s", err, r.Stdout, r.Stderr)
	}
	routes := make(map[string]string)
	for _, s := range got.Scopes {
		routes[s.Scope] = strings.Join(s.Routes, ", ")
	}
	if len(routes) != 15 || routes["posts:write"] != "POST /v1/posts, POST /v1/posts/with-media" || routes["feeds:read"] != "" {
		t.Errorf("scopes: %v", routes)
	}
}

func TestStoreFile(t *testing.T) {
	t.Parallel()
	g, _ := startSite(t)
	for path, want := range map[string]os.FileMode{"data": 0o700 | os.ModeDir, "data/keygate.db": 0o600} {
		info, err := os.Stat(filepath.Join(g.Dir, path))
		if err != nil || info.Mode() != want {
			t.Errorf("%s: %v %v, want %v", path, info.Mode(), err, want)
		}
	}
	r := g.cli(t, "keygate", "list", "--db", "data/keygate.db")
	if r.Code != 1 || !strings.Contains(r.Stderr, "in use") || !strings.Contains(r.Stderr, "--db") {
		t.Errorf("a store that is served, offline: %d %s", r.Code, r.Stderr)
	}
}

func TestOffline(t *testing.T) {
	t.Parallel()
	g, _ := startSite(t)
	_, online := g.createKey(t, "--scope", "posts:read")
	g.stop(t)
	r := g.cli(t, "keygate", "list")
	if r.Code != 1 || !strings.Contains(r.Stderr, "--db") || !strings.Contains(r.Stderr, "--address") || strings.Count(r.Stderr, "\n") != 1 {
		t.Errorf("nobody serves: %d %q", r.Code, r.Stderr)
	}
	_, offline := g.createKey(t, "--scope", "posts:read", "--db", "data/keygate.db")
	g.start(t)
	for _, token := range []string{online, offline} {
		if resp := g.do(t, "GET", "/v1/posts", "", bearer(token)); resp.Status != 200 {
			t.Errorf("%d %s", resp.Status, resp.Body)
		}
	}
}

func TestCaddyWithoutKeygate(t *testing.T) {
	t.Parallel()
	g := startCaddy(t, ":{$PORT} {\n\trespond ok\n}\n")
	r := g.cli(t, "keygate", "list")
	if r.Code != 1 || !strings.Contains(r.Stderr, "without keygate") || strings.Count(r.Stderr, "\n") != 1 {
		t.Errorf("%d %q", r.Code, r.Stderr)
	}
}

func TestValidateBesideARunningGateway(t *testing.T) {
	t.Parallel()
	g, _ := startSite(t)
	for _, args := range [][]string{
		{"validate", "--config", "Caddyfile"},
		{"adapt", "--config", "Caddyfile", "--validate"},
	} {
		if r := g.cli(t, args...); r.Code != 0 {
			t.Errorf("%v: %d %s", args, r.Code, r.Stderr)
		}
	}
	g.writeConfig(t, strings.Replace(siteWith(), "./data/keygate.db", "./other/keygate.db", 1))
	if r := g.cli(t, "validate", "--config", "Caddyfile"); r.Code != 0 {
		t.Errorf("validate: %d %s", r.Code, r.Stderr)
	}
	if _, err := os.Stat(filepath.Join(g.Dir, "other")); !os.IsNotExist(err) {
		t.Errorf("validate created the store: %v", err)
	}
}

// A store that cannot be opened refuses the config and leaves the running one.
func TestStoreThatCannotBeOpened(t *testing.T) {
	t.Parallel()
	g, _ := startSite(t)
	token := g.token(t, "--scope", "posts:read")
	if err := os.WriteFile(filepath.Join(g.Dir, "noise.db"), []byte(strings.Repeat("noise", 10_000)), 0o600); err != nil {
		t.Fatal(err)
	}
	r := g.reload(t, strings.Replace(siteWith(), "./data/keygate.db", "./noise.db", 1))
	if r.Code == 0 || !strings.Contains(r.Stderr, "noise.db") {
		t.Errorf("reload: %d %s", r.Code, r.Stderr)
	}
	if resp := g.do(t, "GET", "/v1/posts", "", bearer(token)); resp.Status != 200 {
		t.Errorf("after a failed reload: %d %s", resp.Status, resp.Body)
	}
	if r := g.cli(t, "keygate", "list"); r.Code != 0 || !strings.Contains(r.Stdout, "patra_") {
		t.Errorf("list after a failed reload: %d %s%s", r.Code, r.Stdout, r.Stderr)
	}
}
