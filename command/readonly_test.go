package command

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	bolt "go.etcd.io/bbolt"

	"github.com/socialpatra/keygate/command/term"
	"github.com/socialpatra/keygate/internal/goldentest"
)

// Which commands of a store file change it. ID is a key, TOKEN a file with a token
// in it, and NEW a file that does not exist.
var (
	readingCommands = []string{
		"list", "list --status active --json", "show ID", "audit", "audit --key ID", "usage ID", "review", "review --json", "scopes", "explain ID --method GET --path /v1/posts",
		"explain - --method GET --path /v1/posts", "workspace", "workspace acme", "check", "check --json", "export", "export NEW", "backup NEW",
		"health", "health --json",
	}
	findingCommands  = []string{"scan TOKEN", "lint CONFIG", "doctor", "routes", "show AAAAAAAAAAAA"} // these read too, and may fail
	changingCommands = []string{
		"create --workspace acme --name x --scope a:b", "update ID --name y", "rotate ID", "disable ID", "enable ID", "revoke ID", "delete ID --yes",
		"workspace acme --per-day 5", "check --mend", "leaked TOKEN --then disable", "import KEYS", "compact",
	}
	otherCommands = []string{"restore", "init"} // put another file there
)

// storeOfSchema makes a store file with keys, as Keygates of that schema made it.
func storeOfSchema(t *testing.T, schema uint32) (path, id string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "keygate.db")
	if schema == 1 {
		content := goldentest.Unpacked(t, "../keystore/testdata/schema1.db.gz")
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path, firstID(t, path)
	}
	id = newKey(t, "--db", path)
	newKey(t, "--db", path)
	added := map[uint32][]string{4: {"audit_by_workspace"}, 5: {"seen", "webhooks"}, 6: {"journal", "journal_settled"}}
	db, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bolt.Tx) error {
		for v := schema + 1; v <= 6; v++ {
			for _, name := range added[v] {
				if err := tx.DeleteBucket([]byte(name)); err != nil {
					return err
				}
			}
		}
		if schema < 4 {
			byKey := tx.Bucket([]byte("audit_by_key"))
			var names [][]byte
			err := byKey.ForEach(func(name, _ []byte) error { names = append(names, bytes.Clone(name)); return nil })
			for _, name := range names {
				err = errors.Join(err, byKey.Put(name, nil))
			}
			if err != nil {
				return err
			}
		}
		return tx.Bucket([]byte("meta")).Put([]byte("schema"), binary.BigEndian.AppendUint32(nil, schema))
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	return path, id
}

func firstID(t *testing.T, path string) (id string) {
	t.Helper()
	db, err := bolt.Open(path, 0o600, &bolt.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	err = db.View(func(tx *bolt.Tx) error {
		name, _ := tx.Bucket([]byte("keys")).Cursor().First()
		id = string(name)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func schemaIn(t *testing.T, path string) (schema uint32) {
	t.Helper()
	db, err := bolt.Open(path, 0o600, &bolt.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	err = db.View(func(tx *bolt.Tx) error {
		schema = binary.BigEndian.Uint32(tx.Bucket([]byte("meta")).Get([]byte("schema")))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// argumentsFor puts files of a test in place of their names.
func argumentsFor(t *testing.T, command, path, id string) []string {
	t.Helper()
	dir := t.TempDir()
	files := map[string]string{
		"TOKEN":  someToken + "\n",
		"CONFIG": ":80 {\n\tkeygate {\n\t\tscope posts:read GET /v1/posts\n\t}\n}\n",
		"KEYS":   `{"workspace":"acme","name":"z","scopes":["a:b"],"sha256":"` + strings.Repeat("ab", 32) + `"}` + "\n",
	}
	args := strings.Fields(command)
	for i, arg := range args {
		switch text, ok := files[arg]; {
		case arg == "ID":
			args[i] = id
		case arg == "NEW":
			args[i] = filepath.Join(dir, "new")
		case ok:
			args[i] = filepath.Join(dir, map[string]string{"TOKEN": "token.txt", "CONFIG": "Caddyfile", "KEYS": "keys.jsonl"}[arg])
			if err := os.WriteFile(args[i], []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	return append(args, "--db", path)
}

// Commands that only read change no byte of a store file and not its times, of
// whatever schema it is, even if they fail. So whoever looks at a backup from
// before an upgrade can still go back to it.
func TestReadingCommandsChangeNoByte(t *testing.T) {
	for schema := uint32(1); schema <= 6; schema++ {
		for _, command := range slices.Concat(readingCommands, findingCommands) {
			t.Run(fmt.Sprint(schema, " ", command), func(t *testing.T) {
				path, id := storeOfSchema(t, schema)
				long := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
				if err := os.Chtimes(path, long, long); err != nil {
					t.Fatal(err)
				}
				before, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				o := person{types: someToken}.run(argumentsFor(t, command, path, id)...)
				if strings.Contains(o.stderr, "upgrade") {
					t.Errorf("it says: %s", o.stderr)
				}
				after, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				info, err := os.Stat(path)
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(before, after) || !info.ModTime().Equal(long) {
					t.Errorf("the file has changed: schema %d, modified %s", schemaIn(t, path), info.ModTime())
				}
				if o.failed && !slices.Contains(findingCommands, command) {
					t.Errorf("failed: %s", o.stderr)
				}
			})
		}
	}
}

// What changes a store upgrades it, and says so once. A file of the newest schema
// is not upgraded.
func TestChangingCommandsSayThatTheyUpgrade(t *testing.T) {
	for schema := uint32(1); schema <= 6; schema++ {
		for _, command := range changingCommands {
			t.Run(fmt.Sprint(schema, " ", command), func(t *testing.T) {
				path, id := storeOfSchema(t, schema)
				o := person{types: someToken}.run(argumentsFor(t, command, path, id)...)
				if got := schemaIn(t, path); got != 6 {
					t.Errorf("schema %d: %+v", got, o)
				}
				want := 1
				if schema == 6 {
					want = 0
				}
				line := fmt.Sprintf("upgraded %s from schema %d to 6", path, schema)
				if got := strings.Count(o.stderr, line); got != want {
					t.Errorf("%q is said %d times, want %d: %s", line, got, want, o.stderr)
				}
			})
		}
	}
}

// Each subcommand is known here to read, to change, or to do something else.
func TestCommandsAreKnownToReadOrChange(t *testing.T) {
	keygate := &cobra.Command{Use: "keygate "}
	buildCommand(keygate, &term.Console{})
	for _, sub := range keygate.Commands() {
		known := slices.ContainsFunc(slices.Concat(readingCommands, findingCommands, changingCommands, otherCommands), func(command string) bool {
			name, _, _ := strings.Cut(command, " ")
			return name == sub.Name()
		})
		if !known {
			t.Errorf("%s is in none of the lists", sub.Name())
		}
	}
}
