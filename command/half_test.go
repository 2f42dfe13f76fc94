package command

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/socialpatra/keygate/adminapi"
	"github.com/socialpatra/keygate/command/term"
	"github.com/socialpatra/keygate/internal/apitest"
)

// failingRuns are calls of every subcommand that speaks to a Caddy, with what is
// on stdin before a "|".
var failingRuns = map[string][]string{
	"create":    {"--workspace acme --name n --scope posts:read", "--workspace acme --name n --scope posts:read -q", "--workspace acme --name n --scope posts:read --json"},
	"list":      {"", "--json", "--limit 1001", "--workspace w3 --json"},
	"show":      {apitest.FirstID, apitest.FirstID + " --json"},
	"update":    {apitest.FirstID + " --name after", apitest.FirstID + " --name after --json"},
	"rotate":    {apitest.FirstID, apitest.FirstID + " -q", apitest.FirstID + " --json"},
	"disable":   {apitest.FirstID, apitest.FirstID + " --json"},
	"enable":    {apitest.DisabledID, apitest.DisabledID + " --json"},
	"revoke":    {apitest.FirstID, apitest.FirstID + " --json"},
	"delete":    {apitest.FirstID + " --yes", apitest.FirstID + " --yes --json"},
	"explain":   {apitest.FirstID + " --method GET --path /v1/invoices", "token 5| - --method GET --path /v1/invoices", "token 5| - --method GET --path /v1/invoices --json"},
	"usage":     {apitest.FirstID, apitest.FirstID + " --json"},
	"review":    {"", "--json", "--workspace w3"},
	"scopes":    {"", "--json"},
	"routes":    {"", "--json"},
	"workspace": {"", "--json", "acme --per-day 5", "acme --reset", "acme --json"},
	"audit":     {"", "--json", "--key " + apitest.FirstID},
	"backup":    {"FILE", "-", "FILE --json"},
	"check":     {"", "--json"},
	"health":    {"", "--json"},
	"export":    {"", "-", "FILE", "FILE --json"},
	"scan":      {someToken + "| -", someToken + "| - --json"},
	"leaked":    {apitest.FirstToken + "| - --then revoke", apitest.FirstToken + "| - --then disable --json", apitest.FirstToken + "| - --then report"},
	"import":    {"LINES", "LINES --json", "LINES --keep-going", apitest.OpaqueLine("x") + "| -"},
}

var (
	filesOnly   = []string{"restore", "init", "compact", "lint", "doctor"} // without the admin API, or, as the doctor, with a line for each call that fails
	onlyRead    = []string{"list", "show", "explain", "usage", "review", "scopes", "routes", "audit", "backup", "check", "health", "export", "scan"}
	comeInParts = []string{"list", "review", "audit", "export", "backup"} // of which the first may be there when the next one fails
)

// Whichever call to the store fails, a command that called it says why, has the
// exit status 1, and shows nothing that could pass for its result.
func TestCommandOverAStoreThatFailsOnce(t *testing.T) {
	f := apitest.NewFailures(t, func(f *apitest.Failures) http.Handler {
		return adminapi.New(adminapi.Options{Store: f.Store, Brand: "patra", Now: func() time.Time { return cliNow }, Failed: func(_ *http.Request, _ int, err error) { f.Fail(err) }})
	})
	dir := t.TempDir()
	t.Chdir(dir)
	if err := os.WriteFile("LINES", []byte(apitest.OpaqueLine("x")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	root := &cobra.Command{Use: "keygate"}
	buildCommand(root, &term.Console{})
	for _, cmd := range root.Commands() {
		name := cmd.Name()
		if len(failingRuns[name]) == 0 && !slices.Contains(filesOnly, name) {
			t.Errorf("no run of %s", name)
		}
		for _, typed := range failingRuns[name] {
			t.Run(name+" "+typed, func(t *testing.T) {
				stdin, args, found := strings.Cut(typed, "|")
				if !found {
					stdin, args = "", typed
				}
				line := append(append([]string{name}, strings.Fields(args)...), "--address", strings.TrimPrefix(f.URL, "http://"))
				var whole string
				runs := make(map[string]outcome)
				f.Each(slices.Contains(onlyRead, name), func(n int) {
					os.Remove("FILE")
					o := person{types: stdin}.run(line...)
					_, err := os.Stat("FILE")
					where := fmt.Sprintf("%q with %s, call %d, failing: %+.400v", line, f.Store.Failed, n, o)
					switch {
					case f.Store.Failed == "":
						if whole = o.stdout; o.failed || strings.Contains(typed, "FILE") != (err == nil) {
							t.Error(where)
						}
						return
					case name == "rotate" && f.Store.Wrote: // the token is shown, and must not be lost
						if o.failed || !tokenForm.MatchString(o.stdout) || !strings.Contains(o.stderr, "the key was rotated, but the old one cannot be read") {
							t.Error(where)
						}
						return
					}
					if !o.failed || strings.Count(o.stderr, "\n") != 1 || err == nil {
						t.Errorf("%s; the file: %v", where, err)
					}
					if !strings.Contains(o.stderr, apitest.ErrPlug.Error()) && !strings.Contains(o.stderr, "reading its answer") {
						t.Errorf("%s: it does not say why", where)
					}
					if f.Changed() && !f.Store.Wrote || f.Store.Wrote != strings.Contains(o.stderr, "the change was made") {
						t.Errorf("%s; changed %v", where, f.Changed())
					}
					runs[where] = o
				})
				for where, o := range runs {
					if o.stdout != "" && (len(o.stdout) >= len(whole) || strings.Contains(typed, "--json") && json.Valid([]byte(o.stdout))) {
						t.Errorf("%s: it passes for the whole", where)
					}
					if o.stdout != "" && !slices.Contains(comeInParts, name) {
						t.Errorf("%s: it shows a result", where)
					}
				}
			})
		}
	}
}
