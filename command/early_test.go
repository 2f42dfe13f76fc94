package command

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A placeholder of a key is empty until the request has come to keygate, and
// whoever asks for it before is told.
func TestFindEarly(t *testing.T) {
	const gate = "keygate {\n authenticated * /*\n}\n"
	for name, test := range map[string]struct{ site, want string }{
		"none":                  {gate + "respond {http.auth.user.id}", ""},
		"without keygate":       {"vars a {http.auth.user.id}\nrespond ok", ""},
		"vars":                  {"vars a {http.auth.user.workspace}\n" + gate, "vars {http.auth.user.workspace}"},
		"a longer text":         {"vars a x-{http.auth.user.id}-y\n" + gate, "vars {http.auth.user.id}"},
		"two in one":            {"vars a {http.auth.user.id}{http.auth.user.scopes}\n" + gate, "vars {http.auth.user.id}, vars {http.auth.user.scopes}"},
		"the reason":            {"vars a {http.auth.keygate.reason}\n" + gate, "vars {http.auth.keygate.reason}"},
		"header":                {"header X-Who {http.auth.user.id}\n" + gate, "headers {http.auth.user.id}"},
		"header, deferred":      {"header >X-Who {http.auth.user.id}\n" + gate, ""},
		"header of the request": {"route {\nrequest_header X-Who {http.auth.user.id}\n" + gate + "}", "headers {http.auth.user.id}"},
		"behind, in a route":    {"route {\n" + gate + "request_header X-Who {http.auth.user.id}\n}", ""},
		"log_append":            {"log_append who {http.auth.user.id}\n" + gate, ""},
		"log_append, early":     {"log_append <who {http.auth.user.id}\n" + gate, "log_append {http.auth.user.id}"},
		"map":                   {"map {http.auth.user.workspace} {plan} {\ndefault free\n}\n" + gate + "respond {plan}", ""},
		"map, and a use of it":  {"map {http.auth.user.workspace} {plan} {\ndefault free\n}\nheader X-Plan {plan}\n" + gate, "headers {plan}"},
		"map behind a map":      {"map {http.auth.user.workspace} {a} {\ndefault b\n}\nmap {a} {c} {\ndefault d\n}\nheader X-Plan {c}\n" + gate, "headers {c}"},
		"map of something else": {"map {host} {plan} {\ndefault free\n}\nheader X-Plan {plan}\n" + gate, ""},
		"rewrite":               {"rewrite /{http.auth.user.workspace}{uri}\n" + gate, "rewrite {http.auth.user.workspace}"},
		"a matcher":             {"@big vars {http.auth.user.workspace} acme\nheader @big X-Big yes\n" + gate, "a matcher {http.auth.user.workspace}"},
		"an expression":         {"@big `{http.auth.user.workspace} == 'acme'`\nheader @big X-Big yes\n" + gate, "a matcher {http.auth.user.workspace}"},
		"a matcher behind":      {"@big vars {http.auth.user.workspace} acme\n" + gate + "respond @big yes", ""},
		"of basic_auth":         {"route {\nbasic_auth {\nada $2a$14$2axs.Zc8G5fIkWkU2ovIZOEuyNcKVDN6fTVDv2nqKk.YQUTWRpKuG\n}\nvars a {http.auth.user.id}\n" + gate + "}", ""},
		"in handle":             {"handle {\nvars a {http.auth.user.id}\n" + gate + "}", "vars {http.auth.user.id}"},
		"in another handle":     {"handle /a {\nvars a {http.auth.user.id}\nrespond ok\n}\nhandle {\n" + gate + "}", ""},
		"in handle_errors":      {gate + "handle_errors {\nrespond {http.auth.keygate.reason}\n}", ""},
		"intercept":             {"intercept {\n@bad status 4xx\nhandle_response @bad {\nheader X-Who {http.auth.user.id}\nrespond no\n}\n}\n" + gate, ""},
		"invoked":               {"route {\ninvoke a\n" + gate + "}", "vars {http.auth.user.id}"},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "Caddyfile")
			text := "&(a) {\nvars a {http.auth.user.id}\n}\nhttp://site.example {\n" + test.site + "\n}\n"
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			config, err := loadConfig(file, "")
			if err != nil {
				t.Fatal(err)
			}
			_, early := findAround(config.tree)
			var found []string
			for _, e := range early {
				if e.Where != "site.example" {
					t.Errorf("at %s", e.Where)
				}
				found = append(found, e.By+" "+e.Placeholder)
			}
			slices.Sort(found)
			if got := strings.Join(slices.Compact(found), ", "); got != test.want {
				t.Errorf("found %q, want %q", got, test.want)
			}
		})
	}
}
