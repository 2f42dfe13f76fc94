package leaks

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/socialpatra/keygate/apikey"
)

// provisioned returns a handler on a store of its own.
func provisioned[H caddy.Provisioner](t testing.TB, h H) H {
	t.Helper()
	config := fmt.Sprintf(`{"store":{"module":"bbolt","path":%q}}`, filepath.Join(t.TempDir(), "data", "keys.db"))
	ctx, err := caddy.ProvisionContext(&caddy.Config{AppsRaw: caddy.ModuleMap{"keygate": json.RawMessage(config)}})
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Provision(ctx); err != nil {
		t.Fatal(err)
	}
	app, err := ctx.App("keygate")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := app.(caddy.CleanerUpper).Cleanup(); err != nil {
			t.Error(err)
		}
	})
	return h
}

// makeToken makes a key.
func (d *door) makeToken(t testing.TB) string {
	t.Helper()
	api, err := d.app.API()
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodPost, "/keygate/keys", strings.NewReader(`{"workspace":"acme","name":"n","scopes":["posts:read"]}`))
	r.Header.Set("Content-Type", "application/json")
	api.ServeHTTP(w, r)
	var made struct{ Token string }
	if err := json.Unmarshal(w.Body.Bytes(), &made); err != nil || made.Token == "" {
		t.Fatal(w.Body)
	}
	return made.Token
}

// requestFrom is a request as Caddy hands it on.
func requestFrom(client netip.Addr, method, target, body string) (*httptest.ResponseRecorder, *http.Request) {
	w := httptest.NewRecorder()
	r := caddyhttp.PrepareRequest(httptest.NewRequest(method, target, strings.NewReader(body)), caddy.NewReplacer(), w, new(caddyhttp.Server))
	caddyhttp.SetVar(r.Context(), caddyhttp.ClientIPVarKey, client.String())
	return w, r
}

// BenchmarkTimes measures when right and wrong tokens are answered, in turn, and what
// ending a key takes of that. It shows the quartiles of both, and how far the medians
// are apart.
func BenchmarkTimes(b *testing.B) {
	h := provisioned(b, new(Revocation))
	client := netip.MustParseAddr("192.0.2.1")
	took := map[string][]time.Duration{}
	ask := func(kind, token string) {
		client = client.Next()
		w, r := requestFrom(client, http.MethodPost, "/oauth/revoke", url.Values{"token": {token}}.Encode())
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		begun := time.Now()
		if err := h.ServeHTTP(w, r, nil); err != nil || w.Code != http.StatusOK {
			b.Fatal(err, w.Code)
		}
		took[kind] = append(took[kind], time.Since(begun))
	}
	for b.Loop() {
		ask("right", h.door.makeToken(b))
		stranger, _, _ := apikey.Generate("patra")
		ask("wrong", stranger)
		begun := time.Now()
		if genuine, err := h.door.do(&errand{tokens: []string{h.door.makeToken(b)}, then: "revoke"}); err != nil || genuine != 1 {
			b.Fatal(genuine, err)
		}
		took["write"] = append(took["write"], time.Since(begun))
	}
	middle := func(kind string, share float64) float64 {
		slices.Sort(took[kind])
		return float64(took[kind][int(share*float64(len(took[kind])-1))]) / 1e6
	}
	for _, kind := range []string{"right", "wrong"} {
		b.ReportMetric(middle(kind, 0.25), kind+"-q1-ms")
		b.ReportMetric(middle(kind, 0.5), kind+"-median-ms")
		b.ReportMetric(middle(kind, 0.75), kind+"-q3-ms")
	}
	b.ReportMetric(middle("right", 0.5)-middle("wrong", 0.5), "apart-ms")
	b.ReportMetric(middle("write", 0.99), "make-and-end-p99-ms")
}
