package leaks

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"net/http"
	"net/netip"
	"net/url"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/socialpatra/keygate/adminapi"
	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
)

// isLive reports whether a token is one of an active key.
func (d *door) isLive(t testing.TB, token string) bool {
	t.Helper()
	api, err := d.app.API()
	if err != nil {
		t.Fatal(err)
	}
	found, err := api.HandIn(&adminapi.HandedIn{Token: token, Then: adminapi.ThenLook, By: keystore.Actor{}})
	if err != nil {
		t.Fatal(err)
	}
	return found.Was == apikey.Active
}

func (h *Revocation) ask(t testing.TB, token string) int {
	t.Helper()
	w, r := requestFrom(netip.MustParseAddr("192.0.2.1"), http.MethodPost, "/oauth/revoke", url.Values{"token": {token}}.Encode())
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if err := h.ServeHTTP(w, r, nil); err != nil {
		t.Fatal(err)
	}
	return w.Code
}

// fill takes all of a bound, until the test ends.
func fill(t *testing.T, bound chan struct{}) {
	t.Helper()
	for range cap(bound) {
		bound <- struct{}{}
	}
	t.Cleanup(func() {
		for range cap(bound) {
			<-bound
		}
	})
}

// Where too many wait, a request is answered at once, and its token is dealt with
// after that. Where that is too much too, it is not, and the answer did not say so.
func TestTooManyAtOnce(t *testing.T) {
	h := provisioned(t, new(Revocation))
	one, two := h.door.makeToken(t), h.door.makeToken(t)
	fill(t, places)
	for _, token := range []string{one, "wrong"} {
		if status := h.ask(t, token); status != http.StatusTooManyRequests {
			t.Errorf("answered %d", status)
		}
	}
	if err := h.Cleanup(); err != nil || h.door.isLive(t, one) {
		t.Error("the key is still good when all is done", err)
	}
	fill(t, pending)
	if status := h.ask(t, two); status != http.StatusTooManyRequests || !h.door.isLive(t, two) {
		t.Errorf("answered %d", status)
	}
}

// Every answer waits, and for as long as is left of the same time, whatever the token
// was and however long it took.
func TestEveryAnswerWaits(t *testing.T) {
	h := provisioned(t, new(Revocation))
	token := h.door.makeToken(t)
	clock, waited := time.Unix(1_800_000_000, 0), time.Duration(0)
	h.door.now = func() time.Time {
		clock = clock.Add(7 * time.Millisecond)
		return clock
	}
	h.door.pause = func(_ context.Context, d time.Duration) { waited = d }
	for name, token := range map[string]string{"right": token, "wrong": token[:56], "anything": "x"} {
		begun := clock
		if status := h.ask(t, token); status != http.StatusOK {
			t.Fatal(status)
		}
		// One look at the clock is for the budget, before the time runs.
		if total := clock.Sub(begun) - 2*7*time.Millisecond + waited; waited == 0 || total != dueEvery {
			t.Errorf("%s: waited %v, answered after %v", name, waited, total)
		}
		waited = 0
	}
}

// Wrong tokens, from as many addresses, change nothing, and nothing is kept of them.
func TestWrongTokensLeaveNothingBehind(t *testing.T) {
	h := provisioned(t, new(Revocation))
	token := h.door.makeToken(t)
	id, err := apikey.ParseID(strings.Split(token, "_")[1])
	if err != nil {
		t.Fatal(err)
	}
	client := netip.MustParseAddr("10.0.0.0")
	hand := func(n int) {
		for i := range n {
			wrong, _ := apikey.GenerateFor("patra", id)
			if i%2 == 0 {
				wrong, _, _ = apikey.Generate("patra")
			}
			client = client.Next()
			_, r := requestFrom(client, http.MethodPost, "/", "")
			if within, _, err := h.door.within(r, 1); err != nil || !within {
				t.Fatal(within, err)
			}
			e := errand{tokens: []string{wrong, "opaque " + strconv.Itoa(i)}, then: adminapi.ThenRevoke, reason: adminapi.ReasonLeaked, imported: true}
			if genuine, err := h.door.do(&e); genuine != 0 || err != nil {
				t.Fatal(genuine, err)
			}
		}
	}
	held := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	hand(1000)
	before := held()
	hand(50_000)
	if after := held(); after > before+1<<20 {
		t.Errorf("they cost %d KiB", (after-before)>>10)
	}
	if !h.door.isLive(t, token) {
		t.Error("the key is ended")
	}
}

// A site may be served with and without TLS. With it, requests go on.
func TestPlaintextIsForRequestsWithoutTLS(t *testing.T) {
	h := provisioned(t, &Plaintext{Then: adminapi.ThenRevoke})
	for _, secure := range []bool{true, false} {
		token := h.door.makeToken(t)
		w, r := requestFrom(netip.MustParseAddr("192.0.2.1"), http.MethodGet, "http://api.example.com/", "")
		r.Header.Set("Authorization", "Bearer "+token)
		if secure {
			r.TLS = &tls.ConnectionState{HandshakeComplete: true}
		}
		passed := false
		if err := h.ServeHTTP(w, r, caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error { passed = true; return nil })); err != nil {
			t.Fatal(err)
		}
		if passed != secure || h.door.isLive(t, token) != secure || (w.Code == http.StatusForbidden) == secure {
			t.Errorf("with TLS: %t; it went on: %t, answered %d", secure, passed, w.Code)
		}
	}
}

// What JSON can say and the Caddyfile cannot is refused as well.
func TestMistakesInJSON(t *testing.T) {
	app := json.RawMessage(`{"store":{"module":"bbolt","path":` + strconv.Quote(filepath.Join(t.TempDir(), "keys.db")) + `}}`)
	for config, want := range map[string]string{
		`keygate_plaintext {}`:                                             "keygate_plaintext",
		`keygate_plaintext {"then":"look"}`:                                `"look"`,
		`keygate_leak_reports {}`:                                          "keygate_leak_reports",
		`keygate_leak_reports {"from":"github","then":"look"}`:             `then "look"`,
		`keygate_leak_reports {"from":"github","keys_url":"http://a.b/c"}`: "keys_url",
	} {
		ctx, err := caddy.ProvisionContext(&caddy.Config{AppsRaw: caddy.ModuleMap{"keygate": app}})
		if err != nil {
			t.Fatal(err)
		}
		name, text, _ := strings.Cut(config, " ")
		if _, err := ctx.LoadModuleByID("http.handlers."+name, json.RawMessage(text)); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "accepted: ") {
			t.Errorf("%s: %v", config, err)
		}
	}
}
