package plugin_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// A path that leads to no store is told at once, by the log, health and list; with
// create off there is no gateway, and nothing is made.
func TestStoreAtTheWrongPath(t *testing.T) {
	t.Parallel()
	g, _ := startSite(t)
	store := filepath.Join(g.Dir, "data", "keygate.db")
	const made = "made a new key store, which has no keys"
	g.awaitLog(t, `"level":"warn"`, made, `"store":"`+store+`"`, `"schema":6`, `"keys":0`)
	_, token := g.createKey(t, "--scope", "posts:read")
	g.stop(t)
	g.start(t)
	g.awaitLog(t, `"level":"info"`, "the key store is open", `"store":"`+store+`"`, `"keys":1`)
	pid := "process " + strconv.Itoa(g.cmd.Process.Pid)
	if r := g.cli(t, "keygate", "health"); r.Code != 0 || r.Stderr != pid+" has the key store "+store+" (bbolt, 1 key)\n" {
		t.Errorf("health: %+v", r)
	}
	info := g.metrics(t)["caddy_keygate_store_info"]
	if got := fmt.Sprint(info.GetMetric()); len(info.GetMetric()) != 1 || !strings.Contains(got, `value:"`+store+`"`) {
		t.Errorf("the metric is %s", got)
	}

	// The volume is not mounted.
	g.stop(t)
	elsewhere := filepath.Join(g.Dir, "volume")
	if err := os.Rename(filepath.Dir(store), elsewhere); err != nil {
		t.Fatal(err)
	}
	g.start(t)
	denied(t, g.get(t, token), 401, "invalid_key")
	if r := g.cli(t, "keygate", "health"); r.Code != 0 || !strings.Contains(r.Stderr, "warning: made a new key store at "+store+", which has no keys") {
		t.Errorf("health: %+v", r)
	}
	if r := g.cli(t, "keygate", "list"); r.Code != 0 || !strings.HasPrefix(r.Stderr, "no keys\nprocess ") || !strings.Contains(r.Stderr, store) {
		t.Errorf("list: %+v", r)
	}
	g.stop(t)
	if err := os.RemoveAll(filepath.Dir(store)); err != nil {
		t.Fatal(err)
	}

	g.writeConfig(t, strings.Replace(siteWith(), bboltStore, bboltStore+" {\n\t\t\tcreate off\n\t\t}", 1))
	for range 2 {
		wantRefused(t, g.second(t), store, "create off", "mount the volume", "caddy keygate restore")
	}
	if left, err := os.ReadDir(filepath.Dir(store)); !os.IsNotExist(err) {
		t.Errorf("%v was made, %v", left, err)
	}
	if err := os.Rename(elsewhere, filepath.Dir(store)); err != nil {
		t.Fatal(err)
	}
	g.start(t)
	if resp := g.get(t, token); resp.Status != 200 {
		t.Errorf("with the volume again: %d %s", resp.Status, resp.Body)
	}
}

// With less address space than the store would map ahead, the gateway runs, and
// says what it lacks.
func TestLittleAddressSpace(t *testing.T) {
	t.Parallel()
	g, _ := startSite(t)
	k, token := g.createKey(t, "--scope", "posts:read")
	g.stop(t)
	// A script that the test writes could not be run while a process that another test
	// starts just then still has it open for writing.
	g.wrap = func(cmd *exec.Cmd) {
		cmd.Args = append([]string{"sh", "-c", `ulimit -v 6291456 && exec "$@"`, "sh"}, cmd.Args...)
		cmd.Path = "/bin/sh"
	}
	g.start(t)
	g.awaitLog(t, `"level":"warn"`, "open, but not as it should be", "1024 MiB of address space are mapped ahead, not 8192", "raise the limit")
	if resp := g.get(t, token); resp.Status != 200 {
		t.Errorf("%d %s", resp.Status, resp.Body)
	}
	if r := g.cli(t, "keygate", "revoke", k.ID); r.Code != 0 {
		t.Errorf("revoke: %s", r.Stderr)
	}
}

// lint finds the keys that a route costs too much.
func TestLintFindsWhatKeysCannotPay(t *testing.T) {
	t.Parallel()
	g, _ := startSite(t) // POST /v1/ai/* costs 5
	poor, token := g.createKey(t, "--scope", "ai:generate", "--per-minute", "4")
	g.createKey(t, "--scope", "ai:generate")
	g.createKey(t, "--scope", "posts:read", "--per-minute", "4")
	denied(t, g.do(t, "POST", "/v1/ai/images", "{}", bearer(token)), 429, "cost_too_high")
	tooCostly := func(args ...string) string {
		t.Helper()
		r := g.cli(t, append([]string{"keygate", "lint"}, args...)...)
		var found bytes.Buffer
		for line := range strings.Lines(r.Stdout) {
			if strings.Contains(line, "cost_too_high") {
				found.WriteString(line)
			}
		}
		return found.String()
	}
	if got := tooCostly("Caddyfile"); got != "" {
		t.Errorf("without keys: %s", got)
	}
	if got := tooCostly("Caddyfile", "--address", g.Admin); !strings.Contains(got, "Caddyfile:19: cost_too_high: POST /v1/ai/* costs 5, more than these keys can ever pay: "+poor.ID+", whose burst is 4; lower") {
		t.Errorf("with keys: %s", got)
	}
	if r := g.cli(t, "keygate", "update", poor.ID, "--per-minute", "5"); r.Code != 0 {
		t.Fatal(r.Stderr)
	}
	if got := tooCostly("Caddyfile", "--address", g.Admin); got != "" {
		t.Errorf("after the advice: %s", got)
	}
	if resp := g.do(t, "POST", "/v1/ai/images", "{}", bearer(token)); strings.Contains(resp.Body, "cost_too_high") {
		t.Errorf("%d %s", resp.Status, resp.Body)
	}
	g.writeConfig(t, strings.Replace(siteWith(), bboltStore, bboltStore+"\n\t\tworkspace_limits 3/min", 1))
	if got := tooCostly("Caddyfile"); !strings.Contains(got, "the burst of workspace_limits is 3") {
		t.Errorf("with limits of workspaces: %s", got)
	}
}
