package command

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/socialpatra/keygate/adminapi"
	"github.com/socialpatra/keygate/apikey"
)

// newKey creates a key and returns its ID.
func newKey(t *testing.T, args ...string) string {
	t.Helper()
	return person{}.newKey(t, args...)
}

func (p person) newKey(t *testing.T, args ...string) string {
	t.Helper()
	o := p.run(append([]string{"create", "--workspace", "acme", "--name", "x", "--scope", "posts:read", "-q"}, args...)...)
	id, ok := apikey.Parse("patra", strings.TrimSpace(o.stdout))
	if !ok {
		t.Fatalf("no token: %+v", o)
	}
	return id.String()
}

func TestCommandUpdateRefuses(t *testing.T) {
	const id = "7Hk2Qp9aX3bC"
	tests := []struct {
		name string
		args []string
		want string
	}{
		{"nothing", nil, "nothing to change; name it with --name, "},
		{"nothing but a permission", []string{"--allow-unknown-scope"}, "nothing to change"},
		{"two expiries", []string{"--expires-in-days", "1", "--expires-at", "2027-01-01T00:00:00Z"}, "--expires-in-days and --expires-at exclude each other"},
		{"never in days", []string{"--never-expires", "--expires-in-days", "1"}, "--never-expires and --expires-in-days exclude"},
		{"never at a time", []string{"--never-expires", "--expires-at", "2027-01-01T00:00:00Z"}, "--never-expires and --expires-at exclude"},
		{"no origin", []string{"--no-origins", "--origin", "https://a.example"}, "--no-origins and --origin exclude"},
		{"no IP", []string{"--no-ips", "--ip", "203.0.113.7"}, "--no-ips and --ip exclude"},
		{"workspace", []string{"--workspace", "other"}, "unknown flag: --workspace"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			wantRefusal(t, person{}.run(append([]string{"update", id}, test.args...)...), test.want)
		})
	}
}

// What an admin does with a key is the same by every door.
func TestCommandManagesByEveryDoor(t *testing.T) {
	for i, door := range doors(t) {
		t.Run(door.name, func(t *testing.T) {
			door := doors(t)[i] // with a store of its own
			run := func(args ...string) outcome { return person{}.run(append(args, door.args...)...) }
			must := func(args ...string) string { return person{}.mustRun(t, append(args, door.args...)...) }
			id := newKey(t, append(door.args, "--origin", "https://a.example", "--ip", "203.0.113.7", "--expires-in-days", "9")...)

			shown := must("update", id, "--never-expires", "--no-origins", "--no-ips", "--description", "d", "--per-minute", "7")
			for _, want := range []string{"Expires      never\n", "Origins      any\n", "IPs          any\n", "Description  d\n", "Limits       7 per minute, 7 at once, 10000 per day\n"} {
				if !strings.Contains(shown, want) {
					t.Errorf("update shows no %q in %s", want, shown)
				}
			}
			if got := must("disable", id); got != "Disabled patra_"+id+" (x, workspace acme).\n" {
				t.Errorf("disable: %q", got)
			}
			if got := must("enable", id); got != "Enabled patra_"+id+" (x, workspace acme).\n" {
				t.Errorf("enable: %q", got)
			}
			rotated := must("rotate", id, "--overlap", "48h")
			if tokens := tokenForm.FindAllString(rotated, -1); len(tokens) != 1 || !strings.Contains(rotated, "\n"+tokens[0]+"\n") {
				t.Errorf("the token is not once, alone on its line: %s", rotated)
			}
			if want := "The old key, patra_" + id + ", works until 2026-11-25 12:00:00 UTC (in 2 days).\nTo see when it was last used: caddy keygate show " + id + "\n"; !strings.HasSuffix(rotated, want) {
				t.Errorf("rotate: %s", rotated)
			}
			wantRefusal(t, run("rotate", id), "rotated already")
			second := newKey(t, door.args...)
			if got := must("rotate", second, "--overlap=0s"); !strings.HasSuffix(got, "The old key, patra_"+second+", does not work any more.\n") {
				t.Errorf("rotate at once: %s", got)
			}
			third := newKey(t, door.args...)
			if got := must("rotate", third, "-q"); !tokenForm.MatchString(got) || strings.Count(got, "\n") != 1 {
				t.Errorf("rotate -q: %q", got)
			}
			wantRefusal(t, run("rotate", third, "--overlap", "soon"), "overlap: ")
			must("revoke", id)
			for _, refused := range [][]string{{"enable", id}, {"update", id, "--name", "y"}} {
				wantRefusal(t, run(refused...), "revoked")
			}

			audited := must("audit", "--key", "patra_"+id, "--limit", "100")
			for _, action := range []string{"create", "update", "disable", "enable", "rotate", "revoke"} {
				if strings.Count(audited, "  "+action+" ") != 1 {
					t.Errorf("no %s in %s", action, audited)
				}
			}
			if o := run("audit", "--limit", "1"); strings.Count(o.stdout, "2026-11-23") < 1 || o.stderr != "more changes follow; raise --limit to see them\n" || o.failed {
				t.Errorf("audit --limit 1: %+v", o)
			}
			var trail adminapi.AuditResponse
			if err := json.Unmarshal([]byte(must("audit", "--json")), &trail); err != nil || len(trail.Entries) < 10 || trail.NextCursor != "" {
				t.Errorf("audit --json: %+v, %v", trail, err)
			}
			if o := run("usage", id); o.stderr != "no use on these days\n" || o.failed || o.stdout != "" {
				t.Errorf("usage: %+v", o)
			}
			if got := must("usage", id, "--days", "9", "--json"); got != `{"days":[]}`+"\n" {
				t.Errorf("usage --json: %s", got)
			}
			wantRefusal(t, run("usage", id, "--days", "401"), "days: ")
			if got := must("check"); got != "All is well: 6 keys.\n" {
				t.Errorf("check: %s", got)
			}
		})
	}
}

