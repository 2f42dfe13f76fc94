package leaks

import (
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// signedReport has a report accepted, and returns its answer.
func (h *LeakReports) signedReport(t *testing.T, key *ecdsa.PrivateKey, tokens ...string) *httptest.ResponseRecorder {
	t.Helper()
	var finds []reportedLeak
	for _, token := range tokens {
		finds = append(finds, reportedLeak{Token: token, Type: "socialpatra_api_key", URL: "https://example.com/" + fmt.Sprint(time.Now().UnixNano())})
	}
	body, err := json.Marshal(finds)
	if err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256(body)
	signature, err := ecdsa.SignASN1(rand.Reader, key, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	w, r := requestFrom(netip.MustParseAddr("192.0.2.1"), http.MethodPost, "/leaks", string(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Github-Public-Key-Identifier", "current")
	r.Header.Set("Github-Public-Key-Signature", base64.StdEncoding.EncodeToString(signature))
	if err := h.ServeHTTP(w, r, nil); err != nil {
		t.Fatal(err)
	}
	return w
}

// Reports of right tokens and of wrong ones are answered alike, at a multiple of the
// same time after they came. By then the keys of the right ones have ended, and no
// others.
func TestReportsTellNothing(t *testing.T) {
	key := newSigningKey(t)
	public := pemOf(t, key)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]any{"public_keys": []any{map[string]any{"key_identifier": "current", "key": public, "is_current": true}}})
	}))
	t.Cleanup(server.Close)
	h := provisioned(t, &LeakReports{From: "github", KeysURL: server.URL, Then: "revoke"})
	t.Cleanup(func() {
		if err := h.Cleanup(); err != nil {
			t.Error(err)
		}
	})
	clock, waited := time.Unix(1_800_000_000, 0), time.Duration(0)
	h.door.now = func() time.Time {
		clock = clock.Add(7 * time.Millisecond)
		return clock
	}
	h.door.pause = func(_ context.Context, d time.Duration) { clock, waited = clock.Add(d), d }
	one, two, spared := h.door.makeToken(t), h.door.makeToken(t), h.door.makeToken(t)
	var first *httptest.ResponseRecorder
	answered := func(name string, tokens ...string) {
		t.Helper()
		begun := clock.Add(7 * time.Millisecond)
		waited = 0
		w := h.signedReport(t, key, tokens...)
		if w.Code != http.StatusOK {
			t.Fatalf("%s: %d %s", name, w.Code, w.Body)
		}
		if total := clock.Sub(begun); waited == 0 || total%dueEvery != 0 {
			t.Errorf("%s: waited %s, answered after %s", name, waited, total)
		}
		if first == nil {
			first = w
		}
		if w.Body.String() != "[]" || fmt.Sprint(w.Header()) != fmt.Sprint(first.Header()) {
			t.Errorf("%s: %v %s", name, w.Header(), w.Body)
		}
	}
	answered("wrong", spared[:56], "x")
	answered("right", one, "x")
	answered("right, again", one, one)
	answered("both", "x", two, strings.ToUpper(two))
	for token, live := range map[string]bool{one: false, two: false, spared: true} {
		if h.door.isLive(t, token) != live {
			t.Errorf("a key is live: %t", !live)
		}
	}
}
