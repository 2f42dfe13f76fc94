package caddymodule

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

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

// Routes returns the one route; everything below it is dispatched by keyAdmin.
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
		return apiError(http.StatusServiceUnavailable, errors.New(notStarted))
	}
	val, err := active.AppIfConfigured("keygate")
	if errors.Is(err, caddy.ErrNotConfigured) {
		return apiError(http.StatusServiceUnavailable, errors.New(notConfigured))
	}
	if err != nil {
		return apiError(http.StatusServiceUnavailable, err)
	}
	app := val.(*App)
	engine, err := app.open()
	if err != nil {
		return apiError(http.StatusServiceUnavailable, err)
	}
	a := &keyAdmin{
		store:  engine.store,
		brand:  app.KeyPrefix,
		forget: engine.forget,

		gateways: app.gateways,
		peek:     engine.peek,
		together: app.WorkspaceLimits,

		flush: engine.save,
		door:  doorOf(r),
		now:   timeNow,
	}
	a.changed = func(action, keyID string) {
		app.logger.Info("key changed", zap.String("action", action), zap.String("key_id", keyID), zap.String("via", a.door))
		app.events.keyChanged(action, keyID, a.door)
	}
	a.workspaceChanged = func(action, workspace string) {
		app.logger.Info("workspace changed", zap.String("action", action), zap.String("workspace", workspace), zap.String("via", a.door))
	}
	a.imported = func(keys int) { // a line for each would be a log of its own; the audit trail has them
		app.logger.Info("keys imported", zap.Int("keys", keys), zap.String("via", a.door))
		app.events.keysImported(keys, a.door)
	}
	err = a.serve(w, r)
	reportFailure(app.logger, r.URL.Path, err)
	if broken := (*brokenStreamError)(nil); errors.As(err, &broken) {
		app.logger.Error("an answer of the admin API broke off", zap.String("path", r.URL.Path), zap.Error(err))
		panic(http.ErrAbortHandler) // what is cut off must not look whole
	}
	return err
}

// reportFailure counts and logs what the store could not do. A fault of the
// program is logged by Caddy.
func reportFailure(logger *zap.Logger, path string, err error) {
	if refused, ok := errors.AsType[caddy.APIError](err); ok {
		err = refused.Err
	}
	if keystore.IsFailure(err) {
		metrics.storeErrors.Inc()
		adminFailing.error(logger, timeNow(), "the key store cannot answer the admin API", zap.String("path", path), zap.Error(err))
	}
}

// adminFailing bounds what a broken store writes to the log: health checks ask
// again and again.
var adminFailing rarely

// doorOf names the way by which a request came, for the audit trail.
func doorOf(r *http.Request) string {
	if addr, ok := r.Context().Value(http.LocalAddrContextKey).(interface {
		Network() string
		String() string
	}); ok && addr.Network() == "unix" {
		return "unix " + addr.String()
	}
	return "api " + r.RemoteAddr
}

// serve answers one request of the admin API. Errors are caddy.APIError
// values, which Caddy writes as {"error":"…"}, or a *brokenStreamError.
func (a *keyAdmin) serve(w http.ResponseWriter, r *http.Request) error {
	if tokenInURL(r.URL) {
		return apiError(http.StatusBadRequest, errTokenInURL)
	}
	found, ok := a.find(r)
	if !ok {
		return apiError(http.StatusNotFound, errNoRoute)
	}
	op, ok := found[r.Method]
	if !ok {
		w.Header().Set("Allow", found.allow())
		return apiError(http.StatusMethodNotAllowed, fmt.Errorf("%s is not served here", r.Method))
	}
	if r.URL.Path == importPath {
		// Caddy gives requests ten seconds, which a gigabyte may not keep.
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(importTimeout)) // not offline
		a.progress = tellProgress(w, r)
	}
	body, status, err := op.do(r)
	if err != nil {
		return apiError(statusOf(err), err)
	}
	w.Header().Set("Cache-Control", "no-store")
	if r := a.replication; r.Wanted > 0 {
		w.Header().Set(replicatedHeader, strconv.FormatBool(r.Have >= r.Wanted))
	}
	if tagged, ok := body.(tagged); ok {
		w.Header().Set("ETag", tagged.etag)
		body = tagged.body
	}
	if body == nil {
		w.WriteHeader(status)
		return nil
	}
	if stream, ok := body.(stream); ok {
		return stream.serve(w)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return enc.Encode(body)
}

// replicatedHeader says of a change, in a store that asks for replicas, whether
// so many had it in time: true or false. The change is in force either way, but
// may be undone by a failover where they had not.
const replicatedHeader = "Keygate-Replicated"

func apiError(status int, err error) error {
	return caddy.APIError{HTTPStatus: status, Err: err}
}

// operation is one method of one resource.
type operation struct {
	handle handleFunc

	// reads says that handle reads the query itself, by [eachParam]. No other
	// operation has parameters.
	reads bool
}

type handleFunc func(*http.Request) (body any, status int, err error)

func plain(handle handleFunc) operation   { return operation{handle: handle} }
func queried(handle handleFunc) operation { return operation{handle: handle, reads: true} }

// do answers a request. A query that says anything that is not known is
// refused: to drop a filter would be to answer with everything.
func (o operation) do(r *http.Request) (body any, status int, err error) {
	if !o.reads {
		if err := eachParam(r, nil); err != nil {
			return nil, 0, err
		}
	}
	return o.handle(r)
}

// methods are the operations of one resource.
type methods map[string]operation

// allow is the value of the header Allow (RFC 9110 section 10.2.1).
func (m methods) allow() string { return strings.Join(slices.Sorted(maps.Keys(m)), ", ") }
