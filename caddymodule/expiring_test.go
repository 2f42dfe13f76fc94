package caddymodule

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/internal/keyfields"
	"github.com/socialpatra/keygate/keystore"
)

const month = 30 * 24 * time.Hour

// ownKeyExpires is a backend that says when a key expires.
var ownKeyExpires = caddyhttp.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
	w.Header()["Key-Expires"] = []string{"@1", "@2"}
	w.WriteHeader(http.StatusOK)
	return nil
})

// Every answer to an authenticated key says when the key expires, from 30 days before,
// whatever the backend says; no other answer does.
func TestKeyExpires(t *testing.T) {
	const theirs = "@1"
	says := func(life time.Duration) string { return "@" + strconv.FormatInt(testStart.Add(life).Unix(), 10) }
	request := func(method, path string, change func(*http.Request)) func(string) *http.Request {
		return func(token string) *http.Request {
			r := httpRequest(method, path, http.Header{"Authorization": bearer(token)})
			if change != nil {
				change(r)
			}
			return r
		}
	}
	get := request("GET", "/v1/posts", nil)
	authorize := func(r *http.Request) {
		trusted(r)
		r.Header.Set("X-Forwarded-Method", "GET")
		r.Header.Set("X-Forwarded-Uri", "/v1/posts")
	}
	for _, tt := range []struct {
		name    string
		handler Handler
		change  func(*apikey.Key)
		life    time.Duration // of the key; 0: it never expires
		send    func(token string) *http.Request
		status  int
		want    string
	}{
		{name: "never", send: get, status: 200},
		{name: "in 30 days and a second", life: month + time.Second, send: get, status: 200},
		{name: "in 30 days", life: month, send: get, status: 200, want: says(month)},
		{name: "in a second", life: time.Second, send: get, status: 200, want: says(time.Second)},
		{name: "now", life: -1, send: get, status: 401},
		{name: "a HEAD", life: month, send: request("HEAD", "/v1/posts", nil), status: 200, want: says(month)},
		{name: "no limits are told", handler: Handler{RateLimitHeaders: "off"}, life: month, send: get, status: 200, want: says(month)},
		{name: "no such route", life: month, send: request("GET", "/elsewhere", nil), status: 403, want: says(month)},
		{name: "no such route, later", life: 2 * month, send: request("GET", "/elsewhere", nil), status: 403},
		{name: "no scope", life: month, change: func(k *apikey.Key) { k.Scopes = []string{"ai:generate"} }, send: get, status: 403, want: says(month)},
		{name: "another address", life: month, change: func(k *apikey.Key) { k.AllowedIPs = []string{"192.0.2.1"} }, send: get, status: 403, want: says(month)},
		{name: "over the limit", life: month, change: func(k *apikey.Key) { k.Limits = apikey.Limits{PerMinute: 1, PerDay: 1, Burst: 1} }, send: get, status: 429, want: says(month)},
		{name: "denied by error routes", handler: Handler{Errors: "caddy"}, life: month, send: request("GET", "/elsewhere", nil), status: 403, want: says(month)},
		{name: "disabled", life: month, change: func(k *apikey.Key) { k.Disabled = true }, send: get, status: 401},
		{name: "revoked", life: month, change: func(k *apikey.Key) { k.RevokedAt = testStart }, send: get, status: 401},
		{name: "a wrong token", life: month, send: func(token string) *http.Request { return get(token[:len(token)-1] + "~") }, status: 401},
		{name: "no token", life: month, send: request("GET", "/v1/posts", func(r *http.Request) { r.Header.Del("Authorization") }), status: 401},
		{name: "a public route", life: month, send: request("GET", "/v1/status", nil), status: 200, want: theirs},
		{name: "a preflight", life: month, send: request("OPTIONS", "/v1/posts", func(r *http.Request) {
			r.Header.Set("Origin", "https://shop.example")
			r.Header.Set("Access-Control-Request-Method", "GET")
		}), status: 204},
		{name: "early data", life: month, send: request("GET", "/v1/posts", func(r *http.Request) { r.TLS = new(tls.ConnectionState) }), status: 425},
		{name: "authorized", handler: Handler{Authorize: "forward_auth"}, life: month, send: request("GET", "/", authorize), status: 204, want: says(month)},
		{name: "authorized, later", handler: Handler{Authorize: "forward_auth"}, life: 2 * month, send: request("GET", "/", authorize), status: 204},
		{name: "not authorized", handler: Handler{Authorize: "forward_auth"}, life: month, send: request("GET", "/", func(r *http.Request) {
			authorize(r)
			r.Header.Set("X-Forwarded-Uri", "/elsewhere")
		}), status: 403, want: says(month)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := provisioned(t, &tt.handler)
			setClock(h, stopped(testStart))
			_, token := storeKey(t, h, func(k *apikey.Key) {
				if tt.change != nil {
					tt.change(k)
				}
				if k.CreatedAt = testStart.Add(-time.Hour); tt.life != 0 {
					k.ExpiresAt = testStart.Add(tt.life)
				}
			})
			var w *httptest.ResponseRecorder
			for range 2 { // the second one is over the limit
				w = httptest.NewRecorder()
				err := h.ServeHTTP(w, tt.send(token), ownKeyExpires)
				if failed, ok := errors.AsType[caddyhttp.HandlerError](err); ok {
					w.Code = failed.StatusCode
				} else if err != nil {
					t.Fatal(err)
				}
			}
			want := []string{tt.want}
			switch tt.want {
			case "":
				want = nil
			case theirs:
				want = append(want, "@2")
			}
			if got := w.Header()["Key-Expires"]; w.Code != tt.status || !slices.Equal(got, want) {
				t.Errorf("%d with Key-Expires %q; want %d with %q", w.Code, got, tt.status, want)
			}
		})
	}
}

