package caddymodule

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/socialpatra/keygate/apikey"
)

// TestSeen sends requests of all kinds. Those that pass with a key count for what is
// seen of it, through an authorisation endpoint too, and no others.
func TestSeen(t *testing.T) {
	type way struct {
		h       *Handler
		request func(method, path, token string) *http.Request
	}
	for name, w := range map[string]way{
		"a proxy": {new(Handler), func(method, path, token string) *http.Request {
			return httpRequest(method, path, http.Header{"Authorization": bearer(token)})
		}},
		"an authorisation endpoint": {&Handler{Authorize: "forward_auth"}, func(method, path, token string) *http.Request {
			r := httpRequest("GET", "/auth", http.Header{"Authorization": bearer(token), "X-Forwarded-Method": {method}, "X-Forwarded-Uri": {path}})
			caddyhttp.SetVar(r.Context(), caddyhttp.TrustedProxyVarKey, true)
			return r
		}},
	} {
		t.Run(name, func(t *testing.T) {
			h := provisioned(t, w.h)
			at := apikey.DayOf(time.Now().AddDate(5, 0, 0)).Start() // the store watches by then
			h.app.now = func() time.Time { return at }
			day := apikey.DayOf(at)
			limited := apikey.Limits{PerMinute: 2, PerDay: 2, Burst: 2}
			k, token := storeKey(t, h, func(k *apikey.Key) {
				k.Scopes, k.CreatedAt, k.Limits = []string{"posts:read", "posts:write"}, at, limited
			})
			send := func(method, path, address string) {
				t.Helper()
				r := w.request(method, path, token)
				caddyhttp.SetVar(r.Context(), caddyhttp.ClientIPVarKey, address)
				var backend backendFunc
				_ = h.ServeHTTP(httptest.NewRecorder(), r, &backend)
			}
			store := h.app.opened.Load()
			want := apikey.Seen{Scopes: []apikey.ScopeUse{{Scope: "posts:read", Since: day}, {Scope: "posts:write", Since: day}}, NetworkSince: day}
			check := func(when string) {
				t.Helper()
				store.limits.Flush()
				if got, err := store.store.Seen([]apikey.ID{k.ID}); err != nil || !reflect.DeepEqual(got[0], want) {
					t.Errorf("%s: seen %+v, %v; want %+v", when, got, err, want)
				}
			}
			send("DELETE", "/v1/posts", "198.51.100.7")
			send("GET", "/v1/nowhere", "198.51.100.7")
			send("GET", "/v1/status", "198.51.100.7")
			check("after denials and a public route")
			send("GET", "/v1/posts", "203.0.113.7")
			want.Scopes[0].Last, want.Network = day, netip.MustParsePrefix("203.0.113.0/24")
			check("after one that passed")
			send("GET", "/v1/posts", "203.0.113.99")
			send("GET", "/v1/posts", "198.51.100.7") // over the limit
			check("after one that was refused")

			rescope := func(body string) {
				t.Helper()
				r := httptest.NewRequest("PATCH", "/keygate/keys/"+k.ID.String(), strings.NewReader(body))
				r.Header.Set("Content-Type", "application/json")
				api, err := h.app.API()
				if err != nil {
					t.Fatal(err)
				}
				answer := httptest.NewRecorder()
				if api.ServeHTTP(answer, r); answer.Code != http.StatusOK {
					t.Fatalf("%s: %d %s", body, answer.Code, answer.Body)
				}
			}
			rescope(`{"limits":{"per_minute":600,"per_day":1000,"burst":600}}`)
			at = at.Add(time.Hour)
			send("GET", "/v1/posts", "203.0.113.7") // not saved before the change
			rescope(`{"scopes":["posts:write"]}`)
			rescope(`{"scopes":["posts:read","posts:write"]}`)
			want.Scopes[0].Last = 0
			check("after it was taken away and given again")
			send("GET", "/v1/posts", "203.0.113.7")
			want.Scopes[0].Last = day
			check("after the next use")
		})
	}
}
