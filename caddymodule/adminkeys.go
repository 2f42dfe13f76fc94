package caddymodule

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
	"github.com/socialpatra/keygate/ratelimit"
)

// keyAdmin is the admin API on one store. The same code serves Caddy's admin
// endpoint and, without a server, `caddy keygate --db`.
type keyAdmin struct {
	store  keystore.Store
	brand  string
	forget func(apikey.ID) // drops the limits of a deleted key

	gateways []gateway // of the running config; none offline

	// For explanations: what is left of the limits. nil offline.
	peek func(apikey.ID, ratelimit.Caps, int, time.Time) (ratelimit.Result, error)

	together apikey.WorkspaceLimits // of the running config, for workspaces without their own

	flush   func() // stores the use that is only in memory yet
	door    string
	now     func() time.Time
	changed func(action, keyID string)

	replication keystore.Replication // of the change that is made

	imported func(keys int)
	progress func(done, all int) // of an import; nil where nobody asked for it

	workspaceChanged func(action, workspace string)
}

// conflictError is a change that the key's state does not allow.
type conflictError struct{ reason string }

func (e conflictError) Error() string { return e.reason }

// errNoRoute is a path that the admin API does not have.
var errNoRoute = errors.New("no such resource; openapi.yaml in Keygate's repository lists those of the admin API")

func statusOf(err error) int {
	var field *apikey.FieldError
	var conflict conflictError
	var body *bodyError
	switch {
	case errors.As(err, &field):
		return http.StatusBadRequest
	case errors.As(err, &body):
		return body.status
	case errors.Is(err, keystore.ErrNotFound), errors.Is(err, errNoRoute):
		return http.StatusNotFound
	case errors.As(err, &conflict), errors.Is(err, keystore.ErrExists):
		return http.StatusConflict
	case errors.Is(err, errChanged):
		return http.StatusPreconditionFailed
	case keystore.IsFailure(err):
		return http.StatusServiceUnavailable
	default:
		return http.StatusInternalServerError
	}
}

// find returns the resource that a request names.
func (a *keyAdmin) find(r *http.Request) (methods, bool) {
	resource := r.URL.Path
	if strings.HasPrefix(resource, workspacesPath+"/") {
		resource = workspacesPath + "/{workspace}"
	} else if key, ok := strings.CutPrefix(resource, keysPath+"/"); ok {
		resource = keysPath + "/{id}"
		if _, action, ok := strings.Cut(key, "/"); ok {
			resource += "/" + action
		}
	}
	found, ok := a.resources()[resource]
	return found, ok
}

const (
	keysPath    = "/keygate/keys"
	explainPath = "/keygate/explain"
	routesPath  = "/keygate/routes"
	scopesPath  = "/keygate/scopes"
)

// resources are the paths of the admin API, as openapi.yaml writes them.
func (a *keyAdmin) resources() map[string]methods {
	return map[string]methods{
		keysPath:                        {"GET": queried(a.list), "POST": plain(a.create)},
		keysPath + "/{id}":              {"GET": plain(a.show), "PATCH": plain(a.update), "DELETE": plain(a.remove)},
		keysPath + "/{id}/rotate":       {"POST": plain(a.rotate)},
		keysPath + "/{id}/revoke":       {"POST": plain(a.revoke)},
		keysPath + "/{id}/disable":      {"POST": plain(a.disable)},
		keysPath + "/{id}/enable":       {"POST": plain(a.enable)},
		keysPath + "/{id}/usage":        {"GET": queried(a.usage)},
		workspacesPath:                  {"GET": queried(a.listWorkspaces)},
		workspacesPath + "/{workspace}": {"GET": plain(a.showWorkspace), "PATCH": plain(a.limitWorkspace), "DELETE": plain(a.unlimitWorkspace)},
		"/keygate/health":               {"GET": plain(a.health)},
		scopesPath:                      {"GET": plain(a.scopes)},
		routesPath:                      {"GET": plain(a.routes)},
		explainPath:                     {"POST": plain(a.explain)},
		"/keygate/audit":                {"GET": queried(a.audit)},
		"/keygate/check":                {"GET": plain(a.check), "POST": plain(a.mend)},
		"/keygate/export":               {"GET": plain(a.export)},
		importPath:                      {"POST": queried(a.load)},
		"/keygate/backup":               {"GET": plain(a.backup)},
	}
}

