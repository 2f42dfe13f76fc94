package adminapi

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/socialpatra/keygate/access"
	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/internal/apitest"
	"github.com/socialpatra/keygate/keystore"
)

// What is refused is named, with what is accepted in its place, and no more of it
// than fits on a line; nothing of it is done.
func TestAPIWordsOfRefusals(t *testing.T) {
	s := serveAPI(t)
	id, _, _ := s.create()
	for _, test := range []struct{ request, body, want string }{
		{"GET /keygate/keys?limit=", "", "limit: is empty; accepted: a value; leave the parameter out otherwise"},
		{"GET /keygate/keys?status=x", "", `status: "x" is not a status; accepted: active, disabled, expired or revoked`},
		{"GET /keygate/keys?status=" + strings.Repeat("x", 64), "", `status: "` + strings.Repeat("x", 64) + `" is not`},
		{"GET /keygate/keys?status=" + strings.Repeat("x", 64) + "y", "", `status: "` + strings.Repeat("x", 64) + `"… is not`},
		{"GET /keygate/keys?a=" + strings.Repeat("&a", 20_000), "", "query: does not parse"},
		{"GET /keygate/keys?a;b", "", "query: has a semicolon"},
		{"GET /keygate/keys?a=%zz", "", `query: "%zz" is not a percent-encoded byte`},
		{"POST /keygate/import?keep_going=maybe", "", `keep_going: "maybe" is not accepted; accepted: true or false`},
		{"POST /keygate/import", strings.Replace(apitest.OpaqueLine("x"), `"opaque"`, `"`+wholeToken+`"`, 1), "token_format: <a token> is not a token format"},
		{"POST /keygate/import", strings.Replace(apitest.OpaqueLine("x"), "{", `{"id":"1",`, 1), `id: "1" is not a key ID`},
		{"GET /keygate/workspaces/-a", "", "workspace: "},
		{"DELETE /keygate/workspaces/-a", "", "workspace: "},
		{"PATCH /keygate/workspaces/-a", `{"limits":{"per_day":1}}`, "workspace: "},
		{"PATCH /keygate/workspaces/zz", `{"limits":{"per_minute":1.5}}`, "per_minute: is not a whole number; accepted: 1 to 1,000,000,000, or null for no limit"},
		{"PATCH /keygate/workspaces/zz", `{"limits":{"per_minute":"7"}}`, "per_minute: is not a whole number"},
		{"PATCH /keygate/workspaces/zz", `{"limits":{"per_day":{}}}`, "per_day: is not a whole number"},
		{"GET /keygate/workspaces?cursor=-a", "", "cursor: is not a cursor; accepted: the next_cursor of the page before"},
		{"GET /keygate/audit?cursor=0", "", "cursor: is not a cursor"},
		{"GET /keygate/audit?key=x", "", `id: "x" is not a key ID`},
		{keyURL("GET", "x"), "", `id: "x" is not a key ID`},
		{keyURL("GET", "x", "/usage"), "", `id: "x" is not a key ID`},
		{keyURL("DELETE", "x"), "", `id: "x" is not a key ID`},
		{keyURL("PATCH", "x"), `{"name":"y"}`, `id: "x" is not a key ID`},
		{keyURL("POST", "x", "/rotate"), "", `id: "x" is not a key ID`},
		{keyURL("POST", "x", "/revoke"), "", `id: "x" is not a key ID`},
		{keyURL("PATCH", id), `{"workspace":"other"}`, "workspace: never changes; accepted: a new key in the other workspace"},
		{keyURL("PATCH", id), `{"expires_in_days":1,"expires_at":null}`, "expires_in_days: is given together with expires_at; accepted: one of the two"},
		{keyURL("PATCH", id), `{"expires_at":7}`, "expires_at: is not a string; accepted: an RFC 3339 time in the future, or null for never"},
	} {
		var answer struct{ Error string }
		got := s.send(test.request, test.body).want(t, 400)
		if err := json.Unmarshal([]byte(got.body), &answer); err != nil || !strings.HasPrefix(strings.TrimPrefix(answer.Error, "line 1: "), test.want) {
			t.Errorf("%.60s: %s, want %s", test.request, answer.Error, test.want)
		}
	}
	if trail := s.send("GET /keygate/audit", "").want(t, 200).body; strings.Count(trail, `"seq"`) != 1 {
		t.Errorf("something was done: %s", trail)
	}
}

