package plugin_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/internal/apitest"
)

const form = "Content-Type: application/x-www-form-urlencoded"

// startRevocation runs the site with keygate_revocation beside its keygate.
func startRevocation(t testing.TB) *gateway {
	t.Helper()
	b := startBackend(t)
	return startCaddy(t, strings.Replace(siteWith(), "\tlog\n", "\tlog\n\tkeygate_revocation /oauth/revoke\n\tkeygate_leak_reports /leaks github {\n\t\tkeys_url http://127.0.0.1:{$KEYS_PORT}/keys\n\t\tthen revoke\n\t}\n", 1), "BACKEND="+b.Addr, "KEYS_PORT="+keysPort(t))
}

// revoke hands in a token, and returns the answer without what differs each time.
func (g *gateway) revokeBy(t testing.TB, body string, headers ...string) (response, string) {
	t.Helper()
	resp := g.do(t, "POST", "/oauth/revoke", body, append(headers, form)...)
	resp.Header.Del("Date")
	resp.Header.Del("Request-Id")
	var lines []string
	for _, name := range slices.Sorted(maps.Keys(resp.Header)) {
		lines = append(lines, name+": "+strings.Join(resp.Header[name], ", "))
	}
	return resp, fmt.Sprint(resp.Status, "\n", strings.Join(lines, "\n"), "\n\n", resp.Body)
}

// Whoever has a token can end its key: after the answer it is dead, for good. The
// answer to any other token is the same, and no key is ended by one.
func TestRevocationEndsTheKeyOfTheToken(t *testing.T) {
	t.Parallel()
	g := startRevocation(t)
	id, token := g.makeKey(t)
	victim, victims := g.makeKey(t)
	_, stolen := g.makeKey(t)
	victimID, err := apikey.ParseID(victim)
	if err != nil {
		t.Fatal(err)
	}
	forged, _ := apikey.GenerateFor("patra", victimID)
	branded, _ := apikey.GenerateFor("other", victimID)
	stranger, _, _ := apikey.Generate("patra")
	const opaque = "legacy-0123456789"
	if r := send(t, g.admin, "POST", "http://"+g.Admin+"/keygate/import", apitest.OpaqueLine(opaque)+"\n", []string{"Content-Type: application/jsonl"}); r.Status != 200 {
		t.Fatalf("import: %d %s", r.Status, r.Body)
	}
	if resp := g.get(t, token); resp.Status != 200 {
		t.Fatal(resp.Status)
	}
	_, want := g.revokeBy(t, "token="+stranger)
	if !strings.HasPrefix(want, "200\n") || !strings.Contains(want, "Cache-Control: no-store") || !strings.HasSuffix(want, "\n\n") {
		t.Fatalf("answered\n%s", want)
	}
	for name, body := range map[string]string{
		"genuine":           "token=" + token,
		"genuine again":     "token=" + token,
		"another secret":    "token=" + forged,
		"another brand":     "token=" + branded,
		"cut short":         "token=" + victims[:56],
		"an ID":             "token=" + victim,
		"a prefix":          "token=patra_" + victim,
		"two in one":        "token=" + victims + stolen,
		"with more":         "token=" + victims + ".",
		"anything":          "token=%00%ff%0a",
		"long":              "token=" + strings.Repeat("x", 9000),
		"imported":          "token=" + opaque + "&token_type_hint=refresh_token&client_id=x",
		"imported, wrong":   "token=" + opaque + "0",
		"imported, a space": "token=legacy -0123456789",
	} {
		if _, got := g.revokeBy(t, body); got != want {
			t.Errorf("%s: answered\n%s\nwant\n%s", name, got, want)
		}
	}
	denied(t, g.get(t, token), 401, "key_revoked")
	denied(t, g.get(t, opaque), 401, "key_revoked")
	if status := g.statusOf(t, victim); status != "active" {
		t.Errorf("a key whose token was not sent is %s", status)
	}
	history := g.mustCLI(t, "audit", "--key", id, "--json")
	if strings.Count(history, `"seq"`) != 2 || !strings.Contains(history, `"via":"revocation 127.0.0.1","action":"revoke","reason":"surrendered"`) {
		t.Errorf("the history: %s", history)
	}
	if n := len(g.logged(t, withMessage("key leaked"))); n != 0 {
		t.Error("a key that its holder ends is said to have leaked")
	}
	g.stop(t)
	for _, secret := range []string{token, victims} {
		scanForSecret(t, secret, g.Dir)
	}
}

