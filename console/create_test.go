package console

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/socialpatra/keygate/adminapi"
	"github.com/socialpatra/keygate/apikey"
)

// typedForm is a form as somebody sends it, with changes: a name and its value in
// turn.
func typedForm(changes ...string) url.Values {
	form := url.Values{"name": {"Nightly report"}, "scopes": {"posts:read"}, "expiry": {"90"}, "nonce": {"0123456789abcdef"}}
	for i := 0; i < len(changes); i += 2 {
		form.Set(changes[i], changes[i+1])
	}
	return form
}

// The way from the list to the token, by what the pages themselves offer.
func TestMakeAKey(t *testing.T) {
	s := newSite(t)
	form := s.get("/new").want(http.StatusOK, "Your address is 203.0.113.77").form("/new")
	form.Set("name", "Nightly report")
	form.Set("description", "in the vault")
	form["scopes"] = []string{"posts:read", "invoices:read"}
	form.Set("allowed_ips", "203.0.113.7\r\n\r\n 203.0.113.8 \r\n")
	form.Set("per_minute", "30")
	summary := s.post("/new", form).want(http.StatusOK, "Check the new key", "Nightly report", "in the vault", "Read posts and drafts", "Read invoices", "21 Feb 2027, in 90 days", "30 requests a minute", "203.0.113.8")
	if s.count() != 0 {
		t.Fatal("the summary has made a key")
	}
	forms := summary.elements("form")
	token := s.post("/new", fieldsOf(forms[0])).want(http.StatusOK, "Copy your new key", "I have saved it")
	secret := token.byTest("token")
	id, ok := apikey.Parse("patra", secret)
	if !ok {
		t.Fatalf("%q is no token", secret)
	}
	if n := strings.Count(token.body, secret); n != 4 {
		t.Errorf("the token is there %d times, want it once alone and in three examples", n)
	}
	token.want(http.StatusOK, "curl https://api.example/v1/", "import urllib.request", "await fetch(")
	if token.header.Get("Cache-Control") != "no-store" {
		t.Errorf("Cache-Control %q", token.header.Get("Cache-Control"))
	}
	k := s.key(id.String())
	if k.Name != "Nightly report" || k.Description != "in the vault" || !slices.Equal(k.Scopes, []string{"invoices:read", "posts:read"}) || k.Workspace != "acme" || k.CreatedBy != "ada" ||
		!k.ExpiresAt.Equal(start.Add(90*24*time.Hour)) || k.Limits != (apikey.Limits{PerMinute: 30, PerDay: 10_000, Burst: 30}) || !slices.Equal(k.AllowedIPs, []string{"203.0.113.7", "203.0.113.8"}) {
		t.Errorf("%+v", k)
	}
	// The way on leads to the key; no page shows the token again.
	for _, path := range []string{"/", "/keys/" + k.ID.String(), "/keys/" + k.ID.String() + "/edit"} {
		if got := s.get(path).want(http.StatusOK, "Nightly report"); strings.Contains(got.body, secret[20:]) {
			t.Errorf("%s holds the token", path)
		}
	}
}

// Reload, back and a double click make one key, and show its token once.
func TestOneFormMakesOneKey(t *testing.T) {
	s := newSite(t)
	form := typedForm("step", "create")
	answers := make([]answer, 8)
	var wg sync.WaitGroup
	for i := range answers {
		wg.Go(func() { answers[i] = s.post("/new", form) })
	}
	wg.Wait()
	tokens := 0
	for _, a := range answers {
		if apikey.ContainsToken(a.body) {
			tokens++
			continue
		}
		a.want(http.StatusConflict, "This key is made already", "Sending the form again makes no second key")
	}
	if tokens != 1 || s.count() != 1 {
		t.Errorf("%d tokens, %d keys", tokens, s.count())
	}
	s.post("/new", typedForm("step", "create", "nonce", "another-0123456789")).want(http.StatusOK, "Copy your new key")
	if s.count() != 2 {
		t.Errorf("another form: %d keys", s.count())
	}
	if x, y := s.get("/new").form("/new").Get("nonce"), s.get("/new").form("/new").Get("nonce"); x == y || len(x) < 16 {
		t.Errorf("nonces %q and %q", x, y)
	}
}

