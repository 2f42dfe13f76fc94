package command

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/socialpatra/keygate/adminapi"
)

// Each flag of list says what it says, by every door.
func TestCommandListFilters(t *testing.T) {
	for i, door := range doors(t) {
		t.Run(door.name, func(t *testing.T) {
			door := doors(t)[i] // with a store of its own
			ids := map[string]string{}
			for name, args := range map[string][]string{
				"a": {"--name", "Publishing bot", "--by", "ada"},
				"b": {"--name", "reporting job", "--expires-in-days", "20", "--by", "bo"},
				"c": {"--name", "publishing old", "--expires-in-days", "10", "--scope", "media:upload", "--by", "ada"},
			} {
				ids[newKey(t, append(args, door.args...)...)] = name
			}
			list := func(args ...string) string {
				t.Helper()
				var page adminapi.ListResponse
				out := person{}.mustRun(t, append(append([]string{"list", "--json"}, args...), door.args...)...)
				if err := json.Unmarshal([]byte(out), &page); err != nil {
					t.Fatal(err)
				}
				found := ""
				for i := range page.Keys {
					found += ids[page.Keys[i].ID.String()]
				}
				return found
			}
			for _, tt := range []struct{ args, want string }{
				{"--sort name", "acb"},
				{"--sort expires", "cba"},
				{"--sort name --limit 2", "ac"},
				{"--sort name --name PUBLISHING", "ac"},
				{"--sort expires --expiring 15d", "c"},
				{"--sort expires --expiring 20d", "cb"},
				{"--no-expiry", "a"},
				{"--scope media:upload", "c"},
				{"--sort name --created-by ada", "ac"},
				{"--sort name --never-used", "acb"},
				{"--idle 1m", ""},
				{"--sort name --status active --workspace acme --created-by bo", "b"},
			} {
				if got := list(strings.Fields(tt.args)...); got != tt.want {
					t.Errorf("list %s: %q; want %q", tt.args, got, tt.want)
				}
			}
			for id, name := range ids {
				if got := list("--name", "patra_"+id[:8]); got != name {
					t.Errorf("list by a beginning of the prefix of %s: %q", name, got)
				}
			}
			for _, tt := range []struct {
				args []string
				want string
			}{
				{[]string{"--sort", "age"}, "sort: "},
				{[]string{"--idle", "soon"}, "idle: "},
				{[]string{"--name", ""}, "name: is empty"},
				{[]string{"--expiring", "1y"}, "such as 30d, 36h or 1d12h"},
				{[]string{"--name", "a\xff"}, "name: is not valid UTF-8"},
			} {
				wantRefusal(t, person{}.run(slices.Concat([]string{"list"}, tt.args, door.args)...), tt.want)
			}
		})
	}
}
