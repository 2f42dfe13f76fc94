package plugin_test

import (
	"strings"
	"testing"
)

// Whatever is wrong is refused in one line that names the field and the
// accepted form, by both faces of the admin API, and nothing is stored.
func TestRefusals(t *testing.T) {
	t.Parallel()
	g, _ := startSite(t)
	tests := map[string]struct {
		flags []string // of a creation that would be right without them
		body  string   // the JSON of the same mistake
		names []string // all of them are in the message
	}{
		"unknown scope":    {[]string{"--scope", "posts:wrte"}, `{"workspace":"w","name":"n","scopes":["posts:wrte"]}`, []string{"scopes", "did you mean posts:write?"}},
		"bad scope":        {[]string{"--scope", "posts"}, `{"workspace":"w","name":"n","scopes":["posts"]}`, []string{"scopes", "posts"}},
		"no workspace":     {[]string{"--workspace", ""}, `{"name":"n","scopes":["posts:read"]}`, []string{"workspace"}},
		"bad workspace":    {[]string{"--workspace", "-a"}, `{"workspace":"-a","name":"n","scopes":["posts:read"]}`, []string{"workspace"}},
		"no name":          {[]string{"--name", ""}, `{"workspace":"w","scopes":["posts:read"]}`, []string{"name"}},
		"control in name":  {[]string{"--name", "a\x1b]0;pwn\x07"}, `{"workspace":"w","name":"a\u001b","scopes":["posts:read"]}`, []string{"name"}},
		"bidi in name":     {[]string{"--name", "a\u202eb"}, `{"workspace":"w","name":"a\u202eb","scopes":["posts:read"]}`, []string{"name"}},
		"long name":        {[]string{"--name", strings.Repeat("n", 101)}, `{"workspace":"w","name":"` + strings.Repeat("n", 101) + `","scopes":["posts:read"]}`, []string{"name", "100"}},
		"CIDR with host":   {[]string{"--ip", "203.0.113.7/24"}, `{"workspace":"w","name":"n","scopes":["posts:read"],"allowed_ips":["203.0.113.7/24"]}`, []string{"allowed_ips", "203.0.113.0/24"}},
		"everywhere":       {[]string{"--ip", "0.0.0.0/0"}, `{"workspace":"w","name":"n","scopes":["posts:read"],"allowed_ips":["0.0.0.0/0"]}`, []string{"allowed_ips"}},
		"no address":       {[]string{"--ip", "localhost"}, `{"workspace":"w","name":"n","scopes":["posts:read"],"allowed_ips":["localhost"]}`, []string{"allowed_ips"}},
		"origin with path": {[]string{"--origin", "https://shop.example/x"}, `{"workspace":"w","name":"n","scopes":["posts:read"],"allowed_origins":["https://shop.example/x"]}`, []string{"allowed_origins", "https://shop.example"}},
		"any origin":       {[]string{"--origin", "*"}, `{"workspace":"w","name":"n","scopes":["posts:read"],"allowed_origins":["*"]}`, []string{"allowed_origins"}},
		"no days":          {[]string{"--expires-in-days", "0"}, `{"workspace":"w","name":"n","scopes":["posts:read"],"expires_in_days":0}`, []string{"expires_in_days", "3650"}},
		"too many days":    {[]string{"--expires-in-days", "3651"}, `{"workspace":"w","name":"n","scopes":["posts:read"],"expires_in_days":3651}`, []string{"expires_in_days", "3650"}},
		"past expiry":      {[]string{"--expires-at", "2020-01-01T00:00:00Z"}, `{"workspace":"w","name":"n","scopes":["posts:read"],"expires_at":"2020-01-01T00:00:00Z"}`, []string{"expires_at"}},
		"no time":          {[]string{"--expires-at", "tomorrow"}, `{"workspace":"w","name":"n","scopes":["posts:read"],"expires_at":"tomorrow"}`, []string{"expires_at", "RFC 3339"}},
		"two expiries":     {[]string{"--expires-in-days", "1", "--expires-at", "2099-01-01T00:00:00Z"}, `{"workspace":"w","name":"n","scopes":["posts:read"],"expires_in_days":1,"expires_at":"2099-01-01T00:00:00Z"}`, []string{"expires"}},
		"no requests":      {[]string{"--per-minute", "0"}, `{"workspace":"w","name":"n","scopes":["posts:read"],"limits":{"per_minute":0}}`, []string{"per_minute"}},
		"large burst":      {[]string{"--burst", "61"}, `{"workspace":"w","name":"n","scopes":["posts:read"],"limits":{"burst":61}}`, []string{"burst", "60"}},
		"negative quota":   {[]string{"--per-day", "-1"}, `{"workspace":"w","name":"n","scopes":["posts:read"],"limits":{"per_day":-1}}`, []string{"per_day"}},
		"unknown field":    {[]string{"--colour", "red"}, `{"workspace":"w","name":"n","scopes":["posts:read"],"colour":"red"}`, []string{"colour"}},
		"wrong type":       {[]string{"--per-day", "many"}, `{"workspace":"w","name":"n","scopes":["posts:read"],"limits":{"per_day":"many"}}`, []string{"day"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			args := append([]string{"keygate", "create", "--workspace", "w", "--name", "n"}, test.flags...)
			if !strings.Contains(strings.Join(test.flags, " "), "--scope") {
				args = append(args, "--scope", "posts:read")
			}
			r := g.cli(t, args...)
			if r.Code != 1 || r.Stdout != "" {
				t.Errorf("the command: status %d, stdout %q", r.Code, r.Stdout)
			}
			message := strings.TrimSuffix(r.Stderr, "\n")
			if strings.Contains(message, "\n") || strings.ContainsAny(message, "\x1b\x07\u202e") {
				t.Errorf("the command printed %q, want one plain line", r.Stderr)
			}
			resp := g.adminDo(t, "POST", "/keygate/keys", test.body)
			if resp.Status != 400 {
				t.Errorf("the API: %d %s", resp.Status, resp.Body)
			}
			for _, word := range test.names {
				if !strings.Contains(strings.ReplaceAll(message, "-", "_"), strings.ReplaceAll(word, "-", "_")) {
					t.Errorf("the command printed %q; it lacks %q", message, word)
				}
				if !strings.Contains(resp.Body, word) {
					t.Errorf("the API answered %s; it lacks %q", resp.Body, word)
				}
			}
		})
	}
	if r := g.adminDo(t, "GET", "/keygate/keys", ""); r.Body != `{"keys":[],"next_cursor":""}`+"\n" {
		t.Errorf("something was stored: %s", r.Body)
	}
}

