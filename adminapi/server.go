// Package adminapi implements Keygate's admin API: an [http.Handler] over a
// [keystore.Store] that creates, changes, lists, exports and imports keys. Its
// contract is openapi.yaml.
//
// A [Server] gets everything from [Options]: the store, the handlers of the
// running config and the limits that they charge. It does not know Caddy. Two
// callers use it: Caddy's admin endpoint, and the command `caddy keygate --db`,
// which serves the API to itself on a store file that no other process holds.
//
//   - Paths are resources, and each lists its methods; see resources in server.go.
//   - Bodies are JSON, read strictly: an unknown member or parameter is refused,
//     because ignoring it would do something other than what was asked.
//   - An error is {"error":"…"}, with a status that follows from its kind.
//   - A single key comes with an ETag. A change with If-Match is refused if the key
//     has changed since.
//   - A token is in the answer to the creation or rotation that made it, and
//     nowhere else. A URL that contains one is refused.
//   - Every change is recorded in the store's audit trail, with [Options].Via.
//
// Exports and backups are streamed. If one fails after it has begun, the
// connection is cut off, so that a part never looks like the whole.
package adminapi

import (
	"errors"
	"maps"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
	"github.com/socialpatra/keygate/ratelimit"
)

// Options configure a [Server]. Store, Brand and Now are required.
type Options struct {
	Store keystore.Store
	Brand string // of the tokens that the API makes
	Now   func() time.Time

	// Mappings are those of the running config, one for each keygate handler.
	// Default: none, as offline.
	Mappings []Mapping

	// WorkspaceLimits apply to workspaces without limits set for them.
	WorkspaceLimits apikey.WorkspaceLimits

	// Limits are the limits that the gateways charge. Default: none are charged
	// here.
	Limits Limits

	// Warnings tell what is not as it should be around the store; health passes
	// them on. Default: none.
	Warnings func() []error

	// Via says for the audit trail how requests arrive. Default: derived from the
	// connection, as unix and the path of the socket, or api and the client's
	// address.
	Via string

	// Observer is notified of changes. Default: none.
	Observer Observer

	// Failed is called for each request that is refused or fails, with the status
	// of the answer. A *BrokenStreamError means that the answer had begun and is
	// cut off. Default: not called.
	Failed func(r *http.Request, status int, err error)
}

// Limits is what the API needs of the limits of keys. See ratelimit.Limiter.
type Limits interface {
	// Peek returns what a request would get, without charging it.
	Peek(id apikey.ID, caps ratelimit.Caps, cost int, now time.Time) (ratelimit.Result, error)

	// Forget drops the state of a deleted key.
	Forget(id apikey.ID)

	// Rewatch stores what was seen of the use of a key, and has all of it seen anew.
	Rewatch(id apikey.ID)

	// Flush stores use that is only in memory so far.
	Flush()
}

// Server serves the API on one store: for Caddy's admin endpoint and, without a
// network, for `caddy keygate --db`.
type Server struct {
	store           keystore.Store
	brand           string
	mappings        []Mapping
	workspaceLimits apikey.WorkspaceLimits
	limits          Limits // nil: none are charged here
	warnings        func() []error
	via             string
	observer        Observer
	failed          func(*http.Request, int, error)
	now             func() time.Time

	resources map[string]methods
	mux       *http.ServeMux
}

// New returns the API on a store. It neither opens nor closes the store.
func New(o Options) *Server {
	s := &Server{
		store:           o.Store,
		brand:           o.Brand,
		mappings:        inPlaceOrder(o.Mappings),
		workspaceLimits: o.WorkspaceLimits,
		limits:          o.Limits,
		warnings:        o.Warnings,
		via:             o.Via,
		observer:        o.Observer,
		failed:          o.Failed,
		now:             o.Now,
		resources:       resources,
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

// ServeHTTP answers one request. Errors have the form of Caddy's admin endpoint:
// {"error":"…"}.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case tokenInURL(r.URL):
		s.fail(w, r, errTokenInURL)
	case path.Clean(r.URL.Path) != r.URL.Path: // the mux would redirect it
		s.fail(w, r, errNoRoute)
	default:
		s.mux.ServeHTTP(w, r)
	}
}

// resources are the paths of the API, as openapi.yaml writes them.
var resources = map[string]methods{
	KeysPath:                        {"GET": queried((*call).list).by(VerbList), "POST": bodied((*call).create).by(VerbCreate)},
	KeysPath + "/{id}":              {"GET": plain((*call).show).by(VerbList), "PATCH": bodied((*call).update).by(VerbUpdate), "DELETE": plain((*call).remove).by(VerbDelete)},
	KeysPath + "/{id}/rotate":       {"POST": bodied((*call).rotate).by(VerbRotate)},
	KeysPath + "/{id}/revoke":       {"POST": plain((*call).revoke).by(VerbRevoke)},
	KeysPath + "/{id}/disable":      {"POST": plain((*call).disable).by(VerbDisable)},
	KeysPath + "/{id}/enable":       {"POST": plain((*call).enable).by(VerbDisable)},
	KeysPath + "/{id}/usage":        {"GET": queried((*call).usage).by(VerbUsage)},
	WorkspacesPath:                  {"GET": queried((*call).listWorkspaces).overAll(VerbList)},
	WorkspacesPath + "/{workspace}": {"GET": plain((*call).showWorkspace).overAll(VerbList), "PATCH": bodied((*call).limitWorkspace).overAll(VerbUpdate), "DELETE": plain((*call).unlimitWorkspace).overAll(VerbUpdate)},
	HealthPath:                      {"GET": plain((*call).health)},
	PolicyPath:                      {"GET": plain((*call).policy).by(verbAny)},
	ScopesPath:                      {"GET": plain((*call).scopes).by(verbAny)},
	RoutesPath:                      {"GET": plain((*call).routes)},
	ExplainPath:                     {"POST": bodied((*call).explain).by(VerbExplain)},
	AuditPath:                       {"GET": queried((*call).audit).by(VerbHistory)},
	ReviewPath:                      {"GET": queried((*call).review).by(VerbList)},
	LeakedPath:                      {"POST": bodied((*call).leaked)},
	CheckPath:                       {"GET": plain((*call).check), "POST": plain((*call).mend)},
	ExportPath:                      {"GET": plain((*call).export)},
	ImportPath:                      {"POST": {handle: (*call).importKeys, reads: true, body: true}},
	BackupPath:                      {"GET": plain((*call).backup)},
	DocumentPath:                    {"GET": plain((*call).document).by(verbAny)},
}

