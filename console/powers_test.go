package console

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/socialpatra/keygate/access"
	"github.com/socialpatra/keygate/adminapi"
	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
)

var by = keystore.Actor{At: start, Via: "offline"}

// What a visitor may not do is not offered, its page says so, and sending its
// form anyway changes nothing. What the visitor may do is offered.
func TestVerbsThatAreMissing(t *testing.T) {
	id := "/keys/Key000000001"
	deeds := map[adminapi.Verb][]string{
		adminapi.VerbCreate: {"/new"}, adminapi.VerbUpdate: {id + "/edit"}, adminapi.VerbRotate: {id + "/rotate"}, adminapi.VerbDisable: {id + "/disable"},
		adminapi.VerbRevoke: {id + "/revoke"}, adminapi.VerbDelete: {id + "/delete"}, adminapi.VerbExplain: {id + "/explain"},
	}
	form := typedForm("step", "create", "confirm", "Key number 1", "overlap", "1h", "method", "GET", "path", "/v1/posts", "name", "changed")
	for verb, paths := range deeds {
		t.Run(string(verb), func(t *testing.T) {
			s := newSite(t)
			s.has(1)
			offered := s.get("/").body + s.get(id).body
			s.authority.May = slices.DeleteFunc(adminapi.Verbs(), func(v adminapi.Verb) bool { return v == verb })
			less := s.get("/").body + s.get(id).body
			before := s.key("Key000000001")
			for _, path := range paths {
				if !strings.Contains(offered, base+path+`"`) || strings.Contains(less, base+path+`"`) {
					t.Errorf("%s is offered to who may: %t, to who may not: %t", path, strings.Contains(offered, base+path+`"`), strings.Contains(less, base+path+`"`))
				}
				asked, got := s.get(path).want(http.StatusForbidden), s.post(path, form).want(http.StatusForbidden)
				if words := "You may not "; !strings.HasPrefix(asked.byTest("empty"), words) || !strings.HasPrefix(got.byTest("empty"), words) {
					t.Errorf("%s says %q, then %q", path, asked.byTest("empty"), got.byTest("empty"))
				}
				if apikey.ContainsToken(got.body) {
					t.Error("a token was made")
				}
			}
			after := s.key("Key000000001")
			if s.count() != 1 || before.Name != after.Name || after.Disabled || !after.RevokedAt.IsZero() || !after.ReplacedBy.IsZero() {
				t.Errorf("%d keys, %+v", s.count(), after)
			}
		})
	}
	t.Run("usage and history", func(t *testing.T) {
		s := newSite(t)
		s.used(s.has(1), 7, 0, 0)
		s.get("/").want(http.StatusOK, "Last used 30 days")
		s.get(id).want(http.StatusOK, "7 allowed", "grace made the key")
		s.only(adminapi.VerbList)
		s.get("/").want(http.StatusOK, "You may look at keys here, and not make any").lacks("Last used 30 days")
		s.get(id).want(http.StatusOK, "You may not see how much keys are used here", "You may not see who changed keys here").lacks("7 allowed", "grace made the key", "Would this request pass?")
	})
	t.Run("list", func(t *testing.T) {
		s := newSite(t)
		s.has(1)
		s.only(adminapi.VerbCreate)
		s.get("/").want(http.StatusOK, "You may not see the keys of this workspace", "New key").lacks("Key number 1")
		s.get(id).want(http.StatusForbidden, "You may not do this here").lacks("Key number 1")
		s.post("/new", typedForm("step", "create")).want(http.StatusOK, "Copy your new key")
		s.post("/new", typedForm("step", "create")).want(http.StatusConflict, "This key is made already")
	})
}

