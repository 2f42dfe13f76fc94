package caddymodule

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/socialpatra/keygate/apikey"
)

// storeOpaque imports a key by the hash of a token of another system.
func storeOpaque(t testing.TB, h *Handler, token string) {
	t.Helper()
	storeKey(t, h, func(k *apikey.Key) { k.Hash, k.Opaque, k.Limits = apikey.HashToken(token), true, plenty })
}

// from sends a request with a token from an address.
func from(t testing.TB, h *Handler, address, token string) (status int, header http.Header) {
	t.Helper()
	r := httpRequest("GET", "/v1/posts", http.Header{"Authorization": bearer(token)})
	caddyhttp.SetVar(r.Context(), caddyhttp.ClientIPVarKey, address)
	w := httptest.NewRecorder()
	var backend backendFunc
	if err := h.ServeHTTP(w, r, &backend); err != nil {
		t.Fatal(err)
	}
	return w.Code, w.Header()
}

// Guesses at tokens of another system stop at the budget of their address: past
// it nobody learns whether one is right, neither by a pass nor by another
// answer. Tokens of our own form, and other addresses, do not notice.
func TestGuessingOpaqueTokens(t *testing.T) {
	for name, addresses := range map[string]struct{ guesser, neighbour, other string }{
		"IPv4":             {"203.0.113.7", "203.0.113.7", "203.0.113.8"},
		"IPv6, by its /64": {"2001:db8:0:1::1", "2001:db8:0:1:ffff::2", "2001:db8:0:2::1"},
		"mapped":           {"::ffff:203.0.113.7", "203.0.113.7", "::ffff:203.0.113.8"},
		"unknown":          {"", "@", "203.0.113.7"},
	} {
		t.Run(name, func(t *testing.T) {
			now := time.Now()
			const budget, weak = 5, "12345678"
			h := provisioned(t, &Handler{AuthFailures: budget})
			setClock(h, func() time.Time { return now })
			_, ours := storeKey(t, h, func(k *apikey.Key) { k.Limits = plenty })
			storeOpaque(t, h, weak)
			wrong, _, _ := apikey.Generate(apikey.DefaultBrand)

			if status, _ := from(t, h, addresses.guesser, weak); status != 200 {
				t.Fatalf("the right token: %d", status)
			}
			guesses := []string{wrong, "up_live_x", "11111111", wrong + "x"}
			for i := range budget {
				if status, _ := from(t, h, addresses.guesser, guesses[i%len(guesses)]); status != 401 {
					t.Fatalf("guess %d: %d", i, status)
				}
			}
			r := rand.New(rand.NewPCG(1, 2))
			for i := range 200 {
				address := [...]string{addresses.guesser, addresses.neighbour}[r.IntN(2)]
				token := [...]string{weak, "guess-" + strconv.Itoa(i), wrong + "x"}[r.IntN(3)]
				status, header := from(t, h, address, token)
				if status != 429 || header.Get("Retry-After") != strconv.Itoa(60/budget) {
					t.Fatalf("%.6s from %s: %d with Retry-After %q, want 429 and %d", token, address, status, header.Get("Retry-After"), 60/budget)
				}
				if status, _ := from(t, h, address, ours); status != 200 {
					t.Fatalf("a token of ours: %d", status)
				}
				if status, header := from(t, h, address, wrong); status != 429 || header.Get("Retry-After") != "" {
					t.Fatalf("a wrong token of ours: %d with Retry-After %q", status, header.Get("Retry-After"))
				}
				if status, _ := from(t, h, addresses.other, weak); status != 200 {
					t.Fatalf("from another address: %d", status)
				}
			}
			// What was told to wait passes then.
			now = now.Add(60 / budget * time.Second)
			if status, _ := from(t, h, addresses.guesser, weak); status != 200 {
				t.Errorf("after the wait: %d", status)
			}
		})
	}
}

// Without a budget, and without opaque tokens in the store, nothing is asked.
func TestNoBudgetForOpaqueTokens(t *testing.T) {
	h := provisioned(t, &Handler{AuthFailures: -1})
	storeOpaque(t, h, "12345678")
	for i := range 100 {
		if status, _ := from(t, h, "203.0.113.7", fmt.Sprint("guess-", i)); status != 401 {
			t.Fatalf("guess %d: %d", i, status)
		}
	}
	if status, _ := from(t, h, "203.0.113.7", "12345678"); status != 200 {
		t.Errorf("the right one: %d", status)
	}
}