// Each mistake is told at its field, and all of them at once; nothing that was
// typed is lost, on the way to the summary and at the creation.
func TestMistakesAreAtTheirFields(t *testing.T) {
	mistakes := map[string][]string{ // field: what is sent, and what is said
		"name":            {"name", "", "Write a name."},
		"name long":       {"name", strings.Repeat("x", 101), "101 characters"},
		"name hidden":     {"name", "a\u200bb", "U+200B"},
		"name spaced":     {"name", " a", "U+0020 at position 1"},
		"description":     {"description", "a  b", "single spaces"},
		"scopes":          {"scopes", "", "scopes"},
		"scopes unknown":  {"scopes", "posts:nothing", "may not have"},
		"expiry":          {"expiry", "", "Choose how long"},
		"expires_in_days": {"expiry", "custom", "whole number of days"},
		"expiry odd":      {"expiry", "soon", "whole number of days"},
		"per_minute":      {"per_minute", "1e3", "whole number from 1 to 1,000,000"},
		"per_day":         {"per_day", "0", "whole number from 1 to 1,000,000,000"},
		"burst":           {"burst", "61", "whole number from 1 to 60"},
		"allowed_origins": {"allowed_origins", "shop.example", "shop.example"},
		"allowed_ips":     {"allowed_ips", "203.0.113.7\n10.0.0.1/8\nx", "did you mean 10.0.0.0/8?"},
	}
	for _, step := range []string{"check", "create"} {
		for name, m := range mistakes {
			t.Run(step+" "+name, func(t *testing.T) {
				s := newSite(t)
				field, _, _ := strings.Cut(name, " ")
				form := typedForm("step", step, "description", "kept", "allowed_ips", "203.0.113.9", m[0], m[1])
				got := s.post("/new", form).want(http.StatusUnprocessableEntity, "One thing is to be corrected")
				if at := wordsAt(got, field); !strings.Contains(at, m[2]) && m[2] != "scopes" || at == "" {
					t.Errorf("at %s it says %q, want %q", field, at, m[2])
				}
				if !strings.Contains(got.body, `<a href="#f-`+field+`">`) {
					t.Errorf("the summary does not lead to %s", field)
				}
				checkDocument(t, got)
				kept := got.form("/new")
				for name, want := range form {
					if name != "step" && name != "scopes" && name != "expiry" && kept.Get(name) != want[0] {
						t.Errorf("%s: %q was typed, %q is there", name, want[0], kept.Get(name))
					}
				}
				if s.count() != 0 {
					t.Error("a key was made")
				}
			})
		}
	}
	s := newSite(t)
	all := url.Values{"step": {"create"}}
	said := 0
	for _, m := range mistakes {
		all.Set(m[0], m[1])
	}
	all.Set("scopes", "")
	got := s.post("/new", all)
	for _, field := range []string{"name", "description", "scopes", "per_minute", "per_day", "allowed_origins", "allowed_ips"} {
		if wordsAt(got, field) != "" {
			said++
		}
	}
	if said != 7 {
		t.Errorf("%d of seven mistakes are told at their fields\n%s", said, got.text())
	}
}

// wordsAt returns what a page says is to be corrected at a field.
func wordsAt(a answer, field string) string {
	for _, n := range a.elements("p") {
		if attr(n, "id") == "e-"+field {
			for c := range n.Descendants() {
				if c.Data == "span" && c.FirstChild != nil {
					return c.FirstChild.Data
				}
			}
		}
	}
	return ""
}

// What the operator bounds is what the form offers and what it refuses, in words
// of its own, before the API has to.
func TestFormKeepsTheBounds(t *testing.T) {
	s := newSite(t)
	s.authority.Bounds = adminapi.Bounds{
		Keys: 2, Expiry: adminapi.ExpiryBounds{Default: 45, Max: 120}, Scopes: []string{"posts:read", "own:scope"},
		PerMinute: adminapi.LimitBounds{Default: 5, Max: 10}, Origins: adminapi.Forbidden, IPs: adminapi.Required,
	}
	page := s.get("/new").want(http.StatusOK, "Read posts and drafts", "Scope own", "45 days", "120 days", "1 to 10", "Keys here must expire").lacks("Create and change posts", "180 days", "Never", "Publishing bot")
	form := page.form("/new")
	if form.Get("expiry") != "45" || form.Get("per_minute") != "5" {
		t.Errorf("the form begins with %v", form)
	}
	for field, change := range map[string][]string{
		"scopes": {"scopes", "posts:write"}, "expiry": {"expiry", "never"}, "expires_in_days": {"expiry", "custom", "expires_in_days", "121"}, "per_minute": {"per_minute", "11"},
		"allowed_origins": {"allowed_origins", "https://a.example"}, "allowed_ips": {"allowed_ips", ""},
	} {
		for _, step := range []string{"check", "create"} { // before the summary, too
			got := s.post("/new", typedForm(append([]string{"step", step, "allowed_ips", "203.0.113.7", "expiry", "30"}, change...)...)).want(http.StatusUnprocessableEntity)
			if wordsAt(got, field) == "" {
				t.Errorf("nothing is said at %s\n%s", field, got.text())
			}
		}
	}
	good := []string{"step", "create", "allowed_ips", "203.0.113.7", "expiry", "30"}
	s.get("/").want(http.StatusOK, "0 of 2 keys in use", "Make the first key")
	for _, nonce := range []string{"first-0123456789", "second-0123456789"} {
		s.post("/new", typedForm(append(good, "nonce", nonce)...)).want(http.StatusOK, "Copy your new key")
	}
	s.post("/new", typedForm(append(good, "nonce", "second-0123456789")...)).want(http.StatusConflict, "This key is made already")
	s.post("/new", typedForm(append(good, "nonce", "third-0123456789", "step", "check")...)).want(http.StatusUnprocessableEntity, "all the keys that it may have")
	s.get("/").want(http.StatusOK, "2 of 2 keys in use", "all 2 keys that it may have").lacks("New key")
	s.get("/new").want(http.StatusOK, "This workspace has 2 of 2 keys")
}

