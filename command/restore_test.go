package command

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/socialpatra/keygate/internal/goldentest"
	"github.com/socialpatra/keygate/keystore"
)

// changedSince returns a store, a backup of it, and keys by what was done to
// them since.
func changedSince(t *testing.T) (store, backup string, ids map[string]string) {
	t.Helper()
	dir := t.TempDir()
	store, backup = filepath.Join(dir, "keys.db"), filepath.Join(dir, "keys.bak")
	db := "--db=" + store
	ids = map[string]string{}
	for _, what := range []string{"revoke", "disable", "delete", "rotate", "nothing"} {
		ids[what] = newKey(t, db)
	}
	person{}.mustRun(t, "backup", backup, db)
	person{}.mustRun(t, "revoke", ids["revoke"], db)
	person{}.mustRun(t, "disable", ids["disable"], db)
	person{}.mustRun(t, "delete", ids["delete"], db, "--yes")
	person{}.mustRun(t, "rotate", ids["rotate"], db)
	return store, backup, ids
}

func TestCommandRestore(t *testing.T) {
	store, backup, ids := changedSince(t)
	o := person{}.run("restore", backup, "--db", store, "--yes")
	kept := store + ".before-restore-20261123T120000Z"
	if want := "Restored 5 keys to " + store + ". The store that was there is " + kept + ".\n"; o.failed || o.stdout != want {
		t.Fatalf("%+v", o)
	}
	for what, did := range map[string]string{
		"revoke":  "revoked",
		"disable": "disabled",
		"delete":  "deleted",
		"rotate":  "set to expire at 2026-11-24T12:00:00Z",
	} {
		if want := "warning: patra_" + ids[what] + " (x, workspace acme) was " + did + " since\n"; strings.Count(o.stderr, want) != 1 {
			t.Errorf("no %q in %s", want, o.stderr)
		}
	}
	for _, want := range []string{
		"the last change in the backup was made 2026-11-23 12:00:00 UTC (just now), in the store 2026-11-23 12:00:00 UTC (just now)\n",
		"warning: 5 changes of the store will be lost\n",
		"warning: 1 key is not in the backup, and will be refused\n",
	} {
		if !strings.Contains(o.stderr, want) {
			t.Errorf("no %q in %s", want, o.stderr)
		}
	}
	if strings.Contains(o.stderr, ids["nothing"]) {
		t.Errorf("the key that nothing happened to is in %s", o.stderr)
	}
	for file, status := range map[string]string{store: "active", kept: "revoked"} {
		if got := (person{}).mustRun(t, "show", ids["revoke"], "--db", file); !strings.Contains(got, "Status       "+status) {
			t.Errorf("%s: %s", file, got)
		}
		if info, err := os.Stat(file); err != nil || info.Mode() != 0o600 {
			t.Errorf("%s: %v, %v", file, info.Mode(), err)
		}
	}
	wantFailure := person{}.run("restore", backup, "--db", store, "--yes")
	if !wantFailure.failed || !strings.Contains(wantFailure.stderr, kept+" exists already") {
		t.Errorf("a second restore in one second: %+v", wantFailure)
	}
}

func TestCommandRestoreAsks(t *testing.T) {
	store, backup, ids := changedSince(t)
	wantRefusal(t, person{}.run("restore", backup, "--db", store), "say --yes")
	for _, answer := range []string{"n\n", ""} {
		o := person{types: answer, answers: true}.run("restore", backup, "--db", store)
		if !o.failed || !strings.Contains(o.stderr, "Put the backup in the place of "+store+"? [y/N] ") || !strings.HasSuffix(o.stderr, "Error: nothing was restored\n") {
			t.Errorf("answer %q: %+v", answer, o)
		}
	}
	if got := (person{}).mustRun(t, "show", ids["revoke"], "--db", store); !strings.Contains(got, "revoked") {
		t.Errorf("restored nevertheless: %s", got)
	}
	if o := (person{types: "y\n", answers: true}).run("restore", backup, "--db", store); o.failed {
		t.Errorf("answer yes: %+v", o)
	}
	if left, err := filepath.Glob(filepath.Join(filepath.Dir(store), ".*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %q, %v", left, err)
	}
}

