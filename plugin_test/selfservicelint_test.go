package plugin_test

import (
	"strings"
	"testing"
)

// lintConsole returns what lint prints of a Caddyfile.
func lintConsole(t *testing.T, caddyfile string) string {
	t.Helper()
	return lintFolder(t, map[string]string{"Caddyfile": caddyfile}).cli(t, "keygate", "lint").Stdout
}

func TestLintFindsNothingInRecipes(t *testing.T) {
	t.Parallel()
	for i, text := range recipes(t) {
		if found := lintConsole(t, text); found != "" {
			t.Errorf("recipe %d: %s", i+1, found)
		}
	}
}

// Each line that makes a recipe safe is missed where it is not there.
func TestLintMissesWhatMakesRecipesSafe(t *testing.T) {
	t.Parallel()
	const copied = 1 // of the recipes behind a session service
	for name, tt := range map[string]struct {
		recipe       string
		n            int
		old, instead string
		codes        string
	}{
		"no headers copied":            {"Behind a session service", copied, "\t\t\tcopy_headers X-Workspace X-User\n", "", "chosen_by_client chosen_by_client"},
		"one header copied":            {"Behind a session service", copied, "copy_headers X-Workspace X-User", "copy_headers X-Workspace", "chosen_by_client"},
		"copied to another":            {"Behind a session service", copied, "copy_headers X-Workspace X-User", "copy_headers X-Workspace>X-W X-User", "chosen_by_client"},
		"asked for less":               {"Behind a session service", copied, "forward_auth 127", "forward_auth /settings/api-keys/* 127", "chosen_by_client chosen_by_client no_sign_in"},
		"asked for one method":         {"Behind a session service", copied, "\t\tforward_auth 127", "\t\t@post method POST\n\t\tforward_auth @post 127", "chosen_by_client chosen_by_client no_sign_in"},
		"asked for all of it":          {"Behind a session service", copied, "forward_auth 127", "forward_auth /settings/* 127", ""},
		"asked for just it":            {"Behind a session service", copied, "forward_auth 127", "forward_auth /settings/api-keys* 127", ""},
		"deleted before":               {"Behind a session service", copied, "handle /settings/api-keys* {\n\t\tforward_auth 127", "request_header -X-*\n\thandle /settings/api-keys* {\n\t\tforward_auth /settings/api-keys/* 127", "no_sign_in"},
		"nobody asked":                 {"In a minute", 0, "\t\tforward_auth 127.0.0.1:9100 {\n\t\t\turi /session\n\t\t}\n", "", "no_sign_in useless_console"},
		"from the query":               {"In a minute", 0, "workspace {http.reverse_proxy.header.X-Workspace}", "workspace {query.w}", "chosen_by_client"},
		"from the host":                {"In a minute", 0, "workspace {http.reverse_proxy.header.X-Workspace}", "workspace {labels.2}", "chosen_by_client"},
		"from a cookie":                {"In a minute", 0, "actor {http.reverse_proxy.header.X-User}", "actor {cookie.user}", "chosen_by_client"},
		"from the path":                {"In a minute", 0, "actor {http.reverse_proxy.header.X-User}", "actor a{path}", "chosen_by_client"},
		"no actor":                     {"In a minute", 0, "\t\t\tactor {http.reverse_proxy.header.X-User}\n", "", "useless_console"},
		"a plan of the client's":       {"Limits by plan", 0, "map {http.reverse_proxy.header.X-Plan}", "map {header.X-Plan}", "chosen_by_client chosen_by_client"},
		"no password":                  {"For operators", 0, "basic_auth {", "basic_auth /admin* {", "no_sign_in"},
		"a certificate of anybody":     {"By client certificates", 0, "mode require_and_verify", "mode require", "chosen_by_client chosen_by_client no_sign_in"},
		"a certificate if there is":    {"By client certificates", 0, "mode require_and_verify", "mode verify_if_given", "no_sign_in"},
		"no certificate":               {"By client certificates", 0, "client_auth {\n\t\t\tmode require_and_verify\n\t\t\ttrust_pool file ./customers-ca.pem\n\t\t}", "protocols tls1.3", "no_sign_in useless_console"},
		"without TLS":                  {"In a minute", 0, "app.example.com {", "http://app.example.com {", "plain_console"},
		"without TLS, at another port": {"In a minute", 0, "app.example.com {", "http://app.example.com:8080 {", "plain_console"},
		"behind a proxy with TLS":      {"In a minute", 0, "app.example.com {", ":8080 {", ""},
		"the prefix is off":            {"In a minute", 0, "handle /settings/api-keys* {", "handle_path /settings/api-keys* {", "useless_console"},
		"the prefix is off, as said":   {"In a minute", 0, "handle /settings/api-keys* {\n\t\tforward_auth 127.0.0.1:9100 {\n\t\t\turi /session\n\t\t}\n\t\tkeygate_console {\n\t\t\tbase /settings/api-keys", "handle_path /settings/api-keys* {\n\t\tforward_auth 127.0.0.1:9100 {\n\t\t\turi /session\n\t\t}\n\t\tkeygate_console {\n\t\t\tbase /", ""},
		"behind keygate":               {"For operators", 0, "\tkeygate_console", "\tkeygate {\n\t\tscope posts:read GET /v1/posts\n\t}\n\tkeygate_console", "useless_console"},
		"beside keygate":               {"In a minute", 0, "app.example.com {", "app.example.com {\n\tkeygate /v1/* {\n\t\tscope posts:read GET /v1/posts\n\t}", ""},
		"for errors":                   {"Behind a session service", copied, "app.example.com {", "app.example.com {\n\thandle_errors {\n\t\tkeygate_console {\n\t\t\tworkspace {header.X-Workspace}\n\t\t\tactor ada\n\t\t}\n\t}", "chosen_by_client no_sign_in"},
		"never":                        {"For operators", 0, "\tbasic_auth", "\thandle {\n\t\trespond hello\n\t}\n\tbasic_auth", "useless_console"},
	} {
		t.Run(name, func(t *testing.T) {
			var text string
			if tt.recipe == "In a minute" {
				_, page, _ := strings.Cut(readFile(t, "docs/self-service.md"), "\n```caddyfile\n")
				text, _, _ = strings.Cut(page, "```")
			} else {
				text = recipe(t, tt.recipe, tt.n)
			}
			if !strings.Contains(text, tt.old) {
				t.Fatalf("there is no %q in\n%s", tt.old, text)
			}
			found := lintConsole(t, strings.Replace(text, tt.old, tt.instead, 1))
			var codes []string
			for line := range strings.Lines(found) {
				for _, code := range []string{"chosen_by_client", "no_sign_in", "useless_console", "plain_console"} {
					if strings.Contains(line, code+": ") {
						codes = append(codes, code)
					}
				}
			}
			if strings.Join(codes, " ") != tt.codes {
				t.Errorf("found is %q, want %q:\n%s", codes, tt.codes, found)
			}
		})
	}
}