// A request that RFC 7009 does not describe is refused. The answer repeats nothing of it,
// and no key ends.
func TestRevocationRefuses(t *testing.T) {
	t.Parallel()
	g := startRevocation(t)
	id, token := g.makeKey(t)
	for _, c := range []struct {
		method, path, body string
		headers            []string
		status             int
		code               string
	}{
		{"GET", "", "", nil, 405, "method_not_allowed"},
		{"GET", "?token=" + token, "", nil, 405, "method_not_allowed"},
		{"PUT", "", "token=" + token, []string{form}, 405, "method_not_allowed"},
		{"DELETE", "", "token=" + token, []string{form}, 405, "method_not_allowed"},
		{"POST", "", "token=" + token, nil, 415, "invalid_request"},
		{"POST", "", `{"token":"` + token + `"}`, []string{"Content-Type: application/json"}, 415, "invalid_request"},
		{"POST", "", "token=" + token, []string{form, form}, 415, "invalid_request"},
		{"POST", "", "token=" + token, []string{form, "Content-Encoding: gzip"}, 415, "invalid_request"},
		{"POST", "?token=" + token, "", []string{form}, 400, "invalid_request"},
		{"POST", "?x=" + token, "token=" + token, []string{form}, 400, "invalid_request"},
		{"POST", "?x=" + strings.ReplaceAll(token, "_", "%5F"), "token=" + token, []string{form}, 400, "invalid_request"},
		{"POST", "", "", []string{form}, 400, "invalid_request"},
		{"POST", "", "Token=" + token, []string{form}, 400, "invalid_request"},
		{"POST", "", "token=", []string{form}, 400, "invalid_request"},
		{"POST", "", "token=" + token + "&token=" + token, []string{form}, 400, "invalid_request"},
		{"POST", "", "token=&token=" + token, []string{form}, 400, "invalid_request"},
		{"POST", "", "token=" + token + "&%zz", []string{form}, 400, "invalid_request"},
		{"POST", "", "token=" + token + ";x", []string{form}, 400, "invalid_request"},
		{"POST", "", "token=" + token + "&x=" + strings.Repeat("x", 16<<10), []string{form}, 413, "invalid_request"},
	} {
		resp := g.do(t, c.method, "/oauth/revoke"+c.path, c.body, c.headers...)
		var p problem
		if err := json.Unmarshal([]byte(resp.Body), &p); err != nil || resp.Status != c.status || p.Code != c.code || p.Type != "urn:keygate:problem:"+c.code || strings.Contains(resp.Body, secretOf(token)) {
			t.Errorf("%s %s %.40s: %d %s, want %d %s", c.method, c.path, c.body, resp.Status, resp.Body, c.status, c.code)
		}
		if c.code == "invalid_request" && p.Error != c.code {
			t.Errorf("%s %s %.40s: %s has error %q, which OAuth clients read (RFC 6749 §5.2)", c.method, c.path, c.body, resp.Body, p.Error)
		}
		if c.status == 405 && resp.Header.Get("Allow") != "POST, OPTIONS" {
			t.Errorf("Allow: %q", resp.Header.Get("Allow"))
		}
		wantHeaders(t, resp, map[string]string{"Cache-Control": "no-store", "Content-Type": "application/problem+json", "Access-Control-Allow-Origin": "*"})
	}
	if resp := g.do(t, "HEAD", "/oauth/revoke", ""); resp.Status != 405 || resp.Body != "" {
		t.Errorf("HEAD: %d %s", resp.Status, resp.Body)
	}
	if resp := g.do(t, "OPTIONS", "/oauth/revoke", "", "Origin: https://app.example.com", "Access-Control-Request-Method: POST"); resp.Status != 204 || resp.Header.Get("Access-Control-Allow-Origin") != "*" || resp.Header.Get("Access-Control-Allow-Methods") != "POST" {
		t.Errorf("a preflight: %d %v", resp.Status, resp.Header)
	}
	if status := g.statusOf(t, id); status != "active" {
		t.Errorf("the key is %s", status)
	}
	if resp := g.do(t, "POST", "/oauth/revoke/x", "token="+token, form); resp.Status == 200 {
		t.Error("another path is taken")
	}
}

// An address that hands in too many tokens is told so, whatever it sends. A token of
// our own form, which nobody guesses, ends its key all the same; an imported one is not
// looked up.
func TestRevocationIsBoundedPerAddress(t *testing.T) {
	t.Parallel()
	g := startRevocation(t)
	const opaque = "legacy-0123456789"
	if r := send(t, g.admin, "POST", "http://"+g.Admin+"/keygate/import", apitest.OpaqueLine(opaque)+"\n", []string{"Content-Type: application/jsonl"}); r.Status != 200 {
		t.Fatalf("import: %d %s", r.Status, r.Body)
	}
	id, token := g.makeKey(t)
	var running sync.WaitGroup
	var mu sync.Mutex
	answers, begun := make(map[int]int), time.Now()
	for i := range 80 {
		running.Go(func() {
			resp, _ := g.revokeBy(t, "token="+url.QueryEscape(fmt.Sprint("wrong ", i)))
			mu.Lock()
			defer mu.Unlock()
			answers[resp.Status]++
		})
	}
	running.Wait()
	regained := int(time.Since(begun)/time.Second) + 1 // one is granted each second
	if answers[200] < 60 || answers[200] > min(60+regained, 80) || answers[429] != 80-answers[200] {
		t.Errorf("answered %v within %d s", answers, regained)
	}
	var wrong response
	var want string
	await(t, "refusal", func() bool {
		wrong, want = g.revokeBy(t, "token=wrong")
		return wrong.Status == 429
	})
	if wrong.Header.Get("Retry-After") == "" {
		t.Fatalf("answered\n%s", want)
	}
	active := 1
	for _, credential := range []string{opaque, token} {
		resp, got := g.revokeBy(t, "token="+credential)
		if resp.Status == 429 && got != want {
			t.Errorf("answered\n%s\nwant\n%s", got, want)
		}
		if resp.Status != 429 && credential == opaque { // a second has passed
			active = 0
		}
	}
	if status := g.statusOf(t, id); status != "revoked" {
		t.Errorf("the key is %s", status)
	}
	if n := strings.Count(g.adminDo(t, "GET", "/keygate/keys?status=active", "").Body, `"id"`); n != active {
		t.Errorf("%d keys are active, want %d; one of another system only within the budget ends", n, active)
	}
}
