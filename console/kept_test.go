package console

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/socialpatra/keygate/adminapi"
	"github.com/socialpatra/keygate/apikey"
)

// whatIsTyped are fields of each form below the base, as a person fills them in. KEY is
// the ID of a key.
func whatIsTyped() map[string]url.Values {
	settings := func(more ...string) url.Values {
		form := url.Values{
			"name": {"Typed name"}, "description": {"typed <b>description</b>"}, "scopes": {"posts:write", "media:upload"}, "expiry": {"custom"}, "expires_in_days": {"337"},
			"per_minute": {"7123"}, "per_day": {"81234"}, "burst": {"6123"}, "allowed_ips": {"203.0.113.99\r\n203.0.113.98"}, "allowed_origins": {"https://typed.example"},
		}
		for i := 0; i < len(more); i += 2 {
			form.Set(more[i], more[i+1])
		}
		return form
	}
	return map[string]url.Values{
		"/new":              settings("nonce", "0123456789abcdef", "step", "create"),
		"/keys/KEY/edit":    settings("etag", `"old"`),
		"/keys/KEY/delete":  {"confirm": {"Typed confirmation"}},
		"/keys/KEY/explain": {"method": {"PATCH"}, "path": {"/typed/path"}, "ip": {"203.0.113.99"}, "origin": {"https://typed.example"}},
		"/workspaces/acme":  {"per_minute": {"7123"}, "per_day": {"81234"}},
	}
}

// lostFrom returns what of a form a page does not show, neither as text nor in a field.
func lostFrom(a answer, form url.Values) (lost []string) {
	shown := []string{}
	for _, f := range a.elements("form") {
		for _, values := range fieldsOf(f) {
			shown = append(shown, values...)
		}
	}
	text := a.text()
	for name, values := range form {
		for _, value := range values {
			value = strings.ReplaceAll(value, "\r\n", "\n")
			in := func(s string) bool { return strings.ReplaceAll(s, "\r\n", "\n") == value }
			if slices.Contains(formFields, name) && !slices.ContainsFunc(shown, in) && !strings.Contains(text, strings.ReplaceAll(value, "\n", " ")) {
				lost = append(lost, name+" "+value)
			}
		}
	}
	return lost
}

// What was typed is on the page that refuses it, whatever the reason, but for a token.
func TestNothingTypedIsLost(t *testing.T) {
	for name, c := range map[string]struct {
		prepare func(s *site, key apikey.ID)
		least   int // how many forms are refused
	}{
		"the visitor may only look":  {func(s *site, _ apikey.ID) { s.only(adminapi.VerbList) }, 5},
		"the visitor may do nothing": {func(s *site, _ apikey.ID) { s.only() }, 5},
		"an operator may only look": {func(s *site, _ apikey.ID) {
			s.authority.Workspace = adminapi.AllWorkspaces
			s.only(adminapi.VerbList)
		}, 5},
		"the key was deleted": {func(s *site, key apikey.ID) {
			if err := s.store.Delete(key, by, func(*apikey.Key) error { return nil }); err != nil {
				s.t.Fatal(err)
			}
		}, 4},
		"the key was revoked": {func(s *site, key apikey.ID) {
			if _, err := s.store.Update(key, "revoke", by, func(k *apikey.Key) error { k.Revoke(start); return nil }); err != nil {
				s.t.Fatal(err)
			}
		}, 2},
		"the visitor is of another workspace": {func(s *site, _ apikey.ID) { s.authority.Workspace = "globex" }, 4},
		"the authority is of nobody":          {func(s *site, _ apikey.ID) { s.authority.Actor = "" }, 5},
		"the form has made its key":           {func(s *site, _ apikey.ID) { s.post("/new", whatIsTyped()["/new"]).want(http.StatusOK) }, 3},
		"the workspace is full":               {func(s *site, _ apikey.ID) { s.authority.Bounds.Keys = 1 }, 3},
		"the bounds are narrow": {func(s *site, _ apikey.ID) {
			s.authority.Bounds = adminapi.Bounds{Scopes: []string{"posts:read"}, IPs: adminapi.Forbidden, Origins: adminapi.Forbidden}
		}, 3},
		"the store is closed": {func(s *site, _ apikey.ID) { s.store.Close() }, 5},
		"the session ended":   {func(s *site, _ apikey.ID) { s.refuse = true }, 5},
	} {
		t.Run(name, func(t *testing.T) {
			refused := 0
			for path, form := range whatIsTyped() {
				for _, secret := range []bool{false, true} {
					s := newSite(t)
					key := s.has(1)
					c.prepare(s, key)
					token, _, _ := apikey.Generate("patra")
					sent := maps.Clone(form)
					if secret {
						field := slices.Min(slices.Collect(maps.Keys(form))) // any one
						sent.Set(field, token)
						form = maps.Clone(form)
						form.Del(field)
					}
					got := s.post(strings.ReplaceAll(path, "KEY", key.String()), sent)
					if strings.Contains(got.body, token[20:]) {
						t.Errorf("%s shows a token", path)
					}
					if got.status < http.StatusBadRequest {
						continue
					}
					if !secret {
						refused++
					}
					if lost := lostFrom(got, form); len(lost) > 0 {
						t.Errorf("%s: %d without %q", path, got.status, lost)
					}
					checkDocument(t, got)
				}
			}
			if refused < c.least {
				t.Errorf("%d forms were refused", refused)
			}
		})
	}
}

// What cannot succeed is not offered to be sent again, and a page that was only looked at
// shows nothing as typed.
func TestSendingAgain(t *testing.T) {
	const again = "Send it again"
	s := newSite(t)
	key := s.has(1)
	path := "/keys/" + key.String() + "/edit"
	form := whatIsTyped()["/keys/KEY/edit"]
	s.get("/keys/zzzzzzzzzzzz/edit").want(http.StatusNotFound).lacks("What you typed", again)
	s.post("/keys/zzzzzzzzzzzz/edit", form).want(http.StatusNotFound, "What you typed").lacks(again)
	s.only()
	s.get(path).want(http.StatusForbidden).lacks("What you typed", again)
	s.post(path, form).want(http.StatusForbidden, "What you typed", again)
	s.post("/keys/"+key.String()+"/disable", url.Values{"etag": {`"x"`}}).want(http.StatusForbidden, again).lacks("What you typed")
	s.only(adminapi.VerbList)
	s.get(path).want(http.StatusForbidden).lacks("What you typed")
	s.authority.May = adminapi.Verbs()
	s.do(http.MethodPost, path, form, "Sec-Fetch-Site", "cross-site").want(http.StatusForbidden).lacks("What you typed", again)
}