// keyID takes the ID from /keygate/keys/{id}, which may be the prefix as well.
func keyID(r *http.Request) (apikey.ID, error) {
	ref, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, keysPath+"/"), "/")
	return apikey.ParseRef(ref)
}

func (a *keyAdmin) actor() keystore.Actor {
	return keystore.Actor{At: a.now().UTC(), Via: a.door, Replication: &a.replication}
}

// one answers with a single key and its ETag.
func (a *keyAdmin) one(k *apikey.Key) (any, int, error) {
	a.flush()
	used, err := a.store.LastUsed(k.ID)
	if err != nil {
		return nil, 0, err
	}
	return tagged{k.Record(a.now(), used), etag(k)}, http.StatusOK, nil
}

func (a *keyAdmin) create(r *http.Request) (any, int, error) {
	var req keyRequest
	if err := decodeBody(r, &req); err != nil {
		return nil, 0, err
	}
	now := a.now()
	key := apikey.Key{CreatedAt: now.UTC().Truncate(time.Second)}
	if req.Workspace != nil {
		key.Workspace = *req.Workspace
	}
	if err := req.apply(&key, now); err != nil {
		return nil, 0, err
	}
	if err := key.Normalize(); err != nil {
		return nil, 0, err
	}
	if !req.AllowUnknownScope {
		if err := apikey.CheckKnown(key.Scopes, routeScopes(a.gateways)); err != nil {
			return nil, 0, err
		}
	}
	var token string
	token, key.ID, key.Hash = apikey.Generate(a.brand)
	key.Prefix = apikey.Prefix(a.brand, key.ID)
	if err := a.store.Create(key, a.actor()); err != nil {
		return nil, 0, err
	}
	a.changed("create", key.ID.String())
	return tagged{tokenResponse{Key: key.Record(now, time.Time{}), Token: token}, etag(&key)}, http.StatusCreated, nil
}

func (a *keyAdmin) list(r *http.Request) (any, int, error) {
	q, err := a.listQuery(r)
	if err != nil {
		return nil, 0, err
	}
	a.flush()
	page, err := a.store.List(q)
	if err != nil {
		return nil, 0, err
	}
	resp := listResponse{Keys: make([]apikey.Record, 0, len(page.Keys)), NextCursor: page.Next.String()}
	for i := range page.Keys {
		resp.Keys = append(resp.Keys, page.Keys[i].Record(q.Now, page.LastUsed[i]))
	}
	return resp, http.StatusOK, nil
}

func (a *keyAdmin) listQuery(r *http.Request) (keystore.Query, error) {
	q := keystore.Query{Now: a.now()}
	err := eachParam(r, params{
		"workspace": func(value string) error {
			q.Workspace = value
			return apikey.CheckWorkspace(value)
		},
		"status": func(value string) error {
			q.Status = apikey.Status(value)
			if !slices.Contains(apikey.Statuses(), q.Status) {
				return &apikey.FieldError{Field: "status", Problem: printable(value) + " is not a status", Accepted: "active, disabled, expired or revoked"}
			}
			return nil
		},
		"limit": pageLimit(&q.Limit),
		"cursor": func(value string) (err error) {
			if q.After, err = apikey.ParseID(value); err != nil {
				err = noCursor()
			}
			return err
		},
	})
	return q, err
}

func (a *keyAdmin) show(r *http.Request) (any, int, error) {
	id, err := keyID(r)
	if err != nil {
		return nil, 0, err
	}
	key, err := a.store.Get(id)
	if err != nil {
		return nil, 0, err
	}
	return a.one(&key)
}

func (a *keyAdmin) remove(r *http.Request) (any, int, error) {
	id, err := keyID(r)
	if err != nil {
		return nil, 0, err
	}
	var check func(*apikey.Key) error // without one, a damaged key can be deleted too
	if r.Header["If-Match"] != nil {
		check = func(k *apikey.Key) error { return matches(r, k) }
	}
	if err := a.store.Delete(id, a.actor(), check); err != nil {
		return nil, 0, err
	}
	a.forget(id)
	a.changed("delete", id.String())
	return nil, http.StatusNoContent, nil
}
