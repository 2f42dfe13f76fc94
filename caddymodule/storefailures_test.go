package caddymodule

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
	"github.com/socialpatra/keygate/ratelimit"
)

// Where a store cannot be opened, the config does not start, each request is
// refused, and it is tried once: by whoever comes first.
func TestAStoreThatCannotBeOpened(t *testing.T) {
	for _, first := range []string{"start", "a request"} {
		t.Run(first, func(t *testing.T) {
			h, err := handlerOf(t, "{}", `{`+plainRoutes+`}`)
			if err != nil {
				t.Fatal(err)
			}
			core, logged := observer.New(zap.ErrorLevel)
			m := newFailing(t, "")
			m.err = errors.New("held by another process")
			h.app.store, h.app.logger = m, zap.New(core)
			before := countedFailures(t)
			if first == "a request" {
				if x := send(t, h, httpRequest("GET", "/v1/posts", http.Header{"Authorization": bearer(wrongToken)})); x.status != 503 || x.counted["store_errors"] != 2 {
					t.Errorf("answered %d, counted %v", x.status, x.counted)
				}
			}
			for range 2 {
				if err := h.app.Start(); !errors.Is(err, m.err) || !strings.HasPrefix(err.Error(), "opening the key store: ") {
					t.Errorf("Start: %v", err)
				}
			}
			if m.opened != 1 || logged.FilterMessage("the key store cannot be opened").Len() != 1 {
				t.Errorf("opened %d times, logged %v", m.opened, logged.All())
			}
			if n := countedFailures(t) - before; n < 1 {
				t.Errorf("counted %v failures", n)
			}
		})
	}
}

// slowModule opens its store when all who want it have come.
type slowModule struct {
	*failingModule
	come *sync.WaitGroup
}

func (m slowModule) Open(logger *zap.Logger) (keystore.Store, error) {
	m.come.Wait()
	return m.failingModule.Open(logger)
}

// However many come first at once, the store is opened once and let go of once; and
// a failure is the same for all of them.
func TestManyOpenAStore(t *testing.T) {
	for _, fails := range []error{nil, errors.New("held by another process")} {
		for range 20 {
			m := newFailing(t, "")
			m.err = fails
			var come, done sync.WaitGroup
			come.Add(8)
			a := &App{store: slowModule{m, &come}, logger: zap.NewNop(), now: time.Now}
			var got [8]*openStore
			for i := range got {
				done.Go(func() {
					come.Done()
					var err error
					if got[i], err = a.open(); !errors.Is(err, fails) {
						t.Errorf("opened %v, %v", got[i], err)
					}
				})
			}
			done.Wait()
			for _, e := range got {
				if e != got[0] || (e == nil) != (fails != nil) {
					t.Errorf("opened %p, and %p", e, got[0])
				}
			}
			if m.opened != 1 {
				t.Errorf("opened %d times", m.opened)
			}
			if err := a.Cleanup(); err != nil {
				t.Error(err)
			}
			if n, held := openStores.References(m.Location()); held {
				t.Errorf("it is held %d times after the end", n)
			}
		}
	}
	m := newFailing(t, "")
	late := &App{store: m, logger: zap.NewNop(), now: time.Now}
	if err := late.Cleanup(); err != nil {
		t.Error(err)
	}
	if e, err := late.open(); e != nil || !errors.Is(err, errReleased) || m.opened > 0 {
		t.Errorf("after the end: %v, %v, opened %d times", e, err, m.opened)
	}
}

// A store whose use cannot be read is closed again, and the next config may open
// it.
func TestAStoreThatCannotBeRead(t *testing.T) {
	for _, method := range []string{"UsageSince", "Buckets"} {
		t.Run(method, func(t *testing.T) {
			m := newFailing(t, method)
			if e, err := openNewStore(m, zap.NewNop(), time.Now); !errors.Is(err, m.failing.err) || e != nil {
				t.Fatalf("opened %v, %v", e, err)
			}
			m.failing.method = ""
			e, err := openNewStore(m, zap.NewNop(), time.Now)
			if err != nil {
				t.Fatal(err)
			}
			if err := e.Destruct(); err != nil {
				t.Error(err)
			}
		})
	}
}

// errTestDamaged is of a record that does not verify.
var errTestDamaged = errors.Join(errors.New("record 7"), keystore.ErrDamaged)

// What is damaged of the use costs what it counted, and nothing else: the rest is
// read, and the store serves.
func TestDamagedUseIsTold(t *testing.T) {
	for method, told := range map[string]string{"UsageSince": "a record of today's use is damaged", "Buckets": "a saved minute bucket is damaged"} {
		t.Run(method, func(t *testing.T) {
			m := newFailing(t, method)
			m.failing.err = errTestDamaged
			core, logged := observer.New(zap.ErrorLevel)
			e, err := openNewStore(m, zap.New(core), time.Now)
			if err != nil {
				t.Fatal(err)
			}
			if all := logged.All(); len(all) != 1 || !strings.HasPrefix(all[0].Message, told) {
				t.Errorf("logged %v", all)
			}
			if err := e.Destruct(); err != nil {
				t.Error(err)
			}
		})
	}
}

