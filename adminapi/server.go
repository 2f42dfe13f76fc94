// Package adminapi is the API by which keys are made, changed and looked at:
// an [http.Handler] over a [keystore.Store], whose contract is openapi.yaml.
//
// A [Server] answers each request under [Options], which say what it works on:
// the store, the handlers of the running config and the limits that they charge.
// It knows no Caddy. Caddy's admin endpoint serves it, and so does the command
// on a store file that no process holds.
//
// Bodies are JSON, read strictly: an unknown member or parameter is refused,
// since to drop it would be to do something else than was asked. An error is
// {"error":"…"}, with the status that [Server] derives from the kind of error.
package adminapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
	"github.com/socialpatra/keygate/ratelimit"
)

// Options are what the API works on. Store, Brand and Now are required.
type Options struct {
	Store keystore.Store
	Brand string // of the tokens that it makes
	Now   func() time.Time

	// Gateways are the handlers of the running config. Offline there are none.
	Mappings []Mapping

	// WorkspaceLimits hold for workspaces that have none of their own.
	WorkspaceLimits apikey.WorkspaceLimits

	// Limits are what the gateways charge. Default: none run here.
	Limits Limits

	// Via is how requests come, for the audit trail. Default: the connection, as
	// unix and the path of the socket, or api and the address of the client.
	Via string

	// Observer is told of changes. Default: nobody.
	Observer Observer

	// Failed is told of each request that is refused or fails, with the status of
	// the answer. A *BrokenStreamError is a failure after the answer has begun,
	// which is then cut off. Default: nobody.
	Failed func(r *http.Request, status int, err error)
}

// Limits are what is left of the limits of keys. See ratelimit.Limiter.
type Limits interface {
	// Peek returns what a request would be told, and charges nothing.
	Peek(id apikey.ID, caps ratelimit.Caps, cost int, now time.Time) (ratelimit.Result, error)

	// Forget drops what is known of a deleted key.
	Forget(id apikey.ID)

	// Flush stores the use that is only in memory yet.
	Flush()
}

// Observer is told of changes, after they are in force.
type Observer interface {
	KeyChanged(action, keyID, via string)
	KeysImported(keys int, via string)
	WorkspaceChanged(action, workspace, via string)
}

// Server is the API on one store, for Caddy's admin endpoint and, without a
// server, for `caddy keygate --db`.
type Server struct {
	store           keystore.Store
	brand           string
	mappings        []Mapping
	workspaceLimits apikey.WorkspaceLimits
	limits          Limits // nil: none run here
	via             string
	observer        Observer
	failed          func(*http.Request, int, error)
	now             func() time.Time

	mux *http.ServeMux
}

// New returns the API on a store. It opens and closes nothing.
func New(o Options) *Server {
	s := &Server{
		store:           o.Store,
		brand:           o.Brand,
		mappings:        o.Mappings,
		workspaceLimits: o.WorkspaceLimits,
		limits:          o.Limits,
		via:             o.Via,
		observer:        o.Observer,
		failed:          o.Failed,
		now:             o.Now,
		mux:             http.NewServeMux(),
	}
	if s.observer == nil {
		s.observer = nobody{}
	}
	if s.failed == nil {
		s.failed = func(*http.Request, int, error) {}
	}
	for pattern, resource := range resources {
		s.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { s.serve(w, r, resource) })
	}
	s.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { s.fail(w, r, errNoRoute) })
	return s
}

// ServeHTTP answers one request. What is refused or fails is answered as
// Caddy's admin endpoint does: {"error":"…"}.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case tokenInURL(r.URL):
		s.fail(w, r, errTokenInURL)
	case path.Clean(r.URL.Path) != r.URL.Path: // which the mux would redirect
		s.fail(w, r, errNoRoute)
	default:
		s.mux.ServeHTTP(w, r)
	}
}

// resources are the paths of the API, as openapi.yaml writes them.
var resources = map[string]methods{
	KeysPath:                        {"GET": queried((*call).list), "POST": plain((*call).create)},
	KeysPath + "/{id}":              {"GET": plain((*call).show), "PATCH": plain((*call).update), "DELETE": plain((*call).remove)},
	KeysPath + "/{id}/rotate":       {"POST": plain((*call).rotate)},
	KeysPath + "/{id}/revoke":       {"POST": plain((*call).revoke)},
	KeysPath + "/{id}/disable":      {"POST": plain((*call).disable)},
	KeysPath + "/{id}/enable":       {"POST": plain((*call).enable)},
	KeysPath + "/{id}/usage":        {"GET": queried((*call).usage)},
	WorkspacesPath:                  {"GET": queried((*call).listWorkspaces)},
	WorkspacesPath + "/{workspace}": {"GET": plain((*call).showWorkspace), "PATCH": plain((*call).limitWorkspace), "DELETE": plain((*call).unlimitWorkspace)},
	HealthPath:                      {"GET": plain((*call).health)},
	ScopesPath:                      {"GET": plain((*call).scopes)},
	RoutesPath:                      {"GET": plain((*call).routes)},
	ExplainPath:                     {"POST": plain((*call).explain)},
	AuditPath:                       {"GET": queried((*call).audit)},
	CheckPath:                       {"GET": plain((*call).check), "POST": plain((*call).mend)},
	ExportPath:                      {"GET": plain((*call).export)},
	ImportPath:                      {"POST": queried((*call).importKeys)},
	BackupPath:                      {"GET": plain((*call).backup)},
}

