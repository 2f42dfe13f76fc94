package command

import (
	"bytes"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/socialpatra/keygate/adminapi"
	"github.com/socialpatra/keygate/command/term"
	"github.com/socialpatra/keygate/keystore"
)

var cliNow = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// person is who runs commands in a test.
type person struct {
	types   string // on stdin
	answers bool   // stdin is a terminal
	width   int
	watched int // width of the terminal that stderr is
	colour  bool
	login   string
}

type outcome struct {
	stdout, stderr string
	failed         bool // exit status 1
}

// run runs `caddy keygate` as Caddy's main does, but for the process.
func (p person) run(args ...string) outcome {
	return p.runCaddy(append([]string{"keygate"}, args...)...)
}

// runCaddy runs `caddy` with keygate as its only subcommand.
func (p person) runCaddy(args ...string) outcome {
	var out, errs bytes.Buffer
	root := &cobra.Command{Use: "caddy", SilenceUsage: true}
	root.SetOut(&out)
	root.SetErr(&errs)
	keygate := &cobra.Command{Use: "keygate "}
	buildCommand(keygate, &term.Console{
		In: strings.NewReader(p.types), Out: &out, Err: &errs,
		Answers: p.answers, Width: p.width, Watched: p.watched, Colour: p.colour,
		Now: func() time.Time { return cliNow }, User: p.login,
	})
	root.AddCommand(keygate)
	root.SetArgs(args)
	err := root.Execute()
	return outcome{out.String(), errs.String(), err != nil}
}

// mustRun is run of what must be done without a word on stderr.
func (p person) mustRun(t *testing.T, args ...string) string {
	t.Helper()
	o := p.run(args...)
	if o.failed || o.stderr != "" {
		t.Fatalf("caddy keygate %q: failed %v, stderr %q", args, o.failed, o.stderr)
	}
	return o.stdout
}

// wantRefusal checks that a command failed with one line that holds want.
func wantRefusal(t *testing.T, o outcome, want string) {
	t.Helper()
	if !o.failed {
		t.Errorf("exit status 0, want 1; stdout %q", o.stdout)
	}
	if o.stdout != "" {
		t.Errorf("stdout %q, want nothing", o.stdout)
	}
	if strings.Count(o.stderr, "\n") != 1 || !strings.HasSuffix(o.stderr, "\n") {
		t.Errorf("stderr is not one line: %q", o.stderr)
	}
	if !strings.Contains(o.stderr, want) {
		t.Errorf("stderr %q, want %q in it", o.stderr, want)
	}
}

const someToken = "patra_7Hk2Qp9aX3bC_0123456789ABCDEFGHIJKLMNOPQRSTUV2YI9hn"

func TestCommandRefusesUsage(t *testing.T) {
	tests := []struct {
		name string
		args []string
		want string
	}{
		{"subcommand", []string{"frobnicate"}, `"frobnicate" is not a subcommand; see caddy keygate --help`},
		{"near subcommand", []string{"lst"}, `"lst" is not a subcommand (did you mean list?)`},
		{"control characters", []string{"a\nb\x1b]0;pwn\a"}, `"a\nb\x1b]0;pwn\a" is not a subcommand`},
		{"unknown flag", []string{"list", "--frobnicate"}, "unknown flag: --frobnicate; see caddy keygate list --help"},
		{"flag without value", []string{"create", "--name"}, "flag needs an argument: --name; see caddy keygate create --help"},
		{"number", []string{"create", "--per-minute", "many"}, "per_minute: is not a whole number; accepted: 1 to 1,000,000"},
		{"fraction", []string{"create", "--expires-in-days", "1.5"}, "expires_in_days: is not a whole number; accepted: 1 to 3650"},
		{"huge number", []string{"create", "--per-day", "99999999999999999999"}, "per_day: is not a whole number"},
		{"not UTF-8", []string{"create", "--name", "a\xff"}, "name: is not valid UTF-8"},
		{"scope not UTF-8", []string{"create", "--scope", "a\xff"}, "scopes: is not valid UTF-8"},
		{"empty db", []string{"list", "--db", ""}, "--db: is empty"},
		{"empty address", []string{"list", "--address="}, "--address: is empty"},
		{"limit zero", []string{"list", "--limit", "0"}, "--limit: 0 is out of range; accepted: 1 or more"},
		{"filter twice", []string{"list", "--expiring", "30d", "--expiring", "7d"}, "--expiring: is given more than once; accepted: once"},
		{"argument", []string{"create", "acme"}, `create takes flags only, but was given "acme"`},
		{"no ID", []string{"show"}, "show takes one key ID, but was given 0"},
		{"two IDs", []string{"revoke", "7Hk2Qp9aX3bC", "7Hk2Qp9aX3bD"}, "revoke takes one key ID, but was given 2"},
		{"not an ID", []string{"show", "../scopes"}, `id: "../scopes" is not a key ID`},
		{"quiet and JSON", []string{"create", "-q", "--json"}, "--quiet and --json exclude each other"},
		{"db and address", []string{"list", "--db", "x", "--address", "localhost:1"}, "--db excludes --address"},
		{"db and config", []string{"list", "--db", "x", "--config", "x"}, "--db excludes"},
		{"adapter alone", []string{"list", "--adapter", "caddyfile"}, "--config"},
		{"no config file", []string{"list", "--config", "does-not-exist"}, "does-not-exist"},
		{"address", []string{"list", "--address", "unix//a:b:c|9"}, "the admin address"},
		{"address range", []string{"list", "--address", "localhost:1-9"}, "range of ports"},
		{"address of descriptor", []string{"list", "--address", "fd/3"}, "file descriptor"},
		{"no store", []string{"list", "--db", "does-not-exist"}, "there is no key store at does-not-exist"},
		{"nobody to ask", []string{"delete", "7Hk2Qp9aX3bC"}, "say --yes"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			wantRefusal(t, person{}.run(test.args...), test.want)
		})
	}
}

