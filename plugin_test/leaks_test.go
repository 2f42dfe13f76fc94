package plugin_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Somebody pastes a key where it does not belong: scan finds it and says whose it
// is, leaked ends it before the next request, and the history, the log and an
// event say why. Nothing shows the token, whatever was done with it.
func TestALeakedKeyIsFoundAndEnded(t *testing.T) {
	t.Parallel()
	g, _ := startSite(t)
	k, token := g.createKey(t, "--scope", "posts:read")
	other, otherToken := g.createKey(t, "--scope", "posts:read")
	if resp := g.get(t, token); resp.Status != 200 {
		t.Fatal(resp.Status)
	}
	pasted := t.TempDir()
	escaped := strings.ReplaceAll(token, "_", "%5F")
	for name, text := range map[string]string{
		"chat/export.html":         "hi\nwith <b>" + strings.ReplaceAll(token, "_", "&#95;") + "</b>\n",
		"logs/access.log":          "GET /v1/posts?key=" + escaped + "&a=b 200\n",
		"logs/" + escaped + ".txt": "x",
		"repo/.env":                "SOCIALPATRA_API_KEY='" + token + "'\n",
		"repo/fixture.json":        `{"a":"{\"token\":\"` + strings.ReplaceAll(token, "_", `\\u005f`) + `\"}"}`,
		"repo/ids.txt":             k.Prefix + " " + token[:40] + "\n",
	} {
		path := filepath.Join(pasted, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	scan := func() (found []string, code int) {
		t.Helper()
		r := g.cli(t, "keygate", "scan", pasted, "--json")
		if strings.Contains(r.Stdout+r.Stderr, secretOf(token)) {
			t.Error("scan shows the token")
		}
		var result struct {
			Found []struct {
				File, Prefix, Status string
				Line                 int
				Key                  struct{ Workspace string }
			}
			Files int
		}
		if err := json.Unmarshal([]byte(r.Stdout), &result); err != nil || result.Files != 6 {
			t.Fatalf("%v, %d files, %s", err, result.Files, r.Stderr)
		}
		for _, f := range result.Found {
			found = append(found, fmt.Sprint(strings.TrimPrefix(f.File, pasted+"/"), ":", f.Line, " ", f.Prefix, " ", f.Status, " ", f.Key.Workspace))
		}
		slices.Sort(found)
		return found, r.Code
	}
	want := func(status string) (lines []string) {
		for _, place := range []string{"chat/export.html:2", "logs/(a name with a token):0", "logs/access.log:1", "repo/.env:1", "repo/fixture.json:1"} {
			lines = append(lines, place+" "+k.Prefix+" "+status+" acme")
		}
		slices.Sort(lines)
		return lines
	}
	if found, code := scan(); code != 1 || !slices.Equal(found, want("active")) {
		t.Errorf("status %d, found\n%s\nwant\n%s", code, strings.Join(found, "\n"), strings.Join(want("active"), "\n"))
	}

	// A right ID with another secret ends nothing.
	forged := k.Prefix + "_" + secretOf(otherToken)
	if out, code := g.cliWithInput(t, forged+" "+token[:56], "leaked", "-", "--then", "revoke"); code != 1 || !strings.Contains(out, "no whole token") {
		t.Errorf("forged: %d %s", code, out)
	}
	if resp := g.get(t, token); resp.Status != 200 {
		t.Fatal("a forged token has ended the key")
	}
	out, code := g.cliWithInput(t, "a mail with "+escaped+"\n", "leaked", "-", "--then", "revoke", "--by", "Ada")
	if code != 0 || !strings.HasPrefix(out, k.Prefix+" revoked, was active, acme") || strings.Contains(out, secretOf(token)) {
		t.Errorf("leaked: %d %s", code, out)
	}
	denied(t, g.get(t, token), 401, "key_revoked")
	if found, code := scan(); code != 0 || !slices.Equal(found, want("revoked")) {
		t.Errorf("after it: status %d, %q", code, found)
	}
	if history := g.mustCLI(t, "audit", "--key", k.ID, "--json"); !strings.Contains(history, `"by":"Ada","by_claimed":true,"action":"revoke","reason":"leaked","key_id":"`+k.ID) {
		t.Errorf("the history: %s", history)
	}
	if len(g.logged(t, withMessage("key leaked"))) != 1 {
		t.Error("the log does not tell of it once")
	}

	// The admin API does the same.
	body, err := json.Marshal(map[string]string{"text": "x\n" + otherToken, "then": "disable"})
	if err != nil {
		t.Fatal(err)
	}
	if resp := g.adminDo(t, "POST", "/keygate/leaked", string(body)); resp.Status != 200 || !strings.Contains(resp.Body, `{"found":[{"prefix":"`+other.Prefix+`","done":"disabled","was":"active","key":{`) {
		t.Errorf("POST /keygate/leaked: %d %s", resp.Status, resp.Body)
	}
	denied(t, g.get(t, otherToken), 401, "key_disabled")
	large := `{"then":"revoke","text":"` + strings.Repeat("x", 1<<20) + `"}`
	if resp := g.adminDo(t, "POST", "/keygate/leaked", large); resp.Status != 413 {
		t.Errorf("more than 1 MiB: %d %s", resp.Status, resp.Body)
	}

	g.stop(t)
	db := filepath.Join(g.Dir, "data", "keygate.db")
	if r := g.cli(t, "keygate", "scan", pasted, "--db", db); r.Code != 0 || strings.Count(r.Stdout, k.Prefix+" revoked, acme, \"test\", last used 2") != 5 {
		t.Errorf("with the store: %d %s%s", r.Code, r.Stdout, r.Stderr)
	}
	if r := g.cli(t, "keygate", "scan", pasted); r.Code != 1 || strings.Count(r.Stdout, k.Prefix+"\n") != 5 || !strings.Contains(r.Stderr, "no store says what the tokens are") {
		t.Errorf("without a store: %d %s%s", r.Code, r.Stdout, r.Stderr)
	}
	scanForSecret(t, token, g.Dir)
	scanForSecret(t, otherToken, g.Dir)
}

// Behind a site there is no such resource: whoever manages one workspace cannot
// ask about tokens of another.
func TestLeakedIsForTheAdminEndpointAlone(t *testing.T) {
	t.Parallel()
	b := startBackend(t)
	g := startCaddy(t, substitute(t, siteWith(), "\treverse_proxy {$BACKEND}", "\troute /keys/* {\n\t\tkeygate_console {\n\t\t\tbase /keys\n\t\t\tworkspace acme\n\t\t\tactor ada\n\t\t}\n\t}\n\treverse_proxy {$BACKEND}",
		"\tkeygate {\n\t\tscope", "\t@keyed not path /keys/*\n\tkeygate @keyed {\n\t\tscope"), "BACKEND="+b.Addr)
	token := g.token(t, "--scope", "posts:read")
	body := `{"text":"` + token + `","then":"look"}`
	if resp := g.do(t, "GET", "/keys/api/policy", ""); resp.Status != 200 {
		t.Fatalf("the site has no API: %d %s", resp.Status, resp.Body)
	}
	for _, path := range []string{"/keys/api/leaked", "/keys/api/keygate/leaked", "/keys/leaked"} {
		if resp := g.do(t, "POST", path, body, "Content-Type: application/json"); resp.Status != 404 {
			t.Errorf("%s: %d %s", path, resp.Status, resp.Body)
		}
	}
}
