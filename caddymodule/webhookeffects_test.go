package caddymodule

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
)

// hooked is a receiver of webhooks. It notes what it is sent, with how many signatures.
type hooked struct {
	*httptest.Server
	mu  sync.Mutex
	got []string
}

var hookReceiver = func() *hooked {
	r := new(hooked)
	for i, name := range []string{"KEYGATE_TEST_HOOK", "KEYGATE_TEST_HOOK2"} {
		_ = os.Setenv(name, "whsec_"+base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{byte(i)}, 32)))
	}
	r.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		var event struct{ Type string }
		_ = json.NewDecoder(req.Body).Decode(&event)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.got = append(r.got, fmt.Sprint(req.URL.Path, " ", event.Type, " ", len(strings.Fields(req.Header.Get("webhook-signature")))))
	}))
	return r
}()

func webhookConfig(path, more string) config {
	return app(`"webhooks":[{"url":"` + hookReceiver.URL + path + `","secrets":["{env.KEYGATE_TEST_HOOK}"` + more + `}]`)
}

// toldOf is what the receiver gets of a key that is made and revoked.
func toldOf(t *testing.T, h *Handler) string {
	t.Helper()
	if err := h.app.Start(); err != nil {
		t.Fatal(err)
	}
	hookReceiver.mu.Lock()
	hookReceiver.got = nil
	hookReceiver.mu.Unlock()
	store := h.app.opened.Load().store
	k, _ := storeKey(t, h, nil)
	by := keystore.Actor{At: testStart, Via: "offline"}
	if _, err := store.Update(k.ID, "revoke", by, func(k *apikey.Key) error { k.RevokedAt = testStart; return nil }); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(90 * time.Second); len(h.app.hooks) > 0; time.Sleep(time.Millisecond) {
		hookReceiver.mu.Lock()
		got := slices.Compact(slices.Sorted(slices.Values(hookReceiver.got))) // what was not answered in time comes again
		hookReceiver.mu.Unlock()
		if slices.ContainsFunc(got, func(s string) bool { return strings.Contains(s, "revoked") }) && (len(got) > 1 || len(h.app.Webhooks[0].Events) > 0) {
			return strings.Join(got, ", ")
		}
		if time.Now().After(deadline) {
			t.Fatalf("the receiver got %v", got)
		}
	}
	return ""
}

func init() {
	const both = "/a key.created 1, /a key.revoked 1"
	effects = append(effects, []effect{
		{"App.webhooks", app(``), webhookConfig("/a", "]"), toldOf, "", both},
		{"Config.url", webhookConfig("/b", "]"), webhookConfig("/a", "]"), toldOf, strings.ReplaceAll(both, "/a", "/b"), both},
		{"Config.secrets", webhookConfig("/a", "]"), webhookConfig("/a", `,"{env.KEYGATE_TEST_HOOK2}"]`), toldOf, both, strings.ReplaceAll(both, "1", "2")},
		{"Config.events", webhookConfig("/a", "]"), webhookConfig("/a", `],"events":["key.revoked"]`), toldOf, both, "/a key.revoked 1"},
	}...)
}
