package command

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/socialpatra/keygate/access/lint"

	_ "github.com/socialpatra/keygate/caddymodule/leaks" // Caddyfiles here have its directives
)

// Sites whose keys nobody misses are found, and no others. What Caddy does with a
// request to each is what tests of a running Caddy see.
func TestLintFindsSitesWithoutAWatch(t *testing.T) {
	const keyed = " {\n\tkeygate {\n\t\tauthenticated GET /v1/me\n\t}\n}\n"
	const watch = " {\n\tkeygate_plaintext revoke\n}\n"
	for name, test := range map[string]struct {
		caddyfile string
		want      string // hosts, in their order
	}{
		"a name":                      {"api.example.com" + keyed, "api.example.com"},
		"two names":                   {"a.example.com, b.example.com" + keyed, "a.example.com b.example.com"},
		"another port":                {"api.example.com:8443" + keyed, "api.example.com"},
		"watched":                     {"api.example.com" + keyed + "http://api.example.com" + watch, ""},
		"one of two":                  {"a.example.com, b.example.com" + keyed + "http://a.example.com" + watch, "b.example.com"},
		"another name":                {"api.example.com" + keyed + "http://www.example.com" + watch, "api.example.com"},
		"watched on another port":     {"api.example.com:8443" + keyed + "http://api.example.com" + watch, ""},
		"watched where nobody comes":  {"api.example.com" + keyed + "http://api.example.com:8080" + watch, "api.example.com"},
		"a port for http":             {"{\n\thttp_port 8080\n}\napi.example.com" + keyed + "http://api.example.com" + watch, ""},
		"a wildcard":                  {"*.example.com" + keyed, "*.example.com"},
		"a wildcard, watched":         {"*.example.com" + keyed + "http://*.example.com" + watch, ""},
		"a wildcard, watched in part": {"*.example.com" + keyed + "http://a.example.com" + watch, "*.example.com"},
		"by a wildcard":               {"api.example.com" + keyed + "http://*.example.com" + watch, ""},
		"by a wildcard of others":     {"a.b.example.com" + keyed + "http://*.example.com" + watch, "a.b.example.com"},
		"by any":                      {"api.example.com" + keyed + "http://" + watch, "api.example.com"},
		"by any, without names":       {"{\n\tauto_https disable_certs\n}\napi.example.com" + keyed + "http://" + watch, ""},
		"below a matcher":             {"*.example.com {\n\t@api host api.example.com\n\thandle @api" + strings.ReplaceAll(strings.TrimSuffix(keyed, "\n"), "\n", "\n\t") + "\n}\nhttp://api.example.com" + watch, ""},
		"one path":                    {"api.example.com" + keyed + "http://api.example.com/v1/*" + watch, "api.example.com"},
		"behind a matcher":            {"api.example.com" + keyed + "http://api.example.com {\n\tkeygate_plaintext /v1/* revoke\n}\n", "api.example.com"},
		"behind redir":                {"api.example.com" + keyed + "http://api.example.com {\n\troute {\n\t\tredir https://api.example.com{uri}\n\t\tkeygate_plaintext revoke\n\t}\n}\n", "api.example.com"},
		"behind redir of a path":      {"api.example.com" + keyed + "http://api.example.com {\n\troute {\n\t\tredir /a /b\n\t\tkeygate_plaintext revoke\n\t}\n}\n", "api.example.com"},
		"beside redir":                {"api.example.com" + keyed + "http://api.example.com {\n\tredir https://api.example.com{uri}\n\theader X y\n\tkeygate_plaintext revoke\n}\n", ""},
		"a site that answers":         {"api.example.com" + keyed + "http://api.example.com {\n\trespond 403\n}\n", "api.example.com"},
		"bound elsewhere":             {"api.example.com {\n\tbind 10.0.0.1\n\tkeygate {\n\t\tauthenticated GET /v1/me\n\t}\n}\nhttp://api.example.com {\n\tbind 10.0.0.2\n\tkeygate_plaintext revoke\n}\n", "api.example.com"},
		"bound to the same":           {"api.example.com {\n\tbind 10.0.0.1\n\tkeygate {\n\t\tauthenticated GET /v1/me\n\t}\n}\nhttp://api.example.com {\n\tbind 10.0.0.1\n\tkeygate_plaintext revoke\n}\n", ""},
		"without keygate":             {"api.example.com {\n\trespond ok\n}\n:8080" + keyed, ""},
		"no name":                     {":8080" + keyed, ""},
		"no name, with TLS":           {"https://" + keyed, ""},
		"plain":                       {"http://api.example.com" + keyed, ""},
		"plain, on another port":      {"http://api.example.com:8080" + keyed, ""},
		"localhost":                   {"localhost, app.localhost" + keyed, ""},
		"addresses":                   {"192.0.2.7, [2001:db8::1]" + keyed, ""},
		"for this machine":            {"api.example.com {\n\tbind 127.0.0.1 ::1\n\tkeygate {\n\t\tauthenticated GET /v1/me\n\t}\n}\n", ""},
		"off":                         {"{\n\tauto_https off\n}\napi.example.com" + keyed, ""},
		"no redirects":                {"{\n\tauto_https disable_redirects\n}\napi.example.com" + keyed, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			if err := os.WriteFile("Caddyfile", []byte(test.caddyfile), 0o600); err != nil {
				t.Fatal(err)
			}
			o := person{}.run("lint", "--json")
			var got struct{ Findings []lint.Finding }
			if err := json.Unmarshal([]byte(o.stdout), &got); err != nil {
				t.Fatalf("%v\n%s%s", err, o.stdout, o.stderr)
			}
			var hosts []string
			for _, f := range got.Findings {
				if f.Code == lint.Unwatched {
					hosts = append(hosts, f.Where)
				}
			}
			slices.Sort(hosts)
			if strings.Join(hosts, " ") != test.want {
				t.Errorf("found %q, want %q", hosts, test.want)
			}
		})
	}
}