// For all workspaces the form asks for one.
func TestMakeAKeyInAnyWorkspace(t *testing.T) {
	s := newSite(t)
	s.authority.Workspace = adminapi.AllWorkspaces
	if got := s.get("/new?workspace=globex").form("/new").Get("workspace"); got != "globex" {
		t.Errorf("workspace %q", got)
	}
	if got := s.post("/new", typedForm("step", "create")).want(http.StatusUnprocessableEntity); wordsAt(got, "workspace") == "" {
		t.Error("no workspace is accepted")
	}
	s.post("/new", typedForm("step", "create", "workspace", "globex")).want(http.StatusOK, "Copy your new key")
	s.get("/").want(http.StatusOK, "globex")
	s.authority.Workspace = "acme"
	s.get("/").lacks("globex").want(http.StatusOK, "No keys yet")
	s.post("/new", typedForm("step", "create", "workspace", "globex", "nonce", "other-0123456789")).want(http.StatusOK) // the field is not of this visitor's form
	s.get("/").want(http.StatusOK, "Nightly report")
}

func TestPresets(t *testing.T) {
	s := newSite(t)
	page := s.get("/new")
	found := 0
	for _, n := range page.elements("a") {
		scopes := attr(n, "data-scopes")
		if scopes == "" {
			continue
		}
		found++
		form := s.get(strings.TrimPrefix(attr(n, "href"), base)).form("/new")
		if got := slices.Sorted(slices.Values(form["scopes"])); !slices.Equal(got, slices.Sorted(slices.Values(strings.Fields(scopes)))) {
			t.Errorf("%s ticks %v, says %s", attr(n, "href"), got, scopes)
		}
		form.Set("name", "n")
		s.post("/new", form).want(http.StatusOK, "Check the new key")
	}
	if found != len(presets) {
		t.Errorf("%d presets are offered of %d", found, len(presets))
	}
	for _, p := range presets {
		for _, scope := range p.scopes {
			if !slices.ContainsFunc(apikey.Catalogue(), func(i apikey.ScopeInfo) bool { return i.Scope == scope }) {
				t.Errorf("%s ticks %s, which is in no catalogue", p.name, scope)
			}
		}
	}
	if got := s.get("/new?preset=nothing").form("/new")["scopes"]; got != nil {
		t.Errorf("an unknown preset ticks %v", got)
	}
}

// The way back from the summary has all that was typed.
func TestChangeFromTheSummary(t *testing.T) {
	s := newSite(t)
	typed := typedForm("step", "check", "description", "d", "expiry", "custom", "expires_in_days", "77", "per_minute", "7", "per_day", "8", "burst", "3", "allowed_ips", "203.0.113.7\r\n203.0.113.8", "allowed_origins", "https://a.example")
	typed["scopes"] = []string{"posts:read", "media:upload"}
	summary := s.post("/new", typed).want(http.StatusOK, "3 at once at most")
	back := s.post("/new", fieldsOf(summary.elements("form")[1])).want(http.StatusOK, "New key").form("/new")
	for name, want := range typed {
		got := back[name]
		if name == "allowed_ips" { // a browser sends each line break as two characters
			got = []string{strings.ReplaceAll(strings.ReplaceAll(got[0], "\r\n", "\n"), "\n", "\r\n")}
		}
		if !maps.Equal(setOf(got), setOf(want)) {
			t.Errorf("%s: %q, was %q", name, got, want)
		}
	}
}

func setOf(list []string) map[string]bool {
	set := make(map[string]bool)
	for _, s := range list {
		set[s] = true
	}
	return set
}

// A token that is typed into any field is in no page, and the field says so.
func TestTypedTokensAreNotShown(t *testing.T) {
	s := newSite(t)
	id := s.has(1).String()
	token, _, _ := apikey.Generate("patra")
	for path, fields := range map[string][]string{
		"/new":                     {"name", "description", "allowed_ips", "allowed_origins", "expires_in_days", "per_minute", "per_day", "burst", "expiry", "scopes", "nonce", "workspace", "preset", "step"},
		"/keys/" + id + "/edit":    {"name", "description", "allowed_ips", "etag"},
		"/keys/" + id + "/explain": {"method", "path", "origin", "ip"},
		"/keys/" + id + "/delete":  {"confirm"},
		"/keys/" + id + "/rotate":  {"overlap"},
	} {
		for _, field := range fields {
			for _, out := range []bool{false, true} {
				s.refuse = out
				got := s.post(path, typedForm(field, "x "+token))
				if strings.Contains(got.body, token[20:]) {
					t.Errorf("%s shows a token that was typed as %s", path, field)
				}
			}
		}
	}
}
