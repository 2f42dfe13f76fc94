package plugin_test

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

// optionEffect is what an option of keygate_console does: the same request to two
// consoles that differ in it alone, and what is to be found in each answer.
type optionEffect struct {
	option       string // its name, and what of it
	without      string // lines in place of it; "": none
	with         string
	method, path string // below the base
	body         string
	was, is      string // regular expressions for status and body
}

const (
	plainKey = `{"name":"n","scopes":["posts:delete"]}`
	made     = "^201 "
	refused  = "^403 "
)

var optionEffects = []optionEffect{
	{"workspace", "workspace acme", "workspace globex", "GET", "/api/policy", "", `"workspace":"acme"`, `"workspace":"globex"`},
	{"workspace *", "workspace acme", "workspace *", "GET", "/api/workspaces", "", "^404 ", "^200 "},
	{"actor", "actor ada", "actor grace", "POST", "/api/keys", plainKey, `"created_by":"ada"`, `"created_by":"grace"`},
	{"may list", "", "may list", "POST", "/api/keys", plainKey, made, refused},
	{"may create", "may list", "may create", "POST", "/api/keys", plainKey, refused, made},
	{"scopes", "", "scopes posts:read", "POST", "/api/keys", plainKey, made, refused + ".*scopes"},
	{"expiry default", "", "expiry default=90d", "POST", "/api/keys", plainKey, `^201 .*"expires_at":null`, `^201 .*"expires_at":"`},
	{"expiry max", "", "expiry max=90d", "POST", "/api/keys", `{"name":"n","scopes":["posts:read"],"expires_in_days":91}`, made, refused + ".*expires_at"},
	{"expiry required", "", "expiry required", "POST", "/api/keys", plainKey, made, refused + ".*expires_at"},
	{"per_minute default", "", "per_minute default=7", "POST", "/api/keys", plainKey, `"per_minute":60`, `"per_minute":7`},
	{"per_minute max", "", "per_minute max=7", "POST", "/api/keys", `{"name":"n","scopes":["posts:read"],"limits":{"per_minute":8}}`, made, refused + ".*per_minute"},
	{"per_day default", "", "per_day default=7", "POST", "/api/keys", plainKey, `"per_day":10000`, `"per_day":7`},
	{"per_day max", "", "per_day max=7", "POST", "/api/keys", `{"name":"n","scopes":["posts:read"],"limits":{"per_day":8}}`, made, refused + ".*per_day"},
	{"keys max", "", "keys max=3", "GET", "/api/policy", "", `"keys":{"max":null`, `"keys":{"max":3,`},
	{"origins required", "", "origins required", "POST", "/api/keys", plainKey, made, refused + ".*allowed_origins"},
	{"origins forbidden", "", "origins forbidden", "POST", "/api/keys", `{"name":"n","scopes":["posts:read"],"allowed_origins":["https://a.example"]}`, made, refused + ".*allowed_origins"},
	{"ips required", "", "ips required", "POST", "/api/keys", plainKey, made, refused + ".*allowed_ips"},
	{"ips forbidden", "", "ips forbidden", "POST", "/api/keys", `{"name":"n","scopes":["posts:read"],"allowed_ips":["203.0.113.7"]}`, made, refused + ".*allowed_ips"},
	{"page", "page on", "page off", "GET", "", "", "^200 <!", "^404 {"},
	{"title", "", `title "Keys of Acme"`, "GET", "", "", "API keys", "Keys of Acme"},
}

func TestConsoleOptionsHaveEffect(t *testing.T) {
	t.Parallel()
	var site strings.Builder
	site.WriteString("{\n\tkeygate {\n\t\tstore bbolt ./data/keygate.db\n\t}\n}\n:{$PORT} {\n")
	console := func(base, lines string) {
		for option, line := range map[string]string{"workspace": "workspace acme", "actor": "actor ada"} {
			if !strings.HasPrefix(lines, option) {
				lines += "\n\t\t" + line
			}
		}
		fmt.Fprintf(&site, "\tkeygate_console {\n\t\tbase %s\n\t\t%s\n\t}\n", base, lines)
	}
	for i, e := range optionEffects {
		console(fmt.Sprintf("/%d/without", i), e.without)
		console(fmt.Sprintf("/%d/with", i), e.with)
	}
	site.WriteString("\trespond elsewhere 404\n}\n")
	g := startCaddy(t, site.String())
	g.createKey(t, "--scope", "posts:read")

	tested := map[string]bool{"base": true}
	for i, e := range optionEffects {
		tested[strings.Fields(e.option)[0]] = true
		t.Run(e.option, func(t *testing.T) {
			for base, want := range map[string]string{"without": e.was, "with": e.is} {
				resp := g.do(t, e.method, fmt.Sprintf("/%d/%s%s", i, base, e.path), e.body, "Content-Type: application/json")
				if got := fmt.Sprint(resp.Status, " ", resp.Body); !regexp.MustCompile("(?s)" + want).MatchString(got) {
					t.Errorf("%s: %s, want %s", base, got, want)
				}
			}
		})
	}
	t.Run("base", func(t *testing.T) {
		for path, status := range map[string]int{"/0/with/api/policy": http.StatusOK, "/api/policy": http.StatusNotFound, "/0/withapi/policy": http.StatusNotFound, "/0/WITH/api/policy": http.StatusNotFound} {
			if resp := g.do(t, "GET", path, ""); resp.Status != status {
				t.Errorf("%s: %d %s, want %d", path, resp.Status, resp.Body, status)
			}
		}
	})
	_, options, _ := strings.Cut(readFile(t, "caddymodule/selfservice/testdata/mistakes/unknown_option.caddyfiletest"), "accepted: ")
	options, _, _ = strings.Cut(options, ", at ")
	for option := range strings.SplitSeq(options, ", ") {
		if !tested[option] {
			t.Errorf("no test shows what %s does", option)
		}
	}
}