func TestAdminAPIRefusals(t *testing.T) {
	t.Parallel()
	g, _ := startSite(t)
	k, token := g.createKey(t, "--scope", "posts:read")
	tests := map[string]struct {
		method, path, body string
		contentType        string
		status             int
		says               string
	}{
		"form":           {"POST", "/keygate/keys", "a=b", "application/x-www-form-urlencoded", 415, "application/json"},
		"no type":        {"POST", "/keygate/keys", "{}", "", 415, "application/json"},
		"no JSON":        {"POST", "/keygate/keys", "{", "application/json", 400, "not the JSON"},
		"two objects":    {"POST", "/keygate/keys", `{"workspace":"w","name":"n","scopes":["posts:read"]}{}`, "application/json", 400, "follows"},
		"too large":      {"POST", "/keygate/keys", `{"name":"` + strings.Repeat("n", 1<<20) + `"}`, "application/json", 413, "larger"},
		"unknown key":    {"GET", "/keygate/keys/000000000000", "", "", 404, "no such key"},
		"no key":         {"GET", "/keygate/keys/nonsense", "", "", 400, "id"},
		"token as key":   {"GET", "/keygate/keys/" + noSuchKeyWithID("000000000000"), "", "", 400, "id"},
		"delete unknown": {"DELETE", "/keygate/keys/000000000000", "", "", 404, "no such key"},
		"revoke unknown": {"POST", "/keygate/keys/000000000000/revoke", "", "", 404, "no such key"},
		"no resource":    {"GET", "/keygate/nothing", "", "", 404, "no such resource"},
		"method":         {"PUT", "/keygate/keys", "", "", 405, "PUT"},
		"parameter":      {"GET", "/keygate/keys?color=red", "", "", 400, "color"},
		"status":         {"GET", "/keygate/keys?status=dead", "", "", 400, "revoked"},
		"limit":          {"GET", "/keygate/keys?limit=0", "", "", 400, "limit"},
		"cursor":         {"GET", "/keygate/keys?cursor=x", "", "", 400, "cursor"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var headers []string
			if test.contentType != "" {
				headers = []string{"Content-Type: " + test.contentType}
			}
			resp := send(t, g.admin, test.method, "http://"+g.Admin+test.path, test.body, headers)
			if resp.Status != test.status || !strings.HasPrefix(resp.Body, `{"error":"`) || !strings.Contains(resp.Body, test.says) {
				t.Errorf("answered %d %s, want %d with %q", resp.Status, resp.Body, test.status, test.says)
			}
		})
	}
	if resp := g.do(t, "GET", "/v1/posts", "", bearer(token)); resp.Status != 200 {
		t.Errorf("the key %s is gone: %d", k.ID, resp.Status)
	}
}
