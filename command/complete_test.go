package command

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/internal/keyfields"
	"github.com/socialpatra/keygate/keystore"
)

// completions returns what the shell is offered, without descriptions, and
// the directive.
func completions(t *testing.T, args ...string) (values []string, text string) {
	t.Helper()
	o := person{}.runCaddy(append([]string{"__complete", "keygate"}, args...)...)
	for line := range strings.Lines(o.stdout) {
		value, _, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		values = append(values, value)
	}
	return values, o.stdout
}

func TestCompletion(t *testing.T) {
	db := "--db=" + filepath.Join(t.TempDir(), "keys.db")
	first, second := newKey(t, db), newKey(t, db)
	both := []string{min(first, second), max(first, second), ":4"}
	const noFiles = ":4"
	tests := []struct {
		name string
		args []string
		want []string
	}{
		{"all", []string{"show", db, ""}, both},
		{"begun", []string{"update", db, first[:6]}, []string{first, noFiles}},
		{"whole", []string{"rotate", db, first}, []string{first, noFiles}},
		{"prefix", []string{"disable", db, "patra_" + first[:5]}, []string{"patra_" + first, noFiles}},
		{"second argument", []string{"revoke", db, first, ""}, []string{noFiles}},
		{"flag", []string{"audit", db, "--key", second[:6]}, []string{second, noFiles}},
		{"nonsense", []string{"usage", db, "../x"}, []string{noFiles}},
		{"token", []string{"usage", db, someToken}, []string{noFiles}},
		{"no store", []string{"show", "--db=does-not-exist", ""}, []string{noFiles}},
		{"no Caddy", []string{"show", "--address=unix//does/not/exist.sock", ""}, []string{noFiles}},
		{"scope", []string{"create", db, "--scope", "posts:r"}, []string{"posts:read", noFiles}},
		{"second scope", []string{"create", db, "--scope", "posts:read,posts:r"}, []string{noFiles}},
		{"scopes", []string{"update", db, "--scope", "posts:read,media:"}, []string{"posts:read,media:upload", noFiles}},
		{"scope without Caddy", []string{"create", "--address=unix//does/not/exist.sock", "--scope", "ai"}, []string{"ai:generate", noFiles}},
		{"order", []string{"list", "--sort", ""}, []string{"name", "created", "expires", "last-used", noFiles}},
		{"status", []string{"list", "--status", ""}, []string{string(apikey.Active), string(apikey.Disabled), string(apikey.Expired), string(apikey.Revoked), noFiles}},
		{"workspace", []string{"list", db, "--workspace", "a"}, []string{"acme", noFiles}},
		{"name", []string{"create", "--name", ""}, []string{noFiles}},
		{"file", []string{"backup", ""}, []string{":0"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, text := completions(t, test.args...)
			if strings.Join(got, " ") != strings.Join(test.want, " ") {
				t.Errorf("got %q, want %q", got, test.want)
			}
			if strings.Contains(text, "Error") {
				t.Errorf("not silent: %s", text)
			}
		})
	}
	if _, text := completions(t, "show", db, first); !strings.Contains(text, first+"\tx (acme)\n") {
		t.Errorf("no description in %q", text)
	}
}

// Every key is completed, whatever its ID ends in, by all of it and by any
// beginning.
func TestCompletionFindsEveryID(t *testing.T) {
	store := openStore(t)
	var keys []apikey.Key
	for _, id := range []string{
		"000000000000", "000000000001", "00000000000z", "100000000000", "5JHKGgxBHTN0", "5JHKGgxBHTNA", "5JHKGgxBHTNZ", "5JHKGgxBHTNa",
		"A00000000000", "AZzzzzzzzzzz", "Z00000000000", "a00000000000", "zzzzzzzzzzz0", "zzzzzzzzzzzz",
	} {
		keys = append(keys, keyfields.Plain(sampleID(id)))
	}
	if err := store.CreateAll(keys, keystore.Actor{At: cliNow, Via: "test"}, nil); err != nil {
		t.Fatal(err)
	}
	at := "--address=" + serveStore(t, store)
	for _, k := range keys {
		id := k.ID.String()
		for n := 1; n <= len(id); n++ {
			if got, _ := completions(t, "show", at, id[:n]); !slices.Contains(got, id) {
				t.Errorf("%q is completed to %q, without %s", id[:n], got, id)
			}
		}
	}
}
