package caddymodule

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
)

// plenty is the most that a key may have.
var plenty = apikey.Limits{PerMinute: apikey.MaxPerMinute, PerDay: apikey.MaxPerDay, Burst: apikey.MaxPerMinute}

// setClock gives the handler's app a clock, before its store is opened.
func setClock(h *Handler, clock func() time.Time) { h.app.now = clock }

// stopped is a clock that stands still.
func stopped(at time.Time) func() time.Time { return func() time.Time { return at } }

// fastClock makes a minute of sixty milliseconds, in which no benchmark uses up
// plenty. It has no state that the cores would share.
func fastClock() func() time.Time {
	start := time.Now()
	return func() time.Time { return start.Add(1000 * time.Since(start)) }
}

// manyKeys is how many keys are in use where they are taken in turn.
const manyKeys = 10_000

// storeKeys stores n keys with plenty, ten in each workspace, and returns their
// credentials in random order.
func storeKeys(t testing.TB, h *Handler, n int) (credentials [][]string) {
	t.Helper()
	e, err := h.app.open()
	if err != nil {
		t.Fatal(err)
	}
	keys, credentials := make([]apikey.Key, n), make([][]string, n)
	for i := range keys {
		token, id, hash := apikey.Generate(apikey.DefaultBrand)
		keys[i] = apikey.Key{
			ID: id, Hash: hash, Prefix: apikey.Prefix(apikey.DefaultBrand, id), Workspace: fmt.Sprintf("workspace%d", i/10), Name: "test",
			Scopes: []string{"posts:read"}, CreatedAt: testStart, Limits: plenty,
		}
		credentials[i] = bearer(token)
	}
	if err := e.store.CreateAll(keys, keystore.Actor{At: testStart, Via: "test"}, nil); err != nil {
		t.Fatal(err)
	}
	rand.Shuffle(n, func(i, j int) { credentials[i], credentials[j] = credentials[j], credentials[i] })
	return credentials
}

// badChecksum returns a token with a typing error in its last character.
func badChecksum() string {
	token, _, _ := apikey.Generate(apikey.DefaultBrand)
	last := byte('0')
	if token[len(token)-1] == last {
		last = '1'
	}
	return token[:len(token)-1] + string(last)
}

// caller sends requests for the same thing one after the other. What Caddy
// makes for each of them is made once and put back, so that the handler is all
// there is to measure. Goroutines need one each.
type caller struct {
	h        *Handler
	r        *http.Request
	w        statusOnly
	repl     *caddy.Replacer
	pristine caddy.Replacer
}

func newCaller(h *Handler) *caller {
	c := &caller{h: h, w: statusOnly{header: make(http.Header)}}
	c.r = httpRequest("GET", "/v1/posts", http.Header{"Accept": {"*/*"}, "User-Agent": {"curl/8"}})
	c.repl = c.r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	c.pristine = *c.repl
	return c
}

// send returns the status of the answer, of Keygate or of a backend that
// answers 200.
func (c *caller) send(credential []string) (status int, err error) {
	c.r.Header["Authorization"] = credential
	clear(c.w.header)
	*c.repl = c.pristine
	err = c.h.ServeHTTP(&c.w, c.r, okBackend)
	return c.w.status, err
}

var okBackend = caddyhttp.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
	w.WriteHeader(http.StatusOK)
	return nil
})

// statusOnly keeps no body, which would grow with every answer.
type statusOnly struct {
	header http.Header
	status int
}

func (w *statusOnly) Header() http.Header         { return w.header }
func (w *statusOnly) Write(p []byte) (int, error) { return len(p), nil }
func (w *statusOnly) WriteHeader(status int)      { w.status = status }
