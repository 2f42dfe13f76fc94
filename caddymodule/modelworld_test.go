package caddymodule

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/socialpatra/keygate/adminapi"
	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/caddymodule/response"
	"github.com/socialpatra/keygate/caddymodule/stores"
)

// world is one gateway and its model. Its tickers run in the time of the
// synctest bubble, its clock shows that plus offset.
type world struct {
	t      *testing.T
	r      *rand.Rand
	last   string // what was done last
	folder string
	files  int // stores so far, of which the last is in use

	offset  atomic.Int64 // in nanoseconds; the engine reads the clock whenever it likes
	strict  bool         // the clock was never set back: everything can be told exactly
	day     apikey.Day   // that requests last came on
	newDays uint64       // how often that was a later one than before
	started time.Time    // when the engine was opened, in the time of tickers
	flushed time.Time    // when the admin API last saved counts, in the same time

	engine  *openStore
	handler *Handler

	keys       []*modelKey
	gone       []*modelKey // deleted
	workspaces map[string]*modelUse
	together   map[string]apikey.WorkspaceLimits // own limits
}

// configLimits hold for workspaces without limits of their own.
var configLimits = apikey.WorkspaceLimits{PerDay: 25}

func newWorld(t *testing.T, seed uint64) *world {
	w := &world{
		t: t, r: rand.New(rand.NewPCG(seed, 5)), folder: t.TempDir(), strict: true,
		workspaces: map[string]*modelUse{"acme": new(fresh()), "other": new(fresh())},
		together:   make(map[string]apikey.WorkspaceLimits),
	}
	w.open()
	ctx, err := caddy.ProvisionContext(&caddy.Config{})
	if err != nil {
		t.Fatal(err)
	}
	w.handler = &Handler{Routes: modelRoutes, AuthFailures: -1}
	if err := w.handler.Provision(ctx); err != nil {
		t.Fatal(err)
	}
	w.handler.app.now = w.now
	w.handler.app.WorkspaceLimits = configLimits
	w.handler.app.opened.Store(w.engine)
	return w
}

// now is the clock. It has no monotonic reading, so that the gateway sees
// every step of it.
func (w *world) now() time.Time { return time.Now().Round(0).Add(time.Duration(w.offset.Load())).UTC() }

func (w *world) path() string { return filepath.Join(w.folder, fmt.Sprint(w.files), "keys.db") }

func (w *world) open() {
	store := &stores.Bolt{Path: w.path()}
	if err := store.Provision(caddy.Context{}); err != nil {
		w.t.Fatal(err)
	}
	e, err := openNewStore(store, zap.NewNop(), w.now)
	if err != nil {
		w.t.Fatal(err)
	}
	w.engine, w.started = e, time.Now()
	if w.handler != nil {
		w.handler.app.opened.Store(e)
	}
}

func (w *world) close() {
	if err := w.engine.Destruct(); err != nil {
		w.t.Error(err)
	}
}

// lastSave is when counts were saved last, in the time of tickers: by the
// ticker, or for somebody who asked.
func (w *world) lastSave() time.Time {
	tick := w.started.Add(time.Since(w.started).Truncate(stores.SaveEvery))
	if w.flushed.After(tick) {
		return w.flushed
	}
	return tick
}

func (w *world) flush() {
	w.engine.limits.Flush()
	w.flushed = time.Now()
}

// turn notes the day that the clock shows.
func (w *world) turn() {
	today := apikey.DayOf(w.now())
	if today > w.day {
		w.newDays++
	}
	w.day = today
}

// wait moves the bubble's time on, and has its tickers run. Nobody waits for it:
// once all goroutines of the bubble wait, its time jumps.
func (*world) wait(d time.Duration) { time.Sleep(d) }

