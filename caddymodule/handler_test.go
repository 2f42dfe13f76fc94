package caddymodule

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/internal/headers"
	"github.com/socialpatra/keygate/keystore"
)

var testStart = time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)

// testRoutes are what the handlers under test serve.
var testRoutes = []Route{
	{Methods: []string{"GET", "POST"}, Path: "/v1/posts", Scopes: []string{"posts:read"}},
	{Methods: []string{"GET"}, Path: "/v1/live", Scopes: []string{"posts:read"}, WebSocket: true},
	{Methods: []string{"GET"}, Path: "/v1/status", Access: "public"},
	{Methods: []string{"GET"}, Path: "/v1/status/live", Access: "public", WebSocket: true},
}

// provisioned gives h testRoutes and a store of its own.
func provisioned(t testing.TB, h *Handler) *Handler {
	t.Helper()
	h.Routes = testRoutes
	app, err := json.Marshal(map[string]any{"store": map[string]any{"module": "bbolt", "path": filepath.Join(t.TempDir(), "data", "keys.db")}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, err := caddy.ProvisionContext(&caddy.Config{AppsRaw: caddy.ModuleMap{"keygate": app}})
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Provision(ctx); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.app.Cleanup(); err != nil {
			t.Error(err)
		}
	})
	return h
}

// storeKey stores an active key with the scope posts:read.
func storeKey(t testing.TB, h *Handler, change func(*apikey.Key)) (apikey.Key, string) {
	t.Helper()
	e, err := h.app.open()
	if err != nil {
		t.Fatal(err)
	}
	token, id, hash := apikey.Generate(apikey.DefaultBrand)
	k := apikey.Key{
		ID: id, Hash: hash, Prefix: apikey.Prefix(apikey.DefaultBrand, id), Workspace: "acme", Name: "test",
		Scopes: []string{"posts:read"}, CreatedAt: testStart, Limits: apikey.Limits{PerMinute: 60, PerDay: 10_000, Burst: 60},
	}
	if change != nil {
		change(&k)
	}
	if err := e.store.Create(k, keystore.Actor{At: testStart, Via: "test"}); err != nil {
		t.Fatal(err)
	}
	return k, token
}

// backendFunc records the one request that passes, and fails with err.
type backendFunc struct {
	seen *http.Request
	err  error
}

func (b *backendFunc) ServeHTTP(_ http.ResponseWriter, r *http.Request) error {
	b.seen = r.Clone(r.Context()) // Keygate gives the request back as it was
	return b.err
}

// httpRequest is a request as Caddy hands it to handlers.
func httpRequest(method, path string, header http.Header) *http.Request {
	r := httptest.NewRequest(method, path, nil)
	r.Header = header
	w := httptest.NewRecorder()
	r = caddyhttp.PrepareRequest(r, caddy.NewReplacer(), w, nil)
	caddyhttp.SetVar(r.Context(), caddyhttp.ClientIPVarKey, "203.0.113.7")
	return r
}

func bearer(token string) []string { return []string{"Bearer " + token} }

// A header name that is longer than what strip folds would reach the backend
// with the token in it.
func TestLongKeyHeader(t *testing.T) {
	longest := "X-" + strings.Repeat("K", headers.MaxNameLen-2)
	if err := checkKeyHeader(longest + "K"); err == nil || !strings.Contains(err.Error(), "64") {
		t.Errorf("a name of %d characters: %v", len(longest)+1, err)
	}
	h := provisioned(t, &Handler{Header: longest})
	_, token := storeKey(t, h, nil)
	var backend backendFunc
	r := httpRequest("GET", "/v1/posts", http.Header{h.Header: {token}})
	if err := h.ServeHTTP(httptest.NewRecorder(), r, &backend); err != nil || backend.seen == nil {
		t.Fatalf("did not pass: %v", err)
	}
	if got := backend.seen.Header[h.Header]; got != nil {
		t.Errorf("the backend saw the token in %s", h.Header)
	}
}

// A denied request goes on to handle_errors, which may proxy it: without
// credentials, and without claims of identity.
func TestErrorsCaddyStrips(t *testing.T) {
	h := provisioned(t, &Handler{Errors: "caddy"})
	_, token := storeKey(t, h, nil)
	var backend backendFunc
	r := httpRequest("DELETE", "/v1/posts", http.Header{
		"Authorization":         bearer(token),
		"Socialpatra-Workspace": {"forged"},
		"X-Original-Url":        {"/v1/admin"},
		"Connection":            {"Upgrade"}, "Upgrade": {"h2c"},
		"Accept": {"*/*"},
	})
	err := h.ServeHTTP(httptest.NewRecorder(), r, &backend)
	if _, ok := errors.AsType[caddyhttp.HandlerError](err); !ok {
		t.Fatalf("answered %v", err)
	}
	if len(r.Header) != 1 || r.Header["Accept"] == nil {
		t.Errorf("handle_errors sees %v", r.Header)
	}
}

