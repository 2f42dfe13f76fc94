package caddymodule

import (
	"errors"
	"net/http"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/socialpatra/keygate/adminapi"
	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/caddymodule/addresses"
	"github.com/socialpatra/keygate/caddymodule/stores"
	"github.com/socialpatra/keygate/internal/logthrottle"
	"github.com/socialpatra/keygate/keystore"
)

func init() {
	caddy.RegisterModule(new(adminRouter))
}

// adminRouter serves /keygate/ on Caddy's admin endpoint. It has no state and
// looks up the running app for each request: after a failed reload, the endpoint
// keeps the routers of the config that failed.
type adminRouter struct{}

// CaddyModule returns the Caddy module information.
func (*adminRouter) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "admin.api.keygate",
		New: func() caddy.Module { return new(adminRouter) },
	}
}

// Provision opens the store, and refuses addresses that another process has. It
// is the only place where that is early enough: Caddy calls it when a config is
// to run, not when it is only validated, and before the admin endpoint takes its
// socket and the servers take their ports. A second gateway that is started by
// mistake ends here, and the first one does not notice.
func (*adminRouter) Provision(ctx caddy.Context) error {
	// The sites first: one may use keygate without the global option.
	sites, err := loadedApp[*caddyhttp.App](ctx, "http")
	if err != nil {
		return err
	}
	app, err := loadedApp[*App](ctx, "keygate")
	if err != nil || app == nil {
		return err
	}
	if _, err := app.open(); err != nil {
		return err
	}
	err = addresses.Refuse(ctx, sites)
	if _, shared := app.store.(stores.Shared); shared && err != nil {
		app.logger.Warn("another process listens where this one will: it must be a gateway of the same fleet", zap.Error(err))
		return nil
	}
	return err
}

// loadedApp returns an app of the config that is being loaded, or nil if it has
// none of that name.
func loadedApp[T caddy.App](ctx caddy.Context, name string) (app T, err error) {
	val, err := ctx.AppIfConfigured(name)
	if errors.Is(err, caddy.ErrNotConfigured) {
		return app, nil
	}
	if err != nil {
		return app, err
	}
	return val.(T), nil
}

// Routes returns a single route. The Server dispatches everything below it.
func (*adminRouter) Routes() []caddy.AdminRoute {
	return []caddy.AdminRoute{{Pattern: "/keygate/", Handler: caddy.AdminHandlerFunc(serveAdmin)}}
}

// notStarted is the answer of a Caddy that serves its admin endpoint but has not
// loaded its first config yet, or has given up its last one.
const notStarted = "this Caddy has not loaded its config yet, or is stopping; send the request again in a moment"

// notConfigured is the answer by which the command tells a Caddy without Keygate
// from no Caddy at all.
const notConfigured = "this Caddy runs a config without keygate; add the keygate directive to a site and reload"

func serveAdmin(w http.ResponseWriter, r *http.Request) error {
	active := caddy.ActiveContext()
	if active.Context == nil {
		return unavailableError(errors.New(notStarted))
	}
	val, err := active.AppIfConfigured("keygate")
	if errors.Is(err, caddy.ErrNotConfigured) {
		return unavailableError(errors.New(notConfigured))
	}
	if err != nil {
		return unavailableError(err)
	}
	api, err := val.(*App).API()
	if err != nil {
		return unavailableError(err)
	}
	api.ServeHTTP(w, r)
	return nil
}

// API returns the admin API on the open store. It is made on the first call, when
// all handlers of the config are provisioned. An error means that the store cannot
// be opened.
func (a *App) API() (*adminapi.Server, error) {
	store, err := a.open()
	if err != nil {
		return nil, err
	}
	a.serving.Do(func() { a.api = a.newAPI(store) })
	return a.api, nil
}

func (a *App) newAPI(store *openStore) *adminapi.Server {
	return adminapi.New(adminapi.Options{
		Store:           store.store,
		Brand:           a.KeyPrefix,
		Mappings:        a.mappings,
		WorkspaceLimits: a.WorkspaceLimits,
		Limits:          store.limits,
		Observer:        changeLog{a},
		Warnings:        store.warnings,
		Failed:          func(r *http.Request, status int, err error) { reportFailure(a.logger, r.URL.Path, status, err) },
		Now:             a.now,
	})
}

func unavailableError(err error) error {
	return caddy.APIError{HTTPStatus: http.StatusServiceUnavailable, Err: err}
}

// changeLog reports changes by the admin API to the log and as events of an app.
type changeLog struct{ app *App }

func (o changeLog) KeyChanged(action, keyID string, by keystore.Actor) {
	o.app.logger.Info("key changed", zap.String("action", action), zap.String("key_id", keyID), zap.String("via", by.Via), zap.String("by", by.By))
	o.app.events.keyChanged(action, keyID, by)
}

func (o changeLog) WorkspaceChanged(action, workspace string, by keystore.Actor) {
	o.app.logger.Info("workspace changed", zap.String("action", action), zap.String("workspace", workspace), zap.String("via", by.Via), zap.String("by", by.By))
}

func (o changeLog) KeyLeaked(k *apikey.Record, was apikey.Status, done string, by keystore.Actor) {
	o.app.logger.Warn("key leaked", zap.Stringer("key_id", k.ID), zap.String("workspace", k.Workspace), zap.String("was", string(was)), zap.String("done", done), zap.String("via", by.Via), zap.String("by", by.By))
	metrics.leaked.WithLabelValues(done).Inc()
	o.app.events.emit(eventKeyLeaked, map[string]any{"key_id": k.ID.String(), "workspace": k.Workspace, "was": string(was), "done": done, "via": by.Via, "by": by.By})
}

// KeysImported writes a single line, because a line for each key would flood the
// log. The audit trail has every key.
func (o changeLog) KeysImported(keys int, by keystore.Actor) {
	o.app.logger.Info("keys imported", zap.Int("keys", keys), zap.String("via", by.Via), zap.String("by", by.By))
	o.app.events.keysImported(keys, by)
}

// reportFailure logs a failure as Caddy's admin endpoint does. Failures of the
// store are also counted and logged as errors.
func reportFailure(logger *zap.Logger, path string, status int, err error) {
	if broken := (*adminapi.BrokenStreamError)(nil); errors.As(err, &broken) {
		logger.Error("an answer of the admin API broke off", zap.String("path", path), zap.Error(err))
	} else {
		caddy.Log().Named("admin.api").Error("request error", zap.Error(caddy.APIError{HTTPStatus: status, Err: err}), zap.Int("status_code", status))
	}
	reportStoreFailure(logger, path, err)
}

// ReportRefusal notes a refusal by keygate_console. Only failures of the store are
// the operator's business.
func (a *App) ReportRefusal(path string, status int, err error) {
	a.logger.Debug("a request to keygate_console was refused", zap.String("path", path), zap.Int("status", status), zap.Error(err))
	reportStoreFailure(a.logger, path, err)
}

func reportStoreFailure(logger *zap.Logger, path string, err error) {
	if keystore.IsFailure(err) {
		metrics.storeErrors.Inc()
		adminFailing.Error(logger, time.Now(), "the key store cannot answer the admin API", zap.String("path", path), zap.Error(err))
	}
}

// adminFailing limits the log of a broken store, because health checks keep
// asking.
var adminFailing logthrottle.Throttle
