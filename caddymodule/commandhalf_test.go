package caddymodule

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// failingRuns are calls of every subcommand that speaks to a Caddy, with what is
// on stdin before a "|".
var failingRuns = map[string][]string{
	"create":    {"--workspace acme --name n --scope posts:read", "--workspace acme --name n --scope posts:read -q", "--workspace acme --name n --scope posts:read --json"},
	"list":      {"", "--json", "--limit 1001", "--workspace w3 --json"},
	"show":      {firstID, firstID + " --json"},
	"update":    {firstID + " --name after", firstID + " --name after --json"},
	"rotate":    {firstID, firstID + " -q", firstID + " --json"},
	"disable":   {firstID, firstID + " --json"},
	"enable":    {disabledID, disabledID + " --json"},
	"revoke":    {firstID, firstID + " --json"},
	"delete":    {firstID + " --yes", firstID + " --yes --json"},
	"explain":   {firstID + " --method GET --path /v1/invoices", "token 5| - --method GET --path /v1/invoices", "token 5| - --method GET --path /v1/invoices --json"},
	"usage":     {firstID, firstID + " --json"},
	"scopes":    {"", "--json"},
	"routes":    {"", "--json"},
	"workspace": {"", "--json", "acme --per-day 5", "acme --reset", "acme --json"},
	"audit":     {"", "--json", "--key " + firstID},
	"backup":    {"FILE", "-", "FILE --json"},
	"check":     {"", "--json"},
	"health":    {"", "--json"},
	"export":    {"", "-", "FILE", "FILE --json"},
	"import":    {"LINES", "LINES --json", "LINES --keep-going", opaqueLine("x") + "| -"},
}

var (
	filesOnly   = []string{"restore", "compact", "lint"} // without the admin API
	onlyRead    = []string{"list", "show", "explain", "usage", "scopes", "routes", "audit", "backup", "check", "health", "export"}
	comeInParts = []string{"list", "audit", "export", "backup"} // of which the first may be there when the next one fails
)

// Whichever call to the store fails, a command that called it says why, has the
// exit status 1, and shows nothing that could pass for its result.
func TestCommandOverAStoreThatFailsOnce(t *testing.T) {
	f := failuresOf(t)
	dir := t.TempDir()
	t.Chdir(dir)
	if err := os.WriteFile("LINES", []byte(opaqueLine("x")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	root := &cobra.Command{Use: "keygate"}
	buildCommand(root, &console{})
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
				line := append(append([]string{name}, strings.Fields(args)...), "--address", strings.TrimPrefix(f.url, "http://"))
				var whole string
				runs := make(map[string]outcome)
				f.each(slices.Contains(onlyRead, name), func(n int) {
					os.Remove("FILE")
					o := person{types: stdin}.run(line...)
					_, err := os.Stat("FILE")
					where := fmt.Sprintf("%q with %s, call %d, failing: %+.400v", line, f.store.failed, n, o)
					switch {
					case f.store.failed == "":
						if whole = o.stdout; o.failed || strings.Contains(typed, "FILE") != (err == nil) {
							t.Error(where)
						}
						return
					case name == "rotate" && f.store.wrote: // the token is shown, and must not be lost
						if o.failed || !tokenForm.MatchString(o.stdout) || !strings.Contains(o.stderr, "the key was rotated, but the old one cannot be read") {
							t.Error(where)
						}
						return
					}
					if !o.failed || strings.Count(o.stderr, "\n") != 1 || err == nil {
						t.Errorf("%s; the file: %v", where, err)
					}
					if !strings.Contains(o.stderr, errPlug.Error()) && !strings.Contains(o.stderr, "reading its answer") {
						t.Errorf("%s: it does not say why", where)
					}
					if f.changed() && !f.store.wrote || f.store.wrote != strings.Contains(o.stderr, "the change was made") {
						t.Errorf("%s; changed %v", where, f.changed())
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