// A key of another workspace is not there: for each page, in the words and the
// status for a key that never was.
func TestKeysOfOthersAreNotThere(t *testing.T) {
	s := newSite(t)
	s.has(1, named("mine"))
	other := s.has(2, of("globex"), named("Secret project"), holding("invoices:read"))
	s.used(other, 5, 0, 0)
	never := "zzzzzzzzzzzz"
	for _, page := range []string{"", "?days=7", "/edit", "/rotate", "/disable", "/enable", "/revoke", "/delete", "/explain"} {
		for method, form := range map[string]url.Values{http.MethodGet: nil, http.MethodPost: typedForm("confirm", "Secret project", "overlap", "1h", "path", "/v1/posts", "method", "GET")} {
			theirs, none := s.do(method, "/keys/"+other.String()+page, form), s.do(method, "/keys/"+never+page, form)
			if theirs.status != none.status || strings.ReplaceAll(theirs.body, other.String(), never) != none.body {
				t.Errorf("%s %s: %d %s, of no key: %d %s", method, page, theirs.status, theirs.text(), none.status, none.text())
			}
			if theirs.status != http.StatusNotFound && (method == http.MethodGet || page != "" && page != "?days=7") {
				t.Errorf("%s %s: %d", method, page, theirs.status)
			}
		}
	}
	for _, path := range []string{"/", "/?q=Secret", "/?q=" + other.String(), "/?workspace=globex", "/?scope=invoices:read", "/new"} {
		s.get(path).lacks("Secret project", other.String(), "globex")
	}
	if k := s.key(other.String()); k.Name != "Secret project" || k.Disabled || !k.RevokedAt.IsZero() {
		t.Errorf("%+v", k)
	}
	for _, path := range []string{"/workspaces", "/workspaces/acme", "/workspaces/globex"} {
		s.get(path).want(http.StatusNotFound)
		if path != "/workspaces" {
			s.post(path, url.Values{"per_minute": {"1"}}).want(http.StatusNotFound)
		}
	}
	if limits := s.store.AllWorkspaceLimits(); len(limits) != 0 {
		t.Errorf("%v", limits)
	}
}

// Names are data wherever they are shown.
func TestHostileNames(t *testing.T) {
	s := newSite(t)
	names := []string{`<img src=x onerror=alert(1)>`, `"><script>alert(1)</script>`, `{{.Base}}`, `تقرير المبيعات`, strings.Repeat("W", 100), `' onfocus='alert(1)' x='`, `</title></textarea>&amp;`, `javascript:alert(1)`}
	for i, name := range names {
		id := s.has(i+1, named(name), func(k *apikey.Key) { k.Description, k.CreatedBy = name, name })
		path := "/keys/" + id.String()
		for _, page := range []string{"", "/edit", "/rotate", "/disable", "/revoke", "/delete", "/explain"} {
			got := s.get(path + page).want(http.StatusOK)
			checkDocument(t, got)
			found := strings.Contains(got.text(), name)
			for _, n := range got.elements("input") {
				found = found || attr(n, "value") == name
			}
			if !found {
				t.Errorf("%s does not show %q", page, name)
			}
			for _, n := range got.elements("") {
				if n.Data == "img" || n.Data == "script" && n.FirstChild != nil {
					t.Errorf("%s has a <%s>", page, n.Data)
				}
			}
		}
		s.authority.Actor = name
		s.post(path+"/disable", url.Values{}).want(http.StatusSeeOther)
		s.get(path).want(http.StatusOK, name+" disabled it")
		checkDocument(t, s.get("/?q="+url.QueryEscape(name)+"&created_by="+url.QueryEscape(name)))
	}
	list := s.get("/")
	for _, name := range names {
		if !strings.Contains(list.text(), name) {
			t.Errorf("the list does not show %q", name)
		}
	}
}

// Without a session everything is refused alike, and a form is kept.
func TestSignedOut(t *testing.T) {
	s := newSite(t)
	s.has(1)
	s.refuse = true
	for _, path := range []string{"/", "/new", "/keys/Key000000001", "/workspaces", "/nothing"} {
		got := s.get(path).want(http.StatusForbidden, "You are not signed in", "Sign in again").lacks("Key number 1", "Send it again")
		checkHeaders(t, got)
		checkDocument(t, got)
	}
	typed := typedForm("step", "create", "description", "Über <b>", "allowed_ips", "203.0.113.7\n203.0.113.8")
	typed["scopes"] = []string{"posts:read", "posts:write"}
	got := s.post("/new", typed).want(http.StatusForbidden, "nothing is lost", "Nightly report", "Über <b>", "posts:write", "203.0.113.8")
	checkDocument(t, got)
	forms := got.elements("form")
	if len(forms) != 1 || attr(forms[0], "action") != "" {
		t.Fatalf("%d forms", len(forms))
	}
	kept := fieldsOf(forms[0])
	for name, want := range typed {
		if !slices.Equal(kept[name], want) {
			t.Errorf("%s: %q was typed, %q is kept", name, want, kept[name])
		}
	}
	if s.count() != 1 {
		t.Errorf("%d keys", s.count())
	}
	// What another site sends is not to be sent again from this one.
	for _, header := range [][]string{{"Origin", "https://evil.example"}, {"Sec-Fetch-Site", "cross-site"}} {
		s.do(http.MethodPost, "/new", typed, header...).want(http.StatusForbidden).lacks("Nightly report", "Send it again")
	}
	s.refuse = false
	s.post("/new", kept).want(http.StatusOK, "Copy your new key")
}