func TestCommandRestoreRefuses(t *testing.T) {
	store, backup, _ := changedSince(t)
	damaged := filepath.Join(t.TempDir(), "damaged.bak")
	text, err := os.ReadFile(backup)
	if err != nil {
		t.Fatal(err)
	}
	at := strings.LastIndex(string(text), "posts:read")
	text[at] ^= 1
	if err := os.WriteFile(damaged, text, 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		args []string
		want string
	}{
		{"no store named", []string{backup}, "--db FILE"},
		{"a running Caddy", []string{backup, "--db", store, "--address", "localhost:1"}, "--db excludes --address"},
		{"no backup named", []string{"--db", store}, "restore takes the backup to restore, but was given 0"},
		{"no such backup", []string{"does-not-exist", "--db", store}, "does-not-exist"},
		{"the store itself", []string{store, "--db", store}, "is the store itself"},
		{"a folder", []string{backup, "--db", t.TempDir()}, "is not a regular file"},
		{"no store", []string{os.Args[0], "--db", store}, "cannot be restored"},
		{"damaged", []string{damaged, "--db", store}, "cannot be restored"},
	}
	before, err := os.ReadFile(store)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			wantRefusal(t, person{}.run(append([]string{"restore", "--yes"}, test.args...)...), test.want)
		})
	}
	if after, err := os.ReadFile(store); err != nil || string(after) != string(before) {
		t.Errorf("the store changed: %v", err)
	}
	t.Run("in use", func(t *testing.T) {
		held, err := keystore.OpenBolt(store)
		if err != nil {
			t.Fatal(err)
		}
		defer held.Close()
		wantRefusal(t, person{}.run("restore", backup, "--db", store, "--yes"), "in use")
	})
}

// A store that cannot be opened is what backups are for.
func TestCommandRestoreOverDamage(t *testing.T) {
	store, backup, ids := changedSince(t)
	if err := os.WriteFile(store, []byte(strings.Repeat("garbage ", 4096)), 0o600); err != nil {
		t.Fatal(err)
	}
	if o := (person{}).run("restore", backup, "--db", store, "--yes"); o.failed || !strings.Contains(o.stderr, "warning: what changed since the backup cannot be told: ") {
		t.Fatalf("%+v", o)
	}
	person{}.mustRun(t, "show", ids["delete"], "--db", store)
}

// TestCommandRestoreKeepsTheSchema restores what an older Keygate made, as an
// upgrade that is taken back does: it must be able to read it.
func TestCommandRestoreKeepsTheSchema(t *testing.T) {
	content := goldentest.Unpacked(t, "../keystore/testdata/schema1.db.gz")
	backup, store := filepath.Join(t.TempDir(), "keys.bak"), filepath.Join(t.TempDir(), "keys.db")
	if err := os.WriteFile(backup, content, 0o600); err != nil {
		t.Fatal(err)
	}
	if o := (person{}).run("restore", backup, "--db", store, "--yes"); o.failed {
		t.Fatal(o.stderr)
	}
	if restored, err := os.ReadFile(store); err != nil || !bytes.Equal(restored, content) {
		t.Errorf("what was restored is not the backup, byte for byte (%v)", err)
	}
}

// Where there are no links, the store that is replaced is copied, and has its name
// until the backup has it.
func TestStoreIsKeptWithoutLinks(t *testing.T) {
	dir := t.TempDir()
	store, kept := filepath.Join(dir, "keys.db"), filepath.Join(dir, "keys.db.before")
	newKey(t, "--db="+store)
	info, err := os.Lstat(store)
	if err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(store)
	if err != nil {
		t.Fatal(err)
	}
	noLinks := func(string, string) error { return errors.ErrUnsupported }
	if err := keepAs(noLinks, &replaced{path: store, exists: true, info: info}, kept); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{store, kept} {
		if got, err := os.ReadFile(file); err != nil || !bytes.Equal(got, before) {
			t.Errorf("%s: %d bytes, %v; want %d", file, len(got), err, len(before))
		}
		if info, err := os.Lstat(file); err != nil || info.Mode() != 0o600 {
			t.Errorf("%s: %v, %v", file, info.Mode(), err)
		}
	}
	if err := keepAs(noLinks, &replaced{path: store, exists: true, info: info}, kept); err == nil {
		t.Error("what was kept before is replaced")
	}
}
