package caddymodule

import (
	"net/http"
	"slices"
	"testing"

	"github.com/socialpatra/keygate/access"
	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/caddymodule/identity"
	"github.com/socialpatra/keygate/ratelimit"
)

// Values set for the backend do not share room: appending to one must not
// change another.
func TestSetIdentity(t *testing.T) {
	a := &answer{handler: &Handler{identity: identity.New("Socialpatra-", ""), RateLimitHeaders: "on"}}
	a.limits.Minute = ratelimit.Balance{Limit: 60, Remaining: 59, Reset: 1}
	keyID, err := apikey.ParseID("7Hk2Qp9aX3bC")
	if err != nil {
		t.Fatal(err)
	}
	h := make(http.Header)
	a.handler.identity.Put(h, a.identify(&access.Decision{ID: keyID, Grant: apikey.Grant{Workspace: "acme", Scopes: apikey.NewScopeSet([]string{"a:b", "c:d"})}}))
	if want := `"minute";r=59;t=1`; a.left != want {
		t.Errorf("%q is left; want %q", a.left, want)
	}
	for name := range h {
		h.Add(name, "more")
	}
	for name, want := range map[string]string{"Socialpatra-Workspace": "acme", "Socialpatra-Key-Id": "7Hk2Qp9aX3bC", "Socialpatra-Scopes": "a:b c:d"} {
		if got := h[name]; !slices.Equal(got, []string{want, "more"}) {
			t.Errorf("%s: %q", name, got)
		}
	}
}
