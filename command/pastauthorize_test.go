package command

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/socialpatra/keygate/access/lint"
)

// who can go past a keygate with authorize: nobody, those whose proxy asks with the
// path of the client, or all.
type who int

const (
	nobody who = iota
	ofItsPath
	anybody
	noProxyAsks
)

// To a proxy that asks, any 2xx means yes. So wherever a request can miss keygate
// and is answered 2xx, by Caddy itself or by somebody else, lint says so; and it
// says nothing where each request reaches keygate or is refused.
func TestLintFindsWaysPastAuthorize(t *testing.T) {
	const refused = "\n:9100 {\n\trespond 403\n}\n"
	for name, test := range map[string]struct {
		caddyfile string // MODE stands for a keygate with a mode
		past      who
	}{
		"nothing before it":           {":9100 {\n\tMODE\n}\n", nobody},
		"plain":                       {"http://:9100 {\n\tMODE\n}\n", nobody},
		"any path":                    {":9100 {\n\thandle /* {\n\t\tMODE\n\t}\n}\n", nobody},
		"in route":                    {":9100 {\n\troute {\n\t\tMODE\n\t}\n}\n", nobody},
		"in handle":                   {":9100 {\n\thandle {\n\t\tMODE\n\t}\n}\n", nobody},
		"behind others":               {":9100 {\n\tencode\n\theader X y\n\tlog\n\tMODE\n}\n", nobody},
		"bound":                       {":9100 {\n\tbind 127.0.0.1\n\tMODE\n}\n", nobody},
		"a path refused before it":    {":9100 {\n\trespond /admin 403\n\troute {\n\t\trespond /x 404\n\t\tredir /y /z\n\t\tMODE\n\t}\n}\n", nobody},
		"cut off before it":           {":9100 {\n\troute {\n\t\tabort /x\n\t\terror /z 404\n\t\tMODE\n\t}\n}\n", nobody},
		"a host, others refused":      {"http://a.example.com:9100 {\n\tMODE\n}\n" + refused, nobody},
		"a host, others cut off":      {"http://a.example.com:9100 {\n\tMODE\n}\n:9100 {\n\tabort\n}\n", nobody},
		"a path, others refused":      {":9100 {\n\thandle /authz/* {\n\t\tMODE\n\t}\n\thandle {\n\t\trespond 403\n\t}\n}\n", nobody},
		"a path, others an error":     {":9100 {\n\thandle /authz/* {\n\t\tMODE\n\t}\n\thandle {\n\t\terror 403\n\t}\n}\n", nobody},
		"handle_path, others refused": {":9100 {\n\thandle_path /authz/* {\n\t\tMODE\n\t}\n\trespond 403\n}\n", nobody},
		"a matcher, the rest refused": {":9100 {\n\t@m method GET\n\troute {\n\t\thandle @m {\n\t\t\tMODE\n\t\t}\n\t\trespond 405\n\t}\n}\n", nobody},
		"one or the other":            {":9100 {\n\t@m method GET\n\thandle @m {\n\t\tMODE\n\t}\n\thandle {\n\t\tMODE\n\t}\n}\n", nobody},
		"another port answers":        {":9100 {\n\tMODE\n}\n:8080 {\n\trespond ok\n}\n", nobody},
		"errors with their status":    {":9100 {\n\tMODE\n\thandle_errors {\n\t\trespond \"no\"\n\t}\n}\n", nobody},
		"asked before it":             {":9100 {\n\troute {\n\t\tforward_auth 127.0.0.1:1 {\n\t\t\turi /\n\t\t}\n\t\tMODE\n\t}\n}\n", nobody},

		"a host":                     {"http://a.example.com:9100 {\n\tMODE\n}\n", anybody},
		"two hosts":                  {"http://a.example.com:9100, http://b.example.com:9100 {\n\tMODE\n}\n", anybody},
		"a wildcard":                 {"http://*.example.com:9100 {\n\tMODE\n}\n", anybody},
		"an address":                 {"http://127.0.0.1:9100 {\n\tMODE\n}\n", anybody},
		"with TLS":                   {"a.example.com {\n\tMODE\n}\n", anybody},
		"a host, others redirected":  {"http://a.example.com:9100 {\n\tMODE\n}\n:9100 {\n\tredir https://a.example.com{uri}\n}\n", nobody},
		"a host beside another site": {"http://a.example.com:9100 {\n\tMODE\n}\nhttp://b.example.com:9100 {\n\trespond 403\n}\n", anybody},
		"a path of the site":         {"http://:9100/authz/* {\n\tMODE\n}\n", anybody},
		"a matcher":                  {":9100 {\n\t@m method GET\n\troute @m {\n\t\tMODE\n\t}\n}\n", anybody},
		"handle with a path":         {":9100 {\n\thandle /authz/* {\n\t\tMODE\n\t}\n}\n", anybody},
		"handle_path":                {":9100 {\n\thandle_path /authz/* {\n\t\tMODE\n\t}\n}\n", anybody},
		"route with a path":          {":9100 {\n\troute /authz/* {\n\t\tMODE\n\t}\n}\n", anybody},
		"handle for the rest":        {":9100 {\n\thandle /health {\n\t\trespond ok\n\t}\n\thandle {\n\t\tMODE\n\t}\n}\n", ofItsPath},
		"handle within handle":       {":9100 {\n\thandle {\n\t\thandle /a/* {\n\t\t\tMODE\n\t\t}\n\t}\n}\n", anybody},
		"an answer before it":        {":9100 {\n\troute {\n\t\trespond /health 200\n\t\tMODE\n\t}\n}\n", ofItsPath},
		"an answer by a placeholder": {":9100 {\n\troute {\n\t\trespond /health {http.request.header.X}\n\t\tMODE\n\t}\n}\n", ofItsPath},
		"files before it":            {":9100 {\n\troute {\n\t\thandle /f/* {\n\t\t\tfile_server\n\t\t}\n\t\tMODE\n\t}\n}\n", ofItsPath},
		"a backend before it":        {":9100 {\n\troute {\n\t\treverse_proxy /f/* 127.0.0.1:1\n\t\tMODE\n\t}\n}\n", ofItsPath},
		"metrics before it":          {":9100 {\n\troute {\n\t\tmetrics /metrics\n\t\tMODE\n\t}\n}\n", ofItsPath},
		"another host answers":       {":9100 {\n\tMODE\n}\nhttp://b.example.com:9100 {\n\trespond ok\n}\n", anybody},
		"errors that are yes":        {":9100 {\n\tMODE\n\thandle_errors {\n\t\trespond \"no\" 200\n\t}\n}\n", anybody},
		"errors by a backend":        {":9100 {\n\tMODE\n\thandle_errors {\n\t\treverse_proxy 127.0.0.1:1\n\t}\n}\n", anybody},
	} {
		for mode, asker := range map[string]who{"authorize forward_auth": anybody, "authorize auth_request": anybody, "authorize ext_authz {\n\t\t\tpath_prefix /authz\n\t\t}": ofItsPath, "": noProxyAsks} {
			t.Run(name+" "+mode, func(t *testing.T) {
				t.Chdir(t.TempDir())
				gate := "keygate {\n\t\tauthenticated GET /v1/me\n\t\t" + mode + "\n\t}"
				if err := os.WriteFile("Caddyfile", []byte(strings.ReplaceAll(test.caddyfile, "MODE", gate)), 0o600); err != nil {
					t.Fatal(err)
				}
				o := person{}.run("lint", "--json")
				var got struct{ Findings []lint.Finding }
				if err := json.Unmarshal([]byte(o.stdout), &got); err != nil {
					t.Fatalf("%v\n%s%s", err, o.stdout, o.stderr)
				}
				n := 0
				for _, f := range got.Findings {
					if f.Code == lint.PastAuthorize {
						n++
						if !strings.HasPrefix(f.Where, "Caddyfile:") {
							t.Errorf("the place is %q", f.Where)
						}
					}
				}
				if want := test.past >= asker && test.past > nobody; n > 1 || n == 1 != want {
					t.Errorf("found %d times, want %t: %s", n, want, o.stdout)
				}
			})
		}
	}
}
