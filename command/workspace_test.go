package command

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/socialpatra/keygate/adminapi"
	"github.com/socialpatra/keygate/apikey"
)

func TestCommandWorkspaceByEveryDoor(t *testing.T) {
	for i, door := range doors(t) {
		t.Run(door.name, func(t *testing.T) {
			door := doors(t)[i] // with a store of its own
			must := func(args ...string) string {
				return person{}.mustRun(t, append(append([]string{"workspace"}, args...), door.args...)...)
			}
			newKey(t, door.args...)
			shown := func(perMinute, perDay, from string) string {
				return "Workspace    acme\nPer minute   " + perMinute + "\nPer day      " + perDay + "\nFrom         " + from + "\n"
			}
			for _, step := range []struct {
				args []string
				want string
			}{
				{[]string{"acme"}, shown("not limited", "not limited", "no limits over all keys")},
				{[]string{"acme", "--per-minute", "600", "--per-day", "100000"}, shown("600", "100000", "limits of its own")},
				{[]string{"acme", "--per-day", "none"}, shown("600", "not limited", "limits of its own")},
				{[]string{"acme", "--json"}, `{"workspace":"acme","limits":{"per_minute":600,"per_day":null},"source":"own"}` + "\n"},
				{nil, "WORKSPACE  PER MINUTE  PER DAY\nacme       600         not limited\n"},
				{[]string{"--json"}, `{"workspaces":[{"workspace":"acme","limits":{"per_minute":600,"per_day":null},"source":"own"}],"next_cursor":""}` + "\n"},
				{[]string{"acme", "--reset"}, shown("not limited", "not limited", "no limits over all keys")},
			} {
				if got := must(step.args...); got != step.want {
					t.Errorf("workspace %q prints\n%s\nwant\n%s", step.args, got, step.want)
				}
			}
			audit := person{}.mustRun(t, append([]string{"audit"}, door.args...)...)
			if !strings.Contains(audit, "unlimit") || !strings.Contains(audit, "acme") || !strings.Contains(audit, "per_minute 600") {
				t.Errorf("the audit trail shows\n%s", audit)
			}
		})
	}
}

func TestCommandWorkspaceRefuses(t *testing.T) {
	for want, args := range map[string][]string{
		"takes the name of a workspace":       {"--reset"},
		"--reset and limits exclude":          {"acme", "--reset", "--per-day", "1"},
		"is not a whole number":               {"acme", "--per-day", "many"},
		"accepts at most 1 arg":               {"acme", "other"},
		`"-acme" is not a workspace`:          {"--", "-acme"},
		"per_minute: 0 is out of range":       {"acme", "--per-minute", "0"},
		"per_day: 1000000001 is out of range": {"acme", "--per-day", "1000000001"},
	} {
		t.Run(want, func(t *testing.T) {
			door := doors(t)[0]
			newKey(t, door.args...)
			wantRefusal(t, person{}.run(append(append([]string{"workspace"}, door.args...), args...)...), want)
		})
	}
}

func TestCommandHealth(t *testing.T) {
	for i, door := range doors(t) {
		t.Run(door.name, func(t *testing.T) {
			door := doors(t)[i]
			newKey(t, door.args...)
			o := person{}.run(append([]string{"health"}, door.args...)...)
			if told := fmt.Sprintf("process %d has the key store /", os.Getpid()); o.failed || o.stdout != "ready\n" || !strings.HasPrefix(o.stderr, told) || !strings.HasSuffix(o.stderr, "keys.db (bbolt, 1 key)\n") {
				t.Errorf("health: %+v", o)
			}
			var got adminapi.HealthResponse
			if err := json.Unmarshal([]byte(person{}.mustRun(t, append([]string{"health", "--json"}, door.args...)...)), &got); err != nil || got.Status != "ready" || got.PID != os.Getpid() || *got.Store.Keys != 1 {
				t.Errorf("health --json: %+v, %v", got, err)
			}
		})
	}
	wantRefusal(t, person{}.run("health", "--address", "127.0.0.1:1"), "127.0.0.1:1")
}

