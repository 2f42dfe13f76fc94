package caddymodule

import (
	"errors"
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/socialpatra/keygate/adminapi"
	"github.com/socialpatra/keygate/keystore"
)

func init() {
	caddy.RegisterModule(adminRouter{})
}

// adminRouter serves /keygate/ on Caddy's admin endpoint. It holds nothing: the
// running app is looked up for each request, because after a failed reload the
// endpoint is left with the routers of the config that failed.
type adminRouter struct{}

// CaddyModule returns the Caddy module information.
func (adminRouter) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "admin.api.keygate",
		New: func() caddy.Module { return new(adminRouter) },
	}
}

// Routes returns the one route; everything below it is dispatched by the Server.
func (adminRouter) Routes() []caddy.AdminRoute {
	return []caddy.AdminRoute{{Pattern: "/keygate/", Handler: caddy.AdminHandlerFunc(serveAdmin)}}
}

// notStarted is what a Caddy says that serves its admin endpoint and has not come
// to its first config yet, or has given up its last one.
const notStarted = "this Caddy has not loaded its config yet, or is stopping; send the request again in a moment"

// notConfigured is what the command looks for to tell a Caddy without keygate
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
	app := val.(*App)
	store, err := app.open()
	if err != nil {
		return unavailableError(err)
	}
	adminapi.New(adminapi.Options{
		Store:           store.store,
		Brand:           app.KeyPrefix,
		Mappings:        app.mappings,
		WorkspaceLimits: app.WorkspaceLimits,
		Limits:          store.limits,
		Observer:        changeLog{app},
		Failed:          func(r *http.Request, status int, err error) { reportFailure(app.logger, r.URL.Path, status, err) },
		Now:             timeNow,
	}).ServeHTTP(w, r)
	return nil
}

func unavailableError(err error) error {
	return caddy.APIError{HTTPStatus: http.StatusServiceUnavailable, Err: err}
}

// changeLog tells the log and the events of an app what the admin API changed.
type changeLog struct{ app *App }

func (o changeLog) KeyChanged(action, keyID, via string) {
	o.app.logger.Info("key changed", zap.String("action", action), zap.String("key_id", keyID), zap.String("via", via))
	o.app.events.keyChanged(action, keyID, via)
}

func (o changeLog) WorkspaceChanged(action, workspace, via string) {
	o.app.logger.Info("workspace changed", zap.String("action", action), zap.String("workspace", workspace), zap.String("via", via))
}

// KeysImported writes one line, since a line for each key would be a log of its
// own. The audit trail has them all.
func (o changeLog) KeysImported(keys int, via string) {
	o.app.logger.Info("keys imported", zap.Int("keys", keys), zap.String("via", via))
	o.app.events.keysImported(keys, via)
}

// reportFailure logs as Caddy's admin endpoint does, and counts and logs what the
// store could not do.
func reportFailure(logger *zap.Logger, path string, status int, err error) {
	if broken := (*adminapi.BrokenStreamError)(nil); errors.As(err, &broken) {
		logger.Error("an answer of the admin API broke off", zap.String("path", path), zap.Error(err))
	} else {
		caddy.Log().Named("admin.api").Error("request error", zap.Error(caddy.APIError{HTTPStatus: status, Err: err}), zap.Int("status_code", status))
	}
	if keystore.IsFailure(err) {
		metrics.storeErrors.Inc()
		adminFailing.error(logger, timeNow(), "the key store cannot answer the admin API", zap.String("path", path), zap.Error(err))
	}
}

// adminFailing bounds what a broken store writes to the log: health checks ask
// again and again.
var adminFailing logThrottle
