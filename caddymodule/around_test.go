package caddymodule

import (
	"errors"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/socialpatra/keygate/apikey"
)

// sentFields are what clients send that Keygate takes off a request, but for
// what claims an identity.
var sentFields = map[string][]string{
	"Connection":             {"close, X-Pad"},
	"Upgrade":                {"h2c"},
	"Trailer":                {"X-Sum"},
	"Keep-Alive":             {"5"},
	"X-Http-Method-Override": {"PUT", "DELETE"},
	"X-Original-Url":         {"/a"},
	"X-Forwarded-Uri":        {"/b"},
	"X_original_url":         {"/c"},
	"Forwarded":              {"for=203.0.113.9"},
	"X-Real-Ip":              {"203.0.113.9"},
	"Proxy-Authorization":    {"Basic YTpi"},
}

// forgedFields claim an identity, in any spelling: nobody ever gets them back.
var forgedFields = map[string][]string{
	"Socialpatra-Workspace":                  {"evil"},
	"Socialpatra-Key-Id":                     {"evil", "evil"},
	"Socialpatra_workspace":                  {"evil"},
	"Socialpatra.Scopes":                     {"evil"},
	"Socialpatra~Workspace":                  {"evil"},
	"Socialpatra-" + strings.Repeat("A", 70): {"evil"},
}

// Handlers around Keygate find the request as it was sent when the handlers
// behind it are done: a cache goes by Authorization then. Those behind see no
// credential and no claim, only the identity. And where they fail, nothing of
// either is left: Caddy's error routes get another path than the one that was
// judged.
func TestWhatHandlersAroundSee(t *testing.T) {
	h := provisioned(t, &Handler{Header: "X-Key"})
	_, token := storeKey(t, h, func(k *apikey.Key) { k.Limits = plenty })
	r := rand.New(rand.NewPCG(5, 6))
	for i := range 300 {
		sent := http.Header{"Accept": {"*/*"}, "X-Pad": {"a", "b"}}
		forged := maps.Clone(forgedFields)
		for name, values := range sentFields {
			if r.IntN(3) == 0 {
				sent[name] = slices.Clone(values)
			}
		}
		maps.DeleteFunc(forged, func(string, []string) bool { return r.IntN(3) > 0 })
		path, own := "/v1/posts", false
		switch r.IntN(4) {
		case 0:
			path = "/v1/status"
			sent["Authorization"], sent["X-Key"] = bearer("nobody"), []string{"nothing"}
		case 1:
			sent["X-Key"] = []string{token}
		case 2:
			sent["X-Key"], sent["Authorization"], own = []string{token}, []string{"Basic YTpi"}, true
		default:
			sent["Authorization"] = bearer(token)
		}
		webSocket := r.IntN(4) == 0
		if webSocket {
			path = map[string]string{"/v1/posts": "/v1/live", "/v1/status": "/v1/status/live"}[path]
			sent["Connection"], sent["Upgrade"] = []string{"X-Pad", "upgrade"}, []string{"WebSocket"}
		}
		fails := r.IntN(2) == 0

		given := sent.Clone()
		maps.Copy(given, forged)
		req := httpRequest("GET", path, given)
		req.Trailer = http.Header{"X-Sum": nil}
		passed := false
		err := h.ServeHTTP(httptest.NewRecorder(), req, caddyhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
			passed = true
			seen := len(r.Header["Socialpatra-Workspace"]) + len(r.Header["Socialpatra-Key-Id"]) + len(r.Header["Socialpatra-Scopes"])
			if public := strings.Contains(path, "status"); public && seen != 0 || !public && seen != 3 {
				t.Errorf("behind it there is the identity %v", r.Header)
			}
			if own != slices.Equal(r.Header["Authorization"], []string{"Basic YTpi"}) || !own && r.Header["Authorization"] != nil || r.Header["X-Key"] != nil || r.Trailer != nil {
				t.Errorf("behind it there is a credential or a trailer: %v", r.Header)
			}
			if webSocket != slices.Equal(r.Header["Upgrade"], []string{"websocket"}) {
				t.Errorf("behind it Upgrade is %q", r.Header["Upgrade"])
			}
			wantNothingOf(t, r.Header, []string{"evil", token, "203.0.113.9", "/a", "/b", "/c"})
			r.Header["X-Set-Behind"] = []string{"1"}
			if r.Header["Authorization"] == nil {
				r.Header["Authorization"] = []string{"of a handler behind"}
			}
			if fails {
				return errors.New("no backend")
			}
			return nil
		}))
		if !passed || (err != nil) != fails {
			t.Fatalf("round %d: passed %v, %v", i, passed, err)
		}
		if fails {
			wantNothingOf(t, req.Header, []string{"evil", "acme", "posts:read", token, "Basic", "203.0.113.9", "/a", "/b", "/c", "ebsocket"})
			if req.Header["Authorization"] != nil || req.Header["Upgrade"] != nil || req.Header["Connection"] != nil {
				t.Errorf("after a failure there is %v", req.Header)
			}
			continue
		}
		delete(req.Header, "X-Set-Behind")
		if sent["Authorization"] == nil { // what a handler behind set is its own affair
			delete(req.Header, "Authorization")
		}
		if !maps.EqualFunc(req.Header, sent, slices.Equal) {
			t.Fatalf("round %d: afterwards the request has\n%v\nwant\n%v", i, req.Header, sent)
		}
	}
}

func wantNothingOf(t *testing.T, h http.Header, secrets []string) {
	t.Helper()
	for name, values := range h {
		for _, secret := range secrets {
			if strings.Contains(strings.Join(values, "\n"), secret) {
				t.Errorf("%s is %q", name, values)
			}
		}
	}
}