// A surrogate is one of a pair, in the two escapes that make it one.
func TestAPIPairsOfSurrogates(t *testing.T) {
	s := serveAPI(t)
	for text, status := range map[string]int{
		`\ud800\udc00`: 201, `\uD83D\uDE00`: 201, `x\ud800\udc00x`: 201, `\\ud800`: 201, `\ue000`: 400, // private use
		`\ud800\ndc00`: 400, `\ud800xudc00`: 400, `\ud800 \udc00`: 400, `\ud800\ud800`: 400, `\udc00\udc00`: 400, `\ud800dc00`: 400, `\ud800\\udc00`: 400,
	} {
		s.send("POST /keygate/keys", `{"workspace":"a","scopes":["posts:read"],"name":"`+text+`"}`).want(t, status)
		s.send("POST /keygate/keys", `{"workspace":"a","name":"`+text+`","scopes":["posts:read"]}`).want(t, status)
	}
}

// A damaged key can be deleted, unless its state matters.
func TestAPIDeletesWhatCannotBeRead(t *testing.T) {
	s := serveAPI(t)
	id, _, etag := s.create()
	s.failing = unreadable{s.store}
	s.send(keyURL("DELETE", id), "", "If-Match", etag).want(t, 503)
	s.send(keyURL("DELETE", id), "", "If-Match", "*").want(t, 503)
	s.send(keyURL("DELETE", id), "").want(t, 204)
	s.failing = nil
	s.send(keyURL("GET", id), "").want(t, 404)
}

// unreadable deletes as a store does whose records are damaged.
type unreadable struct{ keystore.Store }

func (s unreadable) Delete(id apikey.ID, by keystore.Actor, check func(*apikey.Key) error) error {
	if check != nil {
		return keystore.ErrDamaged
	}
	return s.Store.Delete(id, by, nil)
}

// Without a number of days, use is told of thirty.
func TestAPIUsageOfThirtyDays(t *testing.T) {
	s := serveAPI(t)
	id, made, _ := s.create()
	today := apikey.DayOf(apiStart)
	var used []apikey.Usage
	for _, ago := range []apikey.Day{29, 30, 31} {
		used = append(used, apikey.Usage{ID: made.Key.ID, Day: today - ago, Allowed: uint64(ago)})
	}
	if err := s.store.SaveUsage(used, nil); err != nil {
		t.Fatal(err)
	}
	s.send(keyURL("GET", id, "/usage"), "").want(t, 200, `{"days":[{"date":"2026-10-25","allowed":29,"limited":0,"denied":0}]}`)
}

// Each scope is there once, with all its routes in order: those of the catalogue
// first, then those that only the config has.
func TestAPIScopesOfRoutes(t *testing.T) {
	table, err := access.NewTable([]access.Route{
		{Methods: []string{"PUT"}, Pattern: "/z", Scopes: access.AllOf("posts:read", "zeta:x")},
		{Methods: []string{"GET"}, Pattern: "/b", Scopes: access.AllOf("alpha:x")},
		{Methods: []string{"GET"}, Pattern: "/a", Scopes: access.AllOf("posts:read")},
	})
	if err != nil {
		t.Fatal(err)
	}
	g := Mapping{Policy: access.Policy{Table: table}}
	a := &call{Server: New(Options{Store: serveAPI(t).store, Mappings: []Mapping{g, g}})}
	answer, status, err := a.scopes(nil)
	if err != nil || status != 200 {
		t.Fatal(err)
	}
	got := make(map[string][]string)
	var order []string
	for _, info := range answer.(ScopesResponse).Scopes {
		if len(info.Routes) > 0 {
			order = append(order, info.Scope)
			got[info.Scope] = info.Routes
		}
	}
	want := map[string][]string{"posts:read": {"GET /a", "PUT /z"}, "alpha:x": {"GET /b"}, "zeta:x": {"PUT /z"}}
	if !reflect.DeepEqual(got, want) || strings.Join(order, " ") != "posts:read alpha:x zeta:x" {
		t.Errorf("%v in the order %v", got, order)
	}
	if scopes := routeScopes(a.mappings); strings.Join(scopes, " ") != "alpha:x posts:read zeta:x" {
		t.Errorf("%v", scopes)
	}
}
