package command

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/command/term"
	"github.com/socialpatra/keygate/internal/apitest"
	"github.com/socialpatra/keygate/keystore"
	"github.com/socialpatra/keygate/keystore/storetest"
)

// An error names what it is about once, however many layers have wrapped it.
func TestCommandErrorsNameTheKeyOnce(t *testing.T) {
	store := &storetest.Failing{Store: openStore(t)}
	at := serveStore(t, store)
	t.Chdir(t.TempDir())
	if err := os.WriteFile("keys.jsonl", []byte(strings.Replace(apitest.OpaqueLine("x"), `{`, `{"id":"`+importedKeyID+`",`, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	id, err := apikey.ParseID(importedKeyID)
	if err != nil {
		t.Fatal(err)
	}
	refusals := []error{
		fmt.Errorf("%s: %w", id, keystore.ErrNotFound),
		&keystore.ExistsError{ID: id},
		&keystore.ExistsError{ID: id, SameHash: apikey.NewID()},
		fmt.Errorf("the record of key %s: %w: its checksum does not match", id, keystore.ErrDamaged),
		fmt.Errorf("%w: the disk is full", keystore.ErrNotWritten),
	}
	for _, refusal := range refusals {
		for _, method := range storetest.FailingMethods() {
			store.Method, store.Err = method, refusal
			for name, args := range completeArgs {
				if name == "restore" || name == "init" || name == "compact" || name == "lint" {
					continue // of files
				}
				o := person{}.run(append([]string{name, "--address", at}, args...)...)
				if n := strings.Count(o.stderr, importedKeyID); n > 1 {
					t.Errorf("%s with %s failing names the key %d times: %s", name, method, n, o.stderr)
				}
				if n := strings.Count(o.stderr, "no such key"); n > 1 {
					t.Errorf("%s says %d times that there is none: %s", name, n, o.stderr)
				}
			}
		}
	}
	store.Method, store.Store = "", openStore(t)
	if err := os.MkdirAll("data", 0o700); err != nil {
		t.Fatal(err)
	}
	person{}.mustRun(t, "create", "--address", at, "--workspace", "a", "--name", "n", "--scope", "posts:read")
	person{}.run("create", "--db", "data/keys.db", "--workspace", "a", "--name", "n", "--scope", "posts:read")
	for _, name := range []string{"show", "update", "rotate", "disable", "enable", "revoke", "delete", "explain", "usage"} {
		for _, place := range [][]string{{"--address", at}, {"--db", "data/keys.db"}} {
			o := person{}.run(append(append([]string{name}, completeArgs[name]...), place...)...)
			wantRefusal(t, o, importedKeyID+": no such key; caddy keygate list shows those that there are")
			if strings.Count(o.stderr, importedKeyID) != 1 {
				t.Errorf("%s %v: %s", name, place, o.stderr)
			}
		}
	}
}

func TestCommandErrorsNameTheFileOnce(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	garbage := filepath.Join(dir, "garbage.db")
	for path, text := range map[string]string{file: "", garbage: strings.Repeat("x", 99999)} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	link := filepath.Join(dir, "link.db")
	if err := os.Symlink(garbage, link); err != nil {
		t.Fatal(err)
	}
	paths := []string{filepath.Join(dir, "none.db"), filepath.Join(file, "below.db"), filepath.Join(dir, strings.Repeat("n", 300)), dir, file, garbage, link, "nul\x00.db"}
	for _, path := range paths {
		for _, args := range [][]string{
			{"list", "--db", path},
			{"check", "--db", path},
			{"compact", "--db", path},
			{"init", "--db", path},
			{"restore", path, "--yes", "--db", filepath.Join(dir, "new.db")},
			{"restore", garbage, "--yes", "--db", path},
		} {
			o := person{}.run(args...)
			if shown := term.Visible(path); strings.Count(o.stderr, shown) > 1 {
				t.Errorf("%q: %s", args, o.stderr)
			}
		}
		for name, err := range map[string]error{
			"open":   errOf(keystore.OpenBolt(path)),
			"verify": errOf(keystore.VerifyFile(path)),
			"read":   errOf(keystore.ReadBolt(path)),
			"path":   keystore.CheckPath(path),
		} {
			if err != nil && strings.Count(err.Error(), path) > 1 {
				t.Errorf("%s: %v", name, err)
			}
		}
		os.Remove(filepath.Join(dir, "none.db"))
	}
}

func errOf[T any](_ T, err error) error { return err }
