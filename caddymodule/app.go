// Package caddymodule is Keygate as Caddy modules. It joins the pure packages to
// Caddy and contains nothing that could live without it.
//
//   - [App] is the app keygate. It owns what all handlers of a config share: the
//     open key store, the limits and the audit retention.
//   - [Handler] is the directive keygate, the HTTP handler that decides requests.
//   - adminRouter serves package adminapi at /keygate/ on Caddy's admin endpoint.
//   - The files named after the Caddyfile parse options; package stores has the
//     modules for key stores.
//
// A request goes through [Handler.ServeHTTP]. Package access decides it, and the
// limits of the app's store charge it. Then an answer either denies it or
// forwards it. Before forwarding, the answer removes what the client must not
// claim and adds the identity of the key. One answer holds all state of a
// request.
//
// A reload provisions the new config before the old one is cleaned up. So what
// has to survive is in an openStore, which all configs with the same store share:
// keys, buckets, quotas, failure budgets and WebSockets. It is closed when the last
// config releases it.
//
// Provisioning reads OpenAPI documents, but opens, creates or connects to no store,
// so that `caddy validate` works beside a running gateway. The store is opened when
// the config starts, or by the first request.
package caddymodule

import (
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/socialpatra/keygate/adminapi"
	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/caddymodule/stores"
	"github.com/socialpatra/keygate/caddymodule/webhooks"
	"github.com/socialpatra/keygate/expiry"
	"github.com/socialpatra/keygate/internal/headroom"
	"github.com/socialpatra/keygate/webhook"
)

func init() {
	caddy.RegisterModule(new(App))
}

// App owns what all Keygate handlers of a config share: the key store and the
// state of the limits. It is optional: without it, handlers use the default
// store.
//
// Handlers with the same store share keys, buckets and quotas, across sites and
// across config reloads.
type App struct {
	// The store that keeps the keys, a module in the namespace keygate.stores.
	// Default: bbolt, in keygate/keys.db under Caddy's data folder.
	StoreRaw json.RawMessage `json:"store,omitempty" caddy:"namespace=keygate.stores inline_key=module"`

	// The brand that every token starts with: a lower-case letter, then 1–15
	// lower-case letters or digits. Changing it refuses all tokens made before.
	// Default: patra.
	KeyPrefix string `json:"key_prefix,omitempty"`

	// How long changes stay in the audit trail, at least a day. Default: 400
	// days.
	AuditRetention caddy.Duration `json:"audit_retention,omitempty"`

	// Limits on what all keys of a workspace do together, in addition to the
	// limits of each key, so that many keys do not add up to many quotas. The
	// admin API or `caddy keygate workspace` can set other limits for a
	// workspace. Default: not limited.
	WorkspaceLimits apikey.WorkspaceLimits `json:"workspace_limits,omitzero"`

	// By how many bytes the heap of this process may at least grow between two
	// collections, from 1 MiB to 64 GiB; in a Caddyfile with a unit, such as 64MiB. A
	// gateway has a small heap and much garbage, so that this saves processor time for a
	// bounded amount of memory; it changes nothing once the heap is larger than this. It
	// holds for all of Caddy. Default: what GOGC says.
	GCHeadroom int64 `json:"gc_headroom,omitempty"`

	// Where changes of keys are told, up to 16 webhooks. Default: none.
	Webhooks []webhook.Config `json:"webhooks,omitempty"`

	store  stores.Module
	hooks  []webhook.Hook // of Webhooks
	logger *zap.Logger
	events events
	now    func() time.Time // the clock of requests and admin calls; tests set another

	mappings []adminapi.Mapping // of this config

	endHeadroom func() // nil before Start

	serving sync.Once // makes api
	api     *adminapi.Server

	expiring *expiry.Runner // since Start

	mu       sync.Mutex
	released bool
	openErr  error
	opened   atomic.Pointer[openStore]
}

// CaddyModule returns the Caddy module information.
func (*App) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "keygate",
		New: func() caddy.Module { return new(App) },
	}
}