func TestCommandCompact(t *testing.T) {
	dir := t.TempDir()
	store := dir + "/keys.db"
	wantRefusal(t, person{}.run("compact"), "name the store with --db FILE")
	wantRefusal(t, person{}.run("compact", "--db", store, "--address", "localhost:2019"), "--db excludes --address")
	wantRefusal(t, person{}.run("compact", "--db", store), "no such file")
	id := newKey(t, "--db", store)
	got := person{}.mustRun(t, "compact", "--db", store)
	if !strings.HasPrefix(got, "Compacted "+store+": ") || !strings.HasSuffix(got, " MB (1 key).\n") {
		t.Errorf("compact prints %q", got)
	}
	if got := (person{}).mustRun(t, "compact", "--db", store, "--json"); !strings.HasPrefix(got, `{"file":"`+store+`","keys":1,"before":`) {
		t.Errorf("compact prints %q", got)
	}
	(person{}).mustRun(t, "show", id, "--db", store)
}

func TestCommandInit(t *testing.T) {
	dir := t.TempDir()
	store := dir + "/data/keys.db"
	wantRefusal(t, person{}.run("init"), "name the store with --db FILE")
	wantRefusal(t, person{}.run("init", "--db", store, "--address", "localhost:2019"), "--db excludes --address")
	if _, err := os.Lstat(dir + "/data"); err == nil {
		t.Error("a refused init has made the folder")
	}
	if got := (person{}).mustRun(t, "init", "--db", store); got != "Made an empty store at "+store+".\n" {
		t.Errorf("init prints %q", got)
	}
	wantRefusal(t, person{}.run("init", "--db", store), store+" exists already")
	id := newKey(t, "--db", store)
	wantRefusal(t, person{}.run("init", "--db", store, "--json"), store+" exists already")
	(person{}).mustRun(t, "show", id, "--db", store)
	if got := (person{}).mustRun(t, "init", "--db", dir+"/b.db", "--json"); got != `{"file":"`+dir+`/b.db"}`+"\n" {
		t.Errorf("init prints %q", got)
	}
}

// Who makes a change is who has logged in, unless --by says another; a login name
// that is none is left out, one that was typed is refused.
func TestCommandBy(t *testing.T) {
	for _, test := range []struct {
		login string
		args  []string
		by    string
	}{
		{"ada", nil, "ada"},
		{"ada", []string{"--by", "Grace Hopper"}, "Grace Hopper"},
		{"", nil, ""},
		{"a\nb", nil, ""},
		{"a\nb", []string{"--by", "für 100 %"}, "für 100 %"},
	} {
		for _, door := range doors(t) {
			who := person{login: test.login}
			id := who.newKey(t, append(slices.Clone(door.args), test.args...)...)
			who.mustRun(t, append(append([]string{"revoke", id}, door.args...), test.args...)...)
			var trail adminapi.AuditResponse
			if err := json.Unmarshal([]byte(who.mustRun(t, append([]string{"audit", "--json"}, door.args...)...)), &trail); err != nil || len(trail.Entries) < 2 {
				t.Fatalf("%s: %+v, %v", door.name, trail, err)
			}
			for _, e := range trail.Entries[:2] { // two doors lead to one store
				if e.By != test.by || e.Claimed != (test.by != "") {
					t.Errorf("%s: %+v is in the trail as %+v", door.name, test, e)
				}
			}
			var record apikey.Record
			if err := json.Unmarshal([]byte(who.mustRun(t, append([]string{"show", id, "--json"}, door.args...)...)), &record); err != nil || record.CreatedBy != test.by {
				t.Errorf("%s: %+v made %+v, %v", door.name, test, record, err)
			}
			if shown := who.mustRun(t, append([]string{"show", id}, door.args...)...); strings.Contains(shown, "Created by   "+test.by+"\n") != (test.by != "") {
				t.Errorf("%s: show prints %s", door.name, shown)
			}
			wantRefusal(t, who.run(append([]string{"revoke", id, "--by", "a\nb"}, door.args...)...), "by: has the control character U+000A")
			wantRefusal(t, who.run(append([]string{"revoke", id, "--by", ""}, door.args...)...), "by: is empty")
		}
	}
}
