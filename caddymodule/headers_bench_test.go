package caddymodule

import (
	"net/http"
	"testing"

	"github.com/socialpatra/keygate/access"
	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/caddymodule/identity"
	"github.com/socialpatra/keygate/caddymodule/response"
	"github.com/socialpatra/keygate/ratelimit"
)

// BenchmarkSetIdentity is what a request to the backend is given; BenchmarkStrip
// is what is taken off it.
func BenchmarkSetIdentity(b *testing.B) {
	a := &answer{handler: &Handler{identity: identity.New("Socialpatra-", "")}}
	keyID, err := apikey.ParseID("7Hk2Qp9aX3bC")
	if err != nil {
		b.Fatal(err)
	}
	d := &access.Decision{ID: keyID, Grant: apikey.Grant{Workspace: "acme", Scopes: apikey.NewScopeSet([]string{"posts:read", "posts:write"})}}
	h := make(http.Header)
	b.ReportAllocs()
	for b.Loop() {
		a.handler.identity.Put(h, a.identify(d))
	}
}

// BenchmarkSetHeaders is what every response is given.
func BenchmarkSetHeaders(b *testing.B) {
	caps := ratelimit.Caps{Limits: apikey.Limits{PerMinute: 60, PerDay: 10_000, Burst: 60}}
	shared := caps
	shared.WorkspaceLimits = apikey.WorkspaceLimits{PerMinute: 600, PerDay: 100_000}
	minute, day := ratelimit.Balance{Limit: 60, Remaining: 59, Reset: 1}, ratelimit.Balance{Limit: 10_000, Remaining: 9211, Reset: 31044}
	for _, tt := range []struct {
		name   string
		origin string
		keyed  bool
		caps   ratelimit.Caps
		limits ratelimit.Result
	}{
		{"public", "", false, ratelimit.Caps{}, ratelimit.Result{}},
		{"RateLimit", "", true, caps, ratelimit.Result{Minute: minute, Day: day}},
		{"RateLimit_with_workspace", "", true, shared, ratelimit.Result{Minute: minute, Day: day, WorkspaceMinute: minute, WorkspaceDay: day}},
		{"RateLimit_and_CORS", "https://shop.example", true, caps, ratelimit.Result{Minute: minute, Day: day}},
	} {
		b.Run(tt.name, func(b *testing.B) {
			a := &answer{handler: provisioned(b, new(Handler)), origin: tt.origin, keyed: tt.keyed, caps: tt.caps, limits: tt.limits}
			h := make(http.Header)
			b.ReportAllocs()
			for b.Loop() {
				clear(h)
				a.values = response.Values{}
				a.setHeaders(h)
			}
		})
	}
}
