//go:build fleet

package plugin_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/socialpatra/keygate/internal/redis/redistest"
)

// When the master of a Sentinel set is killed, gateways go on with the next one,
// and nothing that was acknowledged with a replica is lost.
func TestFleetFailsOver(t *testing.T) {
	set := redistest.StartSet(t, 1, 3)
	store := fleetStore(strings.Join(set.Addrs(), " "), "sentinel "+set.Name, "replicas 1", patient)
	fleet := startFleet(t, store, store)
	k, token := fleet[0].createKey(t, "--scope", "posts:read")
	_, kept := fleet[0].createKey(t, "--scope", "posts:read")
	fleet[1].until(t, token, http.StatusOK)
	revoked := fleet[0].adminDo(t, "POST", "/keygate/keys/"+k.ID+"/revoke", "")
	if revoked.Status != http.StatusOK || revoked.Header.Get("Keygate-Replicated") != "true" {
		t.Fatalf("revoke: %d %q %s", revoked.Status, revoked.Header.Get("Keygate-Replicated"), revoked.Body)
	}
	set.Master().Kill9()
	for _, g := range fleet {
		g.until(t, kept, http.StatusOK)
		g.until(t, token, http.StatusUnauthorized)
	}
	if r := fleet[1].cli(t, "keygate", "check"); r.Code != 0 {
		t.Errorf("check: %s%s", r.Stdout, r.Stderr)
	}

	// There is no replica any more.
	r := fleet[1].cli(t, "keygate", "create", "-q", "--workspace", "acme", "--name", "alone", "--scope", "posts:read")
	if r.Code != 0 || !strings.Contains(r.Stderr, "not all replicas") {
		t.Errorf("a change that no replica has: status %d: %s", r.Code, r.Stderr)
	}
	fleet[0].until(t, strings.TrimSpace(r.Stdout), http.StatusOK)
}

func TestFleetOnACluster(t *testing.T) {
	sameDay()
	cluster := redistest.StartCluster(t, 3)
	store := fleetStore(strings.Join(cluster.Addrs(), " "), patient)
	fleet := startFleet(t, store, store)
	var tokens []string
	for range 8 { // on all of the nodes
		k, token := fleet[0].createKey(t, "--scope", "posts:read", "--per-day", "2")
		tokens = append(tokens, token)
		if r := fleet[1].cli(t, "keygate", "update", k.ID, "--name", "renamed"); r.Code != 0 {
			t.Fatal(r.Stderr)
		}
	}
	if r := fleet[0].cli(t, "keygate", "workspace", "acme", "--per-day", "12"); r.Code != 0 {
		t.Fatal(r.Stderr)
	}
	passed := 0
	for _, token := range tokens {
		for range 3 {
			for _, g := range fleet {
				if g.status(t, token) == http.StatusOK {
					passed++
				}
			}
		}
	}
	if passed != 12 {
		t.Errorf("%d passed, of 12 of the workspace", passed)
	}
	if list := fleet[1].cli(t, "keygate", "list"); strings.Count(list.Stdout, "renamed") != len(tokens) {
		t.Errorf("listed:\n%s", list.Stdout)
	}
}

// The engine's credentials are in no config that Caddy shows, and in no log.
func TestFleetSecrets(t *testing.T) {
	const password, wrong = "correct-horse-battery", "wrong-horse-battery"
	server := redistest.Start(t, "--requirepass", password)
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte(password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	site := strings.Replace(siteWith(), bboltStore, fleetStore(server.Addr, "password {file."+file+"}", patient), 1)
	g := startCaddy(t, site, "BACKEND="+startBackend(t).Addr, "WRONG="+wrong)
	g.until(t, g.token(t, "--scope", "posts:read"), http.StatusOK)

	r := g.reload(t, strings.Replace(site, "{file."+file+"}", "{env.WRONG}", 1))
	if r.Code == 0 || !strings.Contains(r.Stderr, "WRONGPASS") {
		t.Errorf("a reload with a wrong password: status %d: %s", r.Code, r.Stderr)
	}
	literal := g.reload(t, strings.Replace(site, "{file."+file+"}", password, 1))
	if literal.Code == 0 || !strings.Contains(literal.Stderr, "is not a placeholder") {
		t.Errorf("a reload with a password in the config: status %d: %s", literal.Code, literal.Stderr)
	}
	log, err := os.ReadFile(g.Log)
	if err != nil {
		t.Fatal(err)
	}
	config := g.adminDo(t, "GET", "/config/", "").Body
	if !strings.Contains(config, "{file."+file+"}") {
		t.Errorf("the config does not name the file: %s", config)
	}
	for place, text := range map[string]string{"the config": config, "the log": string(log), "the command": r.Stderr + literal.Stderr} {
		if strings.Contains(text, password) || strings.Contains(text, wrong) {
			t.Errorf("%s shows a password: %s", place, text)
		}
	}
}

// Keys move from a store file to an engine, and back by a backup, while both
// gateways run.
func TestMoveToAFleet(t *testing.T) {
	b := startBackend(t)
	old := startCaddy(t, siteWith(), "BACKEND="+b.Addr)
	_, first := old.createKey(t, "--scope", "posts:read")
	revoked, gone := old.createKey(t, "--scope", "posts:read")
	if r := old.cli(t, "keygate", "revoke", revoked.ID); r.Code != 0 {
		t.Fatal(r.Stderr)
	}
	server := redistest.Start(t)
	fleet := startFleet(t, fleetStore(server.Addr, patient), fleetStore(server.Addr, patient))
	move := func() {
		t.Helper()
		exported := filepath.Join(t.TempDir(), "keys.jsonl")
		if r := old.cli(t, "keygate", "export", exported); r.Code != 0 {
			t.Fatal(r.Stderr)
		}
		if r := fleet[0].cli(t, "keygate", "import", exported, "--keep-going"); r.Code != 0 && !strings.Contains(r.Stderr, "exists already") {
			t.Fatal(r.Stderr)
		}
	}
	move()
	_, late := old.createKey(t, "--scope", "posts:read")
	move()
	for _, g := range append(fleet, old) {
		g.until(t, first, http.StatusOK)
		g.until(t, late, http.StatusOK)
		denied(t, g.do(t, "GET", "/v1/posts", "", bearer(gone)), 401, "key_revoked")
	}

	backup := filepath.Join(t.TempDir(), "back.db")
	if r := fleet[1].cli(t, "keygate", "backup", backup); r.Code != 0 {
		t.Fatal(r.Stderr)
	}
	if r := old.cli(t, "keygate", "check", "--db", backup); r.Code != 0 || !strings.Contains(r.Stdout+r.Stderr, "3") {
		t.Errorf("check of the backup: status %d %s%s", r.Code, r.Stdout, r.Stderr)
	}
}