// step does one thing. Whoever waits, waits for an odd time, so that nothing
// happens at the very moment of a save.
func (w *world) step() {
	w.wait(time.Duration(1+w.r.IntN(60))*10*time.Millisecond + 3*time.Microsecond)
	switch n := w.r.IntN(100); {
	case len(w.keys) == 0, n < 10:
		w.create()
	case n < 62:
		w.request(choose(w.r, append(w.keys, w.gone...)...))
	case n < 78:
		w.change(choose(w.r, w.keys...))
	case n < 82:
		w.limitWorkspace()
	case n < 86:
		w.wait(time.Duration(w.r.IntN(90)) * time.Second)
	case n < 87:
		w.setClock()
	case n < 90:
		w.restart()
		w.requests()
	case n < 92:
		w.crash()
		w.requests()
	default:
		w.compare()
	}
}

// requests sends one with each key.
func (w *world) requests() {
	for _, k := range w.keys {
		w.request(k)
	}
}

// api sends a request to the admin API and decodes the answer.
func (w *world) api(method, path, body string, into any) int {
	w.t.Helper()
	app := w.handler.app
	api := adminapi.New(adminapi.Options{
		Store: w.engine.store, Brand: app.KeyPrefix, Mappings: app.mappings, WorkspaceLimits: configLimits,
		Limits: flushing{w.engine.limits, w.flush}, Via: "model", Now: w.now,
	})
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	rec := httptest.NewRecorder()
	api.ServeHTTP(rec, r)
	if rec.Code >= http.StatusBadRequest {
		w.last += fmt.Sprintf(" (%d %s)", rec.Code, rec.Body)
		return rec.Code
	}
	if into != nil {
		if err := json.NewDecoder(bytes.NewReader(rec.Body.Bytes())).Decode(into); err != nil {
			w.t.Errorf("%v in %s", err, rec.Body)
		}
	}
	return rec.Code
}

// get sends a request with a key, and returns the status and the code of the denial.
func (w *world) get(token, path string) (status int, code string) {
	r := httptest.NewRequest("GET", path, nil)
	r.Header = http.Header{"Authorization": bearer(token)}
	rec := httptest.NewRecorder()
	r = caddyhttp.PrepareRequest(r, caddy.NewReplacer(), rec, nil)
	var backend backendFunc
	if err := w.handler.ServeHTTP(rec, r, &backend); err != nil {
		w.t.Error(err)
	}
	var p response.Problem
	_ = json.Unmarshal(rec.Body.Bytes(), &p) // what passes has no body
	if (backend.seen != nil) != (p.Code == "") {
		w.t.Errorf("answered %d %s, while the backend was reached: %t", rec.Code, rec.Body, backend.seen != nil)
	}
	return rec.Code, p.Code
}

// setClock sets it forward by up to two days, or back by as much: then nobody
// can tell exactly what is left, but never more than without that.
func (w *world) setClock() {
	by := time.Duration(w.r.IntN(48*3600)) * time.Second
	if w.r.IntN(4) == 0 {
		by = -by
		w.strict = false
	}
	w.offset.Add(int64(by))
	w.say("the clock is set by %v", by)
}

func (w *world) restart() {
	w.say("restart")
	w.close()
	for _, k := range w.keys {
		k.use.stopped = k.use.bucket
	}
	w.wait(time.Duration(w.r.IntN(5000)) * time.Millisecond)
	w.open()
}

// crash goes on with the file as it is now; the engine of before saves into
// one that nobody reads any more.
func (w *world) crash() {
	w.say("crash")
	content, err := os.ReadFile(w.path())
	if err != nil {
		w.t.Fatal(err)
	}
	saved, old := w.lastSave(), w.engine
	w.files++
	if err := os.Mkdir(filepath.Dir(w.path()), 0o700); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(w.path(), content, 0o600); err != nil {
		w.t.Fatal(err)
	}
	if err := old.Destruct(); err != nil {
		w.t.Error(err)
	}
	w.open()
	for _, k := range w.keys {
		k.use.crash(saved)
	}
	for _, u := range w.workspaces {
		u.crash(saved)
	}
}

// flushing are limits that are saved as a model says.
type flushing struct {
	stores.Limits
	flush func()
}

func (f flushing) Flush() { f.flush() }

func (f flushing) Rewatch(id apikey.ID) {
	f.flush()
	f.Limits.Rewatch(id)
}