// To say when a key expires takes one allocation, and none if it does not soon.
func TestKeyExpiresAllocations(t *testing.T) {
	allocated := func(expires time.Time) float64 {
		h := provisioned(t, &Handler{})
		setClock(h, stopped(testStart))
		_, token := storeKey(t, h, func(k *apikey.Key) { k.Limits, k.ExpiresAt = plenty, expires })
		c, credential := newCaller(h), bearer(token)
		return allocations(func() { _, _ = c.send(credential) })
	}
	never, later, soon := allocated(time.Time{}), allocated(testStart.Add(2*month)), allocated(testStart.Add(month))
	if later != never || soon > never+1 {
		t.Errorf("%v allocations, %v for a key that expires, and %v for one that does soon", never, later, soon)
	}
}

// A warning that is due is announced once, by the config that runs, over a reload.
func TestKeysThatExpireSoonAreAnnounced(t *testing.T) {
	catchAnew(t)
	admin, site, dir := freeAddress(t), freeAddress(t), t.TempDir()
	now := time.Now().UTC().Truncate(time.Second)
	path := filepath.Join(dir, "data", "keys.db")
	store, err := keystore.OpenBolt(path)
	if err != nil {
		t.Fatal(err)
	}
	ends := map[string]time.Time{}
	for n, life := range []time.Duration{8 * 24 * time.Hour, 60 * 24 * time.Hour} {
		k := keyfields.Plain(apikey.ID([]byte(fmt.Sprintf("%012d", n))))
		k.CreatedAt, k.ExpiresAt = now.Add(-2*month), now.Add(life)
		ends[k.ID.String()] = k.ExpiresAt
		if err := store.Create(k, keystore.Actor{At: k.CreatedAt, Via: "offline"}); err != nil {
			t.Fatal(err)
		}
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	config := fmt.Sprintf(`{
		admin %[1]s
		persist_config off
		storage file_system %[2]s
		keygate {
			store bbolt %[3]s
		}
		events {
			on keygate.key_expiring keygate_test
		}
	}
	http://%[4]s {
		keygate {
			scope posts:read GET /v1/posts
		}
		respond served
	}`, admin, dir, path, site)
	told := func() (all []map[string]any) {
		caught.Lock()
		defer caught.Unlock()
		for _, e := range caught.events {
			if e["name"] == "keygate.key_expiring" {
				all = append(all, e)
			}
		}
		return all
	}
	wantTold := func(n int) {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); len(told()) < n; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("told of %v; want %d", told(), n)
			}
		}
	}
	loadCaddy(t, config)
	wantTold(1)
	loadCaddy(t, config) // while the old one still runs
	patched := askJSON(t, "PATCH", "http://"+admin+"/keygate/keys/000000000001", `{"expires_in_days":1}`, "")
	wantTold(2)
	ends["000000000001"], err = time.Parse(time.RFC3339, fmt.Sprint(patched["expires_at"]))
	if err != nil {
		t.Fatal(err)
	}
	for n, days := range []int{14, 1} {
		id := fmt.Sprintf("%012d", n)
		want := map[string]any{"name": "keygate.key_expiring", "module": "keygate", "key_id": id, "workspace": "acme", "expires_at": ends[id].Format(time.RFC3339), "days": days}
		if got := told()[n]; fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("told of %v; want %v", got, want)
		}
	}
	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
	if all := told(); len(all) != 2 {
		t.Errorf("told of %v", all)
	}
}