// A token may be typed anywhere by mistake, and must never be repeated.
func TestCommandRepeatsNoToken(t *testing.T) {
	file := filepath.Join(t.TempDir(), "keys.db")
	for _, args := range [][]string{
		{someToken},
		{"show", someToken},
		{"revoke", someToken},
		{"delete", someToken, "--yes"},
		{"list", someToken},
		{"create", "--per-minute", someToken},
		{"create", "--" + someToken},
		{"create", "-" + someToken},
		{"create", "--allow-unknown-scope=" + someToken},
		{"list", "--db", file, "--workspace", someToken},
		{"list", "--db", file, "--status", someToken},
		{"list", "--db", file, "--scope", someToken},
		{"list", "--db", file, "--created-by", someToken},
		{"list", "--db", file, "--name", someToken},
		{"list", "--db", file, "--expiring", someToken},
		{"list", "--db", file, "--idle", someToken},
		{"list", "--db", file, "--sort", someToken},
		{"list", "--address", someToken},
		{"list", "--config", someToken},
		{"list", "--db", someToken},
		{"create", "--db", file, "--workspace", someToken, "--name", "x", "--scope", "posts:read"},
		{"create", "--db", file, "--workspace", "x", "--name", someToken, "--scope", "posts:read"},
		{"create", "--db", file, "--workspace", "x", "--name", "x", "--scope", someToken},
		{"create", "--db", file, "--workspace", "x", "--name", "x", "--scope", "posts:read", "--ip", someToken},
		{"create", "--db", file, "--workspace", "x", "--name", "x", "--scope", "posts:read", "--origin", someToken},
		{"create", "--db", file, "--workspace", "x", "--name", "x", "--scope", "posts:read", "--expires-at", someToken},
	} {
		o := person{}.run(args...)
		wantRefusal(t, o, "")
		if strings.Contains(o.stderr, someToken[len(someToken)-12:]) {
			t.Errorf("%q repeats the token: %s", args, o.stderr)
		}
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("refused creations made a store")
	}
}

func TestCommandHelp(t *testing.T) {
	help := person{}.mustRun(t)
	if !strings.Contains(help, "caddy keygate create --workspace") {
		t.Errorf("caddy keygate alone prints %q", help)
	}
	root := &cobra.Command{Use: "keygate"}
	buildCommand(root, &term.Console{})
	if len(root.Commands()) < 6 {
		t.Errorf("%d subcommands", len(root.Commands()))
	}
	for _, cmd := range root.Commands() {
		t.Run(cmd.Name(), func(t *testing.T) {
			help := person{}.mustRun(t, cmd.Name(), "-h")
			if cmd.Long == "" || !strings.Contains(help, cmd.Long) {
				t.Errorf("no description in %q", help)
			}
			if !strings.Contains(cmd.Example, "$ caddy keygate "+cmd.Name()) || !strings.Contains(help, cmd.Example) {
				t.Errorf("no example in %q", help)
			}
		})
	}
}

// openStore opens a new store.
func openStore(t *testing.T) *keystore.Bolt {
	t.Helper()
	store, err := keystore.OpenBolt(filepath.Join(t.TempDir(), "data", "keys.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return store
}

// serveStore serves the admin API on a store, and returns its address.
func serveStore(t *testing.T, store keystore.Store) (address string) {
	t.Helper()
	server := httptest.NewServer(adminapi.New(adminapi.Options{Store: store, Brand: "patra", Now: func() time.Time { return cliNow }}))
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

// importedKeyID is a key that completeArgs speaks of.
const importedKeyID = "7Hk2Qp9aX3bC"
