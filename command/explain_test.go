package command

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/socialpatra/keygate/adminapi"
	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/command/term"
)

func sampleExplanation() *adminapi.ExplainResponse {
	return &adminapi.ExplainResponse{Reason: "ip_not_allowed", Status: 403, Checks: []adminapi.ExplainCheck{
		{Check: "shape", Outcome: "pass", Compared: `method "GET", path "/v1/posts"`},
		{Check: "public_route", Outcome: "skipped", Compared: "no config\x1b"},
		{Check: "ip", Outcome: "fail", Code: "ip_not_allowed", Compared: "203.0.113.9 with 203.0.113.0/28, 198.51.100.7", Fix: "Call from an address in allowed_ips."},
	}}
}

func TestPrintExplanation(t *testing.T) {
	tests := []struct {
		name   string
		width  int
		colour bool
		db     string
		resp   *adminapi.ExplainResponse
		want   string
	}{
		{"wide", 0, false, "", sampleExplanation(), `
CHECK         OUTCOME  COMPARED
shape         pass     method "GET", path "/v1/posts"
public_route  skipped  no config\x1b
ip            fail     203.0.113.9 with 203.0.113.0/28, 198.51.100.7
                       Call from an address in allowed_ips.

The request is denied: 403 ip_not_allowed.
`},
		{"narrow", 54, false, "", sampleExplanation(), `
CHECK         OUTCOME  COMPARED
shape         pass     method "GET", path "/v1/posts"
public_route  skipped  no config\x1b
ip            fail     203.0.113.9 with
                       203.0.113.0/28, 198.51.100.7
                       Call from an address in
                       allowed_ips.

The request is denied: 403 ip_not_allowed.
`},
		{"colour", 0, true, "", &adminapi.ExplainResponse{Reason: "allowed", Status: 200, Checks: []adminapi.ExplainCheck{
			{Check: "ip", Outcome: "pass", Compared: "a"}, {Check: "origin", Outcome: "fail", Compared: "b"}, {Check: "route", Outcome: "skipped", Compared: "c"},
		}}, `
CHECK   OUTCOME  COMPARED
ip      ` + term.Green + `pass` + term.ColourEnd + `     a
origin  ` + term.Red + `fail` + term.ColourEnd + `     b
route   skipped  c

The request is allowed.
`},
		{"without a config", 0, false, "keys.db", &adminapi.ExplainResponse{Reason: "allowed", Status: 200, Checks: []adminapi.ExplainCheck{{Check: "ip", Outcome: "pass", Compared: "a"}}}, `
CHECK  OUTCOME  COMPARED
ip     pass     a

Nothing denies the request that is known without a config.
`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var out strings.Builder
			c := &cli{Console: &term.Console{Out: &out, Width: test.width, Colour: test.colour, Now: func() time.Time { return cliNow }}}
			c.target.db = test.db
			if err := c.printExplanation(test.resp); err != nil {
				t.Fatal(err)
			}
			if got := "\n" + out.String(); got != test.want {
				t.Errorf("got %s\nwant %s", got, test.want)
			}
		})
	}
}

// The key is named the same by every door, and by its token on stdin.
func TestCommandExplain(t *testing.T) {
	for _, door := range doors(t) {
		t.Run(door.name, func(t *testing.T) {
			created := person{}.run(append([]string{"create", "--workspace", "acme", "--name", "x", "--scope", "posts:read", "--ip", "203.0.113.7", "-q"}, door.args...)...)
			token := strings.TrimSpace(created.stdout)
			id, ok := apikey.Parse("patra", token)
			if !ok {
				t.Fatal(created.stderr)
			}
			explain := func(types string, args ...string) outcome {
				args = append([]string{"explain"}, args...)
				return person{types: types}.run(append(args, door.args...)...)
			}
			ask := func(ref string) []string {
				return []string{ref, "--method", "GET", "--path", "/v1/posts", "--ip", "203.0.113.9", "--origin", "https://shop.example", "--at", "2027-01-01T00:00:00Z"}
			}
			for _, o := range []outcome{explain("", ask(id.String())...), explain("", ask("patra_"+id.String())...), explain(token+"\n", ask("-")...), explain(" "+token, ask("-")...)} {
				if o.failed || o.stderr != "" || strings.Contains(o.stdout, token) {
					t.Errorf("%+v", o)
				}
				for _, want := range []string{"203.0.113.9 with 203.0.113.7\n", "active at 2027-01-01T00:00:00Z, never expires", "\nThe request is denied: 403 ip_not_allowed.\n"} {
					if !strings.Contains(o.stdout, want) {
						t.Errorf("no %q in %s", want, o.stdout)
					}
				}
			}
			var resp adminapi.ExplainResponse
			o := explain("not-a-token\n", append(ask("-"), "--json")...)
			if err := json.Unmarshal([]byte(o.stdout), &resp); err != nil || o.failed || resp.Reason != "invalid_key" || len(resp.Checks) != 11 {
				t.Errorf("%+v, %v", o, err)
			}

			wantRefusal(t, explain("\n", ask("-")...), "stdin has no token")
			wantRefusal(t, explain("", "7Hk2Qp9aX3bC", "--method", "GET", "--path", "/"), "7Hk2Qp9aX3bC: no such key")
			wantRefusal(t, explain("", id.String(), "--path", "/"), "method: is missing")
			wantRefusal(t, explain("", id.String(), "--method", "GET"), "path: is missing")
			wantRefusal(t, explain("", token, "--method", "GET", "--path", "/"), "")
			if o := explain("", token, "--method", "GET", "--path", "/"); strings.Contains(o.stderr, token) {
				t.Error("the token is repeated")
			}
		})
	}
}

func TestCommandExplainMakesNoStore(t *testing.T) {
	file := filepath.Join(t.TempDir(), "keys.db")
	wantRefusal(t, person{}.run("explain", "7Hk2Qp9aX3bC", "--method", "GET", "--path", "/", "--db", file), "there is no key store")
}