// Keys move from one store to another, and backups are whole, by every door.
func TestCommandMovesByEveryDoor(t *testing.T) {
	for i, door := range doors(t) {
		t.Run(door.name, func(t *testing.T) {
			door := doors(t)[i] // with a store of its own
			dir := t.TempDir()
			file := func(name string) string { return filepath.Join(dir, name) }
			run := func(args ...string) outcome { return person{}.run(append(args, door.args...)...) }
			must := func(args ...string) string { return person{}.mustRun(t, append(args, door.args...)...) }
			id := newKey(t, door.args...)
			newKey(t, door.args...)

			if got := must("export", file("keys.jsonl")); got != "Exported 2 keys to "+file("keys.jsonl")+".\n" {
				t.Errorf("export: %q", got)
			}
			exported, err := os.ReadFile(file("keys.jsonl"))
			if err != nil || strings.Count(string(exported), `"hash":"sha256:`) != 2 {
				t.Fatalf("export: %s, %v", exported, err)
			}
			for _, args := range [][]string{{"export"}, {"export", "-"}} {
				if got := must(args...); got != string(exported) {
					t.Errorf("%q: %s", args, got)
				}
			}
			if o := (person{}).run("import", file("keys.jsonl"), "--db", file("new.db")); o.stdout != "Imported 2 keys.\n" || o.failed {
				t.Errorf("import: %+v", o)
			}
			person{}.mustRun(t, "show", id, "--db", file("new.db"))

			two := strings.Replace(string(exported), id, "000000000001", 2) + "{}\n"
			for _, test := range []struct {
				args   []string
				stdout string
				stderr string
			}{
				{nil, "", "refused, so nothing was imported"},
				{[]string{"--keep-going"}, "Imported 1 key.\n", "2 lines were refused, all others were imported"},
			} {
				o := person{types: two}.run(append(append([]string{"import", "-"}, test.args...), door.args...)...)
				if !o.failed || o.stdout != test.stdout || !strings.Contains(o.stderr, test.stderr) || !strings.Contains(o.stderr, "line 3: ") {
					t.Errorf("import %q: %+v", test.args, o)
				}
			}

			must("backup", file("keys.bak"))
			if got := must("check"); got != "All is well: 3 keys.\n" {
				t.Errorf("check: %s", got)
			}
			whole, err := os.ReadFile(file("keys.bak"))
			if err != nil {
				t.Fatal(err)
			}
			if got := must("backup", "-"); len(got) != len(whole) {
				t.Errorf("backup -: %d bytes, want %d", len(got), len(whole))
			}
			for _, name := range []string{"keys.bak", "keys.jsonl"} {
				if info, err := os.Stat(file(name)); err != nil || info.Mode() != 0o600 {
					t.Errorf("%s: %v, %v", name, info.Mode(), err)
				}
				wantRefusal(t, run("backup", file(name)), name+" exists already")
				wantRefusal(t, run("export", file(name)), name+" exists already")
			}
			if left, err := filepath.Glob(file(".*")); err != nil || len(left) > 0 {
				t.Errorf("left behind: %q, %v", left, err)
			}
			if got := (person{}).mustRun(t, "list", "--db", file("keys.bak")); strings.Count(got, "patra_") != 3 {
				t.Errorf("the backup has %s", got)
			}
		})
	}
}