// Paths of the API.
const (
	KeysPath       = "/keygate/keys"
	WorkspacesPath = "/keygate/workspaces"
	HealthPath     = "/keygate/health"
	PolicyPath     = "/keygate/policy"
	ScopesPath     = "/keygate/scopes"
	RoutesPath     = "/keygate/routes"
	ExplainPath    = "/keygate/explain"
	AuditPath      = "/keygate/audit"
	ReviewPath     = "/keygate/review"
	LeakedPath     = "/keygate/leaked"
	CheckPath      = "/keygate/check"
	ExportPath     = "/keygate/export"
	ImportPath     = "/keygate/import"
	BackupPath     = "/keygate/backup"
	DocumentPath   = "/keygate/openapi.yaml"
)

// methods are the operations of one resource, by method.
type methods map[string]operation

// allow returns the value of the Allow header (RFC 9110 section 10.2.1).
func (m methods) allow() string { return strings.Join(slices.Sorted(maps.Keys(m)), ", ") }

// operation is one method of one resource.
type operation struct {
	handle handleFunc

	// reads means that handle reads the query itself, by [eachParam]. Other
	// operations accept no parameters.
	reads bool

	// body means that handle reads the body itself. Other operations have no
	// members.
	body bool

	// Which callers with an authority may do it. verb is "" if none may;
	// everywhere means that those of one workspace may not.
	verb       Verb
	everywhere bool
}

func (o operation) by(verb Verb) operation {
	o.verb = verb
	return o
}

func (o operation) overAll(verb Verb) operation {
	o.verb, o.everywhere = verb, true
	return o
}

type handleFunc func(*call, *http.Request) (body any, status int, err error)

func plain(handle handleFunc) operation   { return operation{handle: handle} }
func queried(handle handleFunc) operation { return operation{handle: handle, reads: true} }
func bodied(handle handleFunc) operation  { return operation{handle: handle, body: true} }

// do answers a request. It refuses unknown parameters and members, because a filter
// that is ignored would return everything.
func (o operation) do(c *call, r *http.Request) (body any, status int, err error) {
	if !o.reads {
		if err := eachParam(r, nil); err != nil {
			return nil, 0, err
		}
	}
	if !o.body {
		if err := decodeOptional(r, &struct{}{}); err != nil {
			return nil, 0, err
		}
	}
	return o.handle(c, r)
}

// call is one request in progress.
type call struct {
	*Server
	via         string
	authority   *Authority           // nil: everything
	by          string               // who makes the change; "" if nobody said
	replication keystore.Replication // of the change that the call makes
	progress    func(done, all int)  // of an import; nil if nobody asked for it
}

func (s *Server) flush() {
	if s.limits != nil {
		s.limits.Flush()
	}
}

func (s *Server) rewatch(id apikey.ID) {
	if s.limits != nil {
		s.limits.Rewatch(id)
	}
}

func (s *Server) forget(id apikey.ID) {
	if s.limits != nil {
		s.limits.Forget(id)
	}
}

// serve answers one request of a resource.
func (s *Server) serve(w http.ResponseWriter, r *http.Request, resource methods) {
	c := &call{Server: s, authority: authorityOf(r)}
	op, err := c.choose(resource, r)
	if wrong, ok := errors.AsType[*methodError](err); ok {
		w.Header().Set("Allow", wrong.allow)
	}
	if err == nil {
		err = c.identify(r)
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	if r.URL.Path == ImportPath {
		// Caddy allows a request ten seconds, which is too short for a gigabyte.
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(importTimeout)) // not supported offline
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

// choose returns the operation that a request asks for. For a caller with an
// authority there is only what authorities may do, and a key in the path must
// exist for the caller.
func (c *call) choose(resource methods, r *http.Request) (operation, error) {
	there := maps.Clone(resource)
	maps.DeleteFunc(there, func(_ string, o operation) bool { return !c.authority.has(o) })
	op, ok := there[r.Method]
	switch {
	case len(there) == 0:
		return op, errNoRoute
	case !ok:
		return op, &methodError{r.Method, there.allow()}
	}
	if err := c.authority.may(op.verb); err != nil {
		return op, err
	}
	if r.PathValue("id") == "" {
		return op, nil
	}
	id, err := keyID(r)
	if err != nil {
		return op, err
	}
	return op, c.find(id)
}