// The brand is recorded once; a config that cannot have it recorded does not
// start, and the same brand needs no store that takes changes.
func TestBrandsAreRecorded(t *testing.T) {
	m := newFailing(t, "SetBrand")
	e, err := openNewStore(m, zap.NewNop(), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Destruct()
	a := &App{KeyPrefix: "acme", store: m, logger: zap.NewNop(), now: time.Now}
	a.opened.Store(e)
	if err := a.Start(); !errors.Is(err, m.failing.err) || !strings.Contains(err.Error(), "key_prefix") {
		t.Errorf("Start: %v", err)
	}
	for i, step := range []struct{ brand, fails string }{{"acme", ""}, {"acme", "SetBrand"}, {"other", ""}, {"acme", ""}} {
		m.failing.method, m.failing.failed = step.fails, false
		if err := e.setBrand(step.brand); err != nil {
			t.Errorf("step %d: %v", i, err)
		}
		if got, err := e.store.Brand(); err != nil || got != step.brand {
			t.Errorf("step %d: the brand is %q, %v", i, got, err)
		}
	}
}

// Use that cannot be saved is told, counted, and saved later: nothing is lost, and
// what is saved already is not written again.
func TestUseThatCannotBeSaved(t *testing.T) {
	synctest.Test(t, useThatCannotBeSaved) // where no second passes, after which use is saved by itself
}

func useThatCannotBeSaved(t *testing.T) {
	m := newFailing(t, "")
	core, logged := observer.New(zap.ErrorLevel)
	e, err := openNewStore(m, zap.New(core), stopped(testStart))
	if err != nil {
		t.Fatal(err)
	}
	h := &Handler{app: &App{now: stopped(testStart)}}
	h.app.opened.Store(e)
	k, _ := storeKey(t, h, nil)
	caps := capsOf(k)
	used := func() (allowed uint64) {
		if err := m.failing.Store.UsageSince(apikey.DayOf(testStart), func(u apikey.Usage) { allowed += u.Allowed }, func(apikey.WorkspaceUsage) {}); err != nil {
			t.Fatal(err)
		}
		return allowed
	}
	take := func() {
		if _, err := e.limits.Take(k.ID, caps, 1, testStart, apikey.Sighting{}); err != nil {
			t.Fatal(err)
		}
	}
	before := countedFailures(t)
	take()
	m.failing.method = "SaveUsage"
	e.limits.Flush()
	if n := countedFailures(t) - before; n < 1 || used() != 0 || logged.FilterMessageSnippet("could not be saved").Len() != 1 {
		t.Errorf("counted %v failures, %d in the store, logged %v", n, used(), logged.All())
	}
	m.failing.method = ""
	e.limits.Flush()
	if got := used(); got != 1 {
		t.Errorf("%d are in the store, want 1", got)
	}
	m.failing.method, m.failing.failed = "SaveUsage", false
	e.limits.Flush()
	if m.failing.failed {
		t.Error("nothing is written to the store")
	}
	m.failing.method = "SaveBuckets"
	take()
	if err := e.Destruct(); err != nil {
		t.Fatal(err)
	}
	if logged.FilterMessageSnippet("buckets could not be saved").Len() != 1 {
		t.Errorf("logged %v", logged.All())
	}

	m.failing.method = ""
	if e, err = openNewStore(m, zap.NewNop(), stopped(testStart)); err != nil {
		t.Fatal(err)
	}
	if got, err := e.limits.Peek(k.ID, caps, 1, testStart); err != nil || got.Day.Remaining != k.Limits.PerDay-3 || got.Minute.Remaining != k.Limits.PerMinute-1 {
		t.Errorf("after a restart %+v, %v", got, err)
	}
	take()
	if err := e.Destruct(); err != nil {
		t.Fatal(err)
	}
	if e, err = openNewStore(m, zap.NewNop(), stopped(testStart)); err != nil {
		t.Fatal(err)
	}
	defer e.Destruct()
	if got, err := e.limits.Peek(k.ID, caps, 1, testStart); err != nil || got.Day.Remaining != k.Limits.PerDay-4 || got.Minute.Remaining != k.Limits.PerMinute-2 {
		t.Errorf("after another one %+v, %v", got, err)
	}
	take()
	e.limits.Forget(k.ID)
	e.limits.Flush()
	if got, err := e.limits.Peek(k.ID, caps, 1, testStart); err != nil || got.Minute.Remaining != k.Limits.PerMinute-3 || used() != 3 {
		t.Errorf("a key that is forgotten has %+v, %v, and was used %d times; want what it was charged alone", got, err, used())
	}
}

// What a config does not have at all is provisioned with its defaults, and opens
// and creates nothing.
func TestProvisionCreatesNothing(t *testing.T) {
	t.Setenv("XDG_DATA_HOME", t.TempDir())
	ctx, err := caddy.ProvisionContext(&caddy.Config{})
	if err != nil {
		t.Fatal(err)
	}
	h := &Handler{Routes: testRoutes}
	if err := h.Provision(ctx); err != nil {
		t.Fatal(err)
	}
	a := h.app
	if a.KeyPrefix != "patra" || time.Duration(a.AuditRetention) != 400*24*time.Hour || filepath.Base(a.store.Location()) != "keys.db" {
		t.Errorf("%+v", a)
	}
	if _, err := os.Stat(filepath.Dir(a.store.Location())); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s: %v", a.store.Location(), err)
	}
}

func capsOf(k apikey.Key) ratelimit.Caps {
	return ratelimit.Caps{Limits: k.Limits, Workspace: k.Workspace}
}
