package command

import (
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/socialpatra/keygate/command/term"
	"github.com/socialpatra/keygate/internal/apitest"
)

// completeArgs are arguments with which each subcommand does something.
var completeArgs = map[string][]string{
	"create": {"--workspace", "acme", "--name", "n", "--scope", "posts:read"}, "list": {}, "show": {importedKeyID},
	"update": {importedKeyID, "--per-day", "7"}, "rotate": {importedKeyID}, "disable": {importedKeyID}, "enable": {importedKeyID},
	"revoke": {importedKeyID}, "delete": {importedKeyID, "--yes"}, "explain": {importedKeyID, "--method", "GET", "--path", "/"},
	"usage": {importedKeyID}, "review": {}, "scopes": {}, "routes": {}, "lint": {}, "workspace": {"acme"}, "audit": {}, "backup": {"backup.db"},
	"restore": {"backup.db", "--yes"}, "init": {}, "check": {}, "compact": {}, "health": {}, "doctor": {}, "export": {}, "import": {"keys.jsonl"},
	"scan": {"keys.jsonl"}, "leaked": {"keys.jsonl", "--then", "report"},
}

// A token that is typed in any place of any command is refused before anything
// is sent, looked up or written, and the refusal says what to do now.
func TestCommandSendsNoToken(t *testing.T) {
	var asked atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer server.Close()
	t.Chdir(t.TempDir())
	if err := os.WriteFile("keys.jsonl", []byte(apitest.OpaqueLine("x")), 0o600); err != nil {
		t.Fatal(err)
	}
	root := &cobra.Command{Use: "keygate"}
	buildCommand(root, &term.Console{})
	for _, cmd := range root.Commands() {
		args, ok := completeArgs[cmd.Name()]
		if !ok {
			t.Errorf("no arguments for %s", cmd.Name())
		}
		refused := func(args ...string) {
			t.Helper()
			at := []string{cmd.Name(), "--address", server.Listener.Addr().String()}
			if i := slices.Index(args, "--db"); i >= 0 || cmd.Name() == "restore" || cmd.Name() == "init" || cmd.Name() == "compact" {
				at = at[:1] // --db excludes --address
			}
			o := person{}.run(append(at, args...)...)
			wantRefusal(t, o, "token")
			for _, advice := range []string{"which is secret", "history", "rotate"} {
				if !strings.Contains(o.stderr, advice) {
					t.Errorf("%s %q: %q says nothing of %q", cmd.Name(), args, o.stderr, advice)
				}
			}
			if strings.Contains(o.stderr, someToken[len(someToken)-12:]) {
				t.Errorf("%s %q repeats the token: %s", cmd.Name(), args, o.stderr)
			}
		}
		for _, token := range []string{someToken, "./gk" + someToken[5:] + ".db"} {
			refused(append([]string{token}, args...)...)
			refused(append(slices.Clone(args), token)...)
			if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
				refused(append([]string{token}, args[1:]...)...)
			}
			flags := func(f *pflag.Flag) {
				if f.Name == "help" {
					return
				}
				refused(append(slices.Clone(args), "--"+f.Name+"="+token)...)
				if f.Value.Type() != "bool" {
					refused(append(slices.Clone(args), "--"+f.Name, token)...)
				}
				if f.Value.Type() == "list" {
					refused(append(slices.Clone(args), "--"+f.Name+"=a,"+token)...)
				}
			}
			cmd.Flags().VisitAll(flags)
			cmd.InheritedFlags().VisitAll(flags)
			refused(append(slices.Clone(args), "--"+token)...)
		}
	}
	if n := asked.Load(); n != 0 {
		t.Errorf("%d requests were sent", n)
	}
	files, err := os.ReadDir(".")
	if err != nil || len(files) != 1 {
		t.Errorf("files were made: %v, %v", files, err)
	}
}

// A completion sends no more of what is typed than an ID: the beginning of a
// secret is one, too.
func TestCompletionSendsNoSecret(t *testing.T) {
	var asked atomic.Pointer[string]
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { asked.Store(&r.RequestURI) }))
	defer server.Close()
	secret := someToken[len("patra_7Hk2Qp9aX3bC_"):]
	for n := 1; n <= len(secret); n++ {
		for _, before := range []string{"patra_7Hk2Qp9aX3bC_", "7Hk2Qp9aX3bC_", "a2_b_", "_"} {
			for _, command := range [][]string{{"show", before + secret[:n]}, {"audit", "--key", before + secret[:n]}} {
				person{}.runCaddy(append([]string{"__complete", "keygate", command[0], "--address", server.Listener.Addr().String()}, command[1:]...)...)
				if uri := asked.Swap(nil); uri != nil {
					t.Errorf("%q asks for %s", command, *uri)
				}
			}
		}
	}
	person{}.runCaddy("__complete", "keygate", "show", "--address", server.Listener.Addr().String(), "patra_7Hk2")
	if asked.Load() == nil {
		t.Error("the beginning of an ID is not completed")
	}
}