func TestExplain(t *testing.T) {
	s := newSite(t)
	path := "/keys/" + s.has(1, func(k *apikey.Key) { k.AllowedIPs = []string{"203.0.113.7"} }).String()
	form := s.get(path).want(http.StatusOK, "Would this request pass?").form(path + "/explain")
	ask := func(changes ...string) answer {
		t.Helper()
		for i := 0; i < len(changes); i += 2 {
			form.Set(changes[i], changes[i+1])
		}
		return s.post(path+"/explain", form)
	}
	ask("path", "/v1/posts", "ip", "203.0.113.7").want(http.StatusOK, "Yes, it would pass")
	ask("ip", "203.0.113.8").want(http.StatusOK, "No, it would be refused", "ip_not_allowed", "403")
	ask("ip", "203.0.113.7", "method", "post").want(http.StatusOK, "No, it would be refused", "insufficient_scope", "posts:write")
	ask("method", "GET", "path", "https://api.example/v1/posts?x=1#y").want(http.StatusOK, "Yes, it would pass")
	ask("path", "/v1/posts?limit=5").want(http.StatusOK, "Yes, it would pass")
	ask("path", "/v1/nothing").want(http.StatusOK, "route_not_mapped")
	for field, value := range map[string]string{"path": "", "ip": "here"} {
		old := form.Get(field)
		if got := ask(field, value).want(http.StatusUnprocessableEntity); wordsAt(got, field) == "" {
			t.Errorf("nothing is said at %s", field)
		} else if kept := got.form(path + "/explain"); kept.Get(field) != value || kept.Get("method") != "GET" {
			t.Errorf("%v was typed, %v is there", form, kept)
		}
		form.Set(field, old)
	}
}

// It can be asked about every method that requests may have.
func TestExplainMethods(t *testing.T) {
	s := newSite(t)
	var offered []string
	for _, n := range s.get("/keys/" + s.has(1).String() + "/explain").elements("option") {
		offered = append(offered, n.FirstChild.Data)
	}
	if got := strings.Join(offered, ", "); got != access.RequestMethods {
		t.Errorf("%s are offered, want %s", got, access.RequestMethods)
	}
}

func TestWorkspaces(t *testing.T) {
	s := newSite(t)
	s.authority.Workspace = adminapi.AllWorkspaces
	s.has(1)
	s.has(2, of("globex"))
	s.get("/").want(http.StatusOK, "All workspaces", "Key number 1", "Key number 2", "acme", "globex")
	s.get("/?workspace=globex").want(http.StatusOK, "Key number 2").lacks("Key number 1")
	s.get("/workspaces").want(http.StatusOK, "No workspace has limits of its own")
	if got := s.get("/workspaces?name=acme").want(http.StatusSeeOther); got.header.Get("Location") != base+"/workspaces/acme" {
		t.Errorf("to %s", got.header.Get("Location"))
	}
	s.get("/workspaces?name=a,b").want(http.StatusUnprocessableEntity, "One thing is to be corrected")
	s.get("/workspaces/a,b").want(http.StatusBadRequest)
	form := s.get("/workspaces/acme").want(http.StatusOK, "This workspace has no limits").form("/workspaces/acme")
	for _, wrong := range []string{"0", "x", "-1", "1.5", "1000000001"} {
		form.Set("per_minute", wrong)
		got := s.post("/workspaces/acme", form).want(http.StatusUnprocessableEntity, "from 1 to 1,000,000,000")
		if got.form("/workspaces/acme").Get("per_minute") != wrong {
			t.Error("what was typed is lost")
		}
	}
	form.Set("per_minute", "600")
	s.post("/workspaces/acme", form).want(http.StatusSeeOther)
	s.get("/workspaces").want(http.StatusOK, "acme 600 no limit")
	form = s.get("/workspaces/acme?done=limited").want(http.StatusOK, "The limits are saved", "set for this workspace", "Remove its own limits").form("/workspaces/acme")
	if limits, _ := s.store.WorkspaceLimits("acme"); limits.PerMinute != 600 || limits.PerDay != 0 {
		t.Errorf("%+v", limits)
	}
	form.Set("remove", "yes")
	s.post("/workspaces/acme", form).want(http.StatusSeeOther)
	if _, ok := s.store.WorkspaceLimits("acme"); ok {
		t.Error("the limits are still there")
	}
	s.only(adminapi.VerbList)
	s.get("/workspaces/acme").want(http.StatusOK, "You may not change limits here")
	s.post("/workspaces/acme", url.Values{"per_minute": {"5"}}).want(http.StatusForbidden)
	s.only()
	s.get("/workspaces").want(http.StatusForbidden, "You may not see workspaces here")
}