// Provision loads the store module. It opens and creates nothing, so that `caddy
// validate` works beside a running gateway.
func (a *App) Provision(ctx caddy.Context) error {
	a.now = time.Now
	a.logger = ctx.Logger()
	var err error
	if a.events, err = newEvents(ctx); err != nil {
		return err
	}
	if err := metrics.register(ctx.GetMetricsRegistry()); err != nil {
		return fmt.Errorf("registering metrics: %w", err)
	}
	if a.KeyPrefix == "" {
		a.KeyPrefix = apikey.DefaultBrand
	}
	if err := apikey.CheckBrand(a.KeyPrefix); err != nil {
		return err
	}
	if a.AuditRetention == 0 {
		a.AuditRetention = caddy.Duration(defaultRetention)
	}
	if err := checkRetention(time.Duration(a.AuditRetention)); err != nil {
		return err
	}
	if err := a.WorkspaceLimits.Check(); err != nil {
		return fmt.Errorf("workspace_limits: %w", err)
	}
	if err := checkHeadroom(a.GCHeadroom); err != nil {
		return err
	}
	if a.hooks, err = webhooks.Provision(a.Webhooks); err != nil {
		return err
	}
	if a.StoreRaw == nil {
		a.StoreRaw = json.RawMessage(`{"module":"bbolt"}`)
	}
	mod, err := ctx.LoadModule(a, "StoreRaw")
	if err != nil {
		return fmt.Errorf("loading the key store: %w", err)
	}
	store, ok := mod.(stores.Module)
	if !ok {
		return fmt.Errorf("loading the key store: %T is not a key store", mod)
	}
	a.store = store
	return nil
}

// Start opens the store, unless a request has already done so: Caddy starts apps
// in no particular order.
func (a *App) Start() error {
	e, err := a.open()
	if err != nil {
		return err
	}
	if err := e.setBrand(a.KeyPrefix); err != nil {
		return fmt.Errorf("recording key_prefix in the key store: %w", err)
	}
	e.webhooks.Serve(a, a.hooks) // before the trail is pruned
	e.retain(time.Duration(a.AuditRetention))
	a.endHeadroom = headroom.Keep(uint64(a.GCHeadroom))
	a.expiring = a.announceExpiring(e)
	return nil
}

// The default and the shortest retention of audit entries.
const (
	defaultRetention = 400 * 24 * time.Hour
	minRetention     = 24 * time.Hour
)

func checkRetention(d time.Duration) error {
	if d < minRetention {
		return fmt.Errorf("audit_retention: %s is too short; accepted: a day or more, such as 400d", d)
	}
	return nil
}

func checkHeadroom(bytes int64) error {
	if bytes != 0 && (bytes < 1<<20 || bytes > 64<<30) {
		return fmt.Errorf("gc_headroom: %d bytes is not accepted; accepted: 1MiB to 64GiB", bytes)
	}
	return nil
}

// Stop ends what the app does by itself. Requests of this config may still be running.
func (a *App) Stop() error {
	if a.expiring != nil {
		a.expiring.Stop(announcePatience)
	}
	return nil
}

// Cleanup releases the store; the last config to do so closes it. A request may
// still reach a handler of this config. It uses the open store, which another
// config keeps open, or which refuses the request.
func (a *App) Cleanup() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.released = true
	if a.endHeadroom != nil {
		a.endHeadroom()
	}
	e := a.opened.Load()
	if e == nil {
		return nil
	}
	e.webhooks.Leave(a)
	_, err := openStores.Delete(a.store.Location())
	return err
}

var errReleased = errors.New("this config has ended")

// open returns the store and opens it on the first call. A failure is final for
// this config: Start returns it, and Caddy then discards the config.
func (a *App) open() (*openStore, error) {
	if e := a.opened.Load(); e != nil {
		return e, nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	switch e := a.opened.Load(); {
	case e != nil:
		return e, nil
	case a.released:
		return nil, errReleased
	case a.openErr != nil:
		return nil, a.openErr
	}
	e, err := acquireStore(a.store, a.logger, a.now)
	if err != nil {
		metrics.storeErrors.Inc()
		a.openErr = fmt.Errorf("opening the key store: %w", err)
		a.logger.Error("the key store cannot be opened", zap.Error(err))
		return nil, a.openErr
	}
	a.opened.Store(e)
	return e, nil
}

// Interface guards.
var (
	_ caddy.App          = (*App)(nil)
	_ caddy.Provisioner  = (*App)(nil)
	_ caddy.CleanerUpper = (*App)(nil)
)