// Paths of the API.
const (
	KeysPath       = "/keygate/keys"
	WorkspacesPath = "/keygate/workspaces"
	HealthPath     = "/keygate/health"
	ScopesPath     = "/keygate/scopes"
	RoutesPath     = "/keygate/routes"
	ExplainPath    = "/keygate/explain"
	AuditPath      = "/keygate/audit"
	CheckPath      = "/keygate/check"
	ExportPath     = "/keygate/export"
	ImportPath     = "/keygate/import"
	BackupPath     = "/keygate/backup"
)

// methods are the operations of one resource.
type methods map[string]operation

// allow is the value of the header Allow (RFC 9110 section 10.2.1).
func (m methods) allow() string { return strings.Join(slices.Sorted(maps.Keys(m)), ", ") }

// operation is one method of one resource.
type operation struct {
	handle handleFunc

	// reads says that handle reads the query itself, by [eachParam]. No other
	// operation has parameters.
	reads bool
}

type handleFunc func(*call, *http.Request) (body any, status int, err error)

func plain(handle handleFunc) operation   { return operation{handle: handle} }
func queried(handle handleFunc) operation { return operation{handle: handle, reads: true} }

// do answers a request. A query that says anything that is not known is
// refused: to drop a filter would be to answer with everything.
func (o operation) do(c *call, r *http.Request) (body any, status int, err error) {
	if !o.reads {
		if err := eachParam(r, nil); err != nil {
			return nil, 0, err
		}
	}
	return o.handle(c, r)
}

// call is one request.
type call struct {
	*Server
	via         string
	replication keystore.Replication // of the change that is made
	progress    func(done, all int)  // of an import; nil: nobody asked for it
}

func (c *call) actor() keystore.Actor {
	return keystore.Actor{At: c.now().UTC(), Via: c.via, Replication: &c.replication}
}

func (c *call) changed(action string, id apikey.ID) {
	c.observer.KeyChanged(action, id.String(), c.via)
}

func (s *Server) flush() {
	if s.limits != nil {
		s.limits.Flush()
	}
}

func (s *Server) forget(id apikey.ID) {
	if s.limits != nil {
		s.limits.Forget(id)
	}
}

// ReplicatedHeader says of a change, in a store that asks for replicas, whether
// so many had it in time: true or false. The change is in force either way, but
// may be undone by a failover where they had not.
const ReplicatedHeader = "Keygate-Replicated"

// serve answers one request of a resource.
func (s *Server) serve(w http.ResponseWriter, r *http.Request, resource methods) {
	op, ok := resource[r.Method]
	if !ok {
		w.Header().Set("Allow", resource.allow())
		s.fail(w, r, &methodError{r.Method})
		return
	}
	c := &call{Server: s, via: s.viaOf(r)}
	if r.URL.Path == ImportPath {
		// Caddy gives requests ten seconds, which a gigabyte may not keep.
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(importTimeout)) // not offline
		c.progress = tellProgress(w, r)
	}
	body, status, err := op.do(c, r)
	if err == nil {
		err = c.write(w, status, body)
	}
	if err != nil {
		s.fail(w, r, err)
	}
}

// write writes an answer that is no refusal. An error that is no
// *BrokenStreamError leaves room for a refusal.
func (c *call) write(w http.ResponseWriter, status int, body any) error {
	w.Header().Set("Cache-Control", "no-store")
	if n := c.replication; n.Wanted > 0 {
		w.Header().Set(ReplicatedHeader, strconv.FormatBool(n.Have >= n.Wanted))
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
	if err := enc.Encode(body); err != nil {
		return &BrokenStreamError{err}
	}
	return nil
}

// fail answers with an error. An answer that has begun is cut off: it must not
// look whole.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	status := statusOf(err)
	s.failed(r, status, err)
	if broken := (*BrokenStreamError)(nil); errors.As(err, &broken) {
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"error": err.Error()}) // fails only where nobody reads it
}

// viaOf names the way by which a request came, for the audit trail.
func (s *Server) viaOf(r *http.Request) string {
	if s.via != "" {
		return s.via
	}
	if addr, ok := r.Context().Value(http.LocalAddrContextKey).(interface {
		Network() string
		String() string
	}); ok && addr.Network() == "unix" {
		return "unix " + addr.String()
	}
	return "api " + r.RemoteAddr
}

// errNoRoute is a path that the API does not have.
var errNoRoute = errors.New("no such resource; openapi.yaml in Keygate's repository lists those of the admin API")

// methodError is a method that a resource does not have.
type methodError struct{ method string }

func (e *methodError) Error() string { return fmt.Sprintf("%s is not served here", e.method) }

func statusOf(err error) int {
	var field *apikey.FieldError
	var state *apikey.StateError
	var body *bodyError
	var method *methodError
	switch {
	case errors.As(err, &field), errors.Is(err, errTokenInURL):
		return http.StatusBadRequest
	case errors.As(err, &body):
		return body.status
	case errors.Is(err, keystore.ErrNotFound), errors.Is(err, errNoRoute):
		return http.StatusNotFound
	case errors.As(err, &method):
		return http.StatusMethodNotAllowed
	case errors.As(err, &state), errors.Is(err, keystore.ErrExists):
		return http.StatusConflict
	case errors.Is(err, errChanged):
		return http.StatusPreconditionFailed
	case keystore.IsFailure(err):
		return http.StatusServiceUnavailable
	default:
		return http.StatusInternalServerError
	}
}

// nobody observes nothing.
type nobody struct{}

func (nobody) KeyChanged(string, string, string)       {}
func (nobody) KeysImported(int, string)                {}
func (nobody) WorkspaceChanged(string, string, string) {}