// A request that Caddy has not prepared, as of a test of another module, is judged
// as any other, from an address that nobody knows.
func TestRequestsThatNobodyPrepared(t *testing.T) {
	h := provisioned(t, new(Handler))
	_, token := storeKey(t, h, nil)
	_, pinned := storeKey(t, h, func(k *apikey.Key) { k.AllowedIPs = []string{"192.0.2.0/24"} }) // of httptest
	for credential, want := range map[string]int{token: 200, pinned: 403, "none": 401} {
		r := httptest.NewRequest("GET", "/v1/posts", nil)
		r.Header["Authorization"] = bearer(credential)
		w := httptest.NewRecorder()
		if err := h.ServeHTTP(w, r, okBackend); err != nil || w.Code != want {
			t.Errorf("answered %d, %v, want %d", w.Code, err, want)
		}
	}
}

// Before the TLS handshake is complete the client's address is a claim and the
// request may be a replay (RFC 8470): no key is used then, nor judged.
func TestEarlyData(t *testing.T) {
	h := provisioned(t, new(Handler))
	_, token := storeKey(t, h, nil)
	_, pinned := storeKey(t, h, func(k *apikey.Key) { k.AllowedIPs = []string{"203.0.113.7/32"} })
	wrong, _, _ := apikey.Generate(apikey.DefaultBrand)
	tests := []struct {
		name, path string
		header     http.Header
		early      int // status; 0: passes
		later      int
	}{
		{"key", "/v1/posts", http.Header{"Authorization": bearer(token)}, 425, 0},
		{"key of an address", "/v1/posts", http.Header{"Authorization": bearer(pinned)}, 425, 0},
		{"invalid key", "/v1/posts", http.Header{"Authorization": bearer(wrong)}, 425, 401},
		{"no key", "/v1/posts", http.Header{}, 401, 401},
		{"public", "/v1/status", http.Header{"Authorization": bearer(token)}, 0, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for complete, want := range map[bool]int{false: test.early, true: test.later} {
				var backend backendFunc
				r := httpRequest("GET", test.path, test.header.Clone())
				r.TLS = &tls.ConnectionState{HandshakeComplete: complete}
				w := httptest.NewRecorder()
				err := h.ServeHTTP(w, r, &backend)
				got := w.Code
				if e, ok := errors.AsType[caddyhttp.HandlerError](err); ok {
					got = e.StatusCode
				}
				if passed := backend.seen != nil; passed != (want == 0) || !passed && got != want {
					t.Errorf("handshake complete %v: %d, passed %v; want %d", complete, got, passed, want)
				}
				if want == 425 && (r.Header["Authorization"] != nil || !slices.Equal(w.Header()["Cache-Control"], []string{"no-store"})) {
					t.Errorf("the request goes on as %v, the answer as %v", r.Header, w.Header())
				}
				if want != 0 {
					wantInstance(t, r, w.Header())
				}
			}
		})
	}
}

// wantInstance checks that a refusal is named alike to the client, in the
// access log and to the config.
func wantInstance(t *testing.T, r *http.Request, answered http.Header) {
	t.Helper()
	instance := answered.Get("Request-Id")
	repl, _ := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	if got, ok := repl.GetString("http.auth.keygate.instance"); !ok || got != instance || !strings.HasPrefix(instance, "urn:uuid:") {
		t.Errorf("the placeholder is %q, Request-Id %q", got, instance)
	}
}

// A handler after Keygate that panics or fails leaves nothing behind: nobody
// touches its connection later.
func TestRequestsLeave(t *testing.T) {
	h := provisioned(t, new(Handler))
	e, err := h.app.open()
	if err != nil {
		t.Fatal(err)
	}
	for name, next := range map[string]caddyhttp.HandlerFunc{
		"answered": func(w http.ResponseWriter, r *http.Request) error { w.WriteHeader(200); return nil },
		"error":    func(http.ResponseWriter, *http.Request) error { return fmt.Errorf("no backend") },
		"panic":    func(http.ResponseWriter, *http.Request) error { panic(http.ErrAbortHandler) },
	} {
		for _, path := range []string{"/v1/live", "/v1/posts"} {
			t.Run(name+path, func(t *testing.T) {
				_, token := storeKey(t, h, func(k *apikey.Key) { k.ExpiresAt = time.Now().Add(time.Hour) })
				r := httpRequest("GET", path, http.Header{"Authorization": bearer(token)})
				if path == "/v1/live" {
					r.Header["Connection"], r.Header["Upgrade"] = []string{"Upgrade"}, []string{"websocket"}
				}
				var ctx context.Context
				w := &deadlines{ResponseRecorder: httptest.NewRecorder()}
				func() {
					defer func() { _ = recover() }()
					_ = h.ServeHTTP(w, r, caddyhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
						ctx = r.Context()
						return next(w, r)
					}))
				}()
				endKeys(e)
				if w.expired > 0 || ctx != r.Context() && ctx.Err() == nil {
					t.Errorf("cut %d times after it had left, context %v", w.expired, ctx.Err())
				}
			})
		}
	}
}

// deadlines counts the deadlines that have passed when they are set.
type deadlines struct {
	*httptest.ResponseRecorder
	expired int
}

func (d *deadlines) SetReadDeadline(at time.Time) error {
	if at.Before(testStart) {
		d.expired++
	}
	return nil
}

func (d *deadlines) SetWriteDeadline(at time.Time) error { return d.SetReadDeadline(at) }
