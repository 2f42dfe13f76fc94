package caddymodule

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/socialpatra/keygate/access"
	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
)

// keyAdmin is the admin API on one store. The same code serves Caddy's admin
// endpoint and, without a server, `caddy keygate --db`.
type keyAdmin struct {
	store   keystore.Store
	brand   string
	tables  []*access.Table // of the running config; empty offline
	forget  func(apikey.ID) // drops the limits of a deleted key
	door    string
	now     func() time.Time
	changed func(action, keyID string)
}

// conflictError is a change that the key's state does not allow.
type conflictError struct{ reason string }

func (e conflictError) Error() string { return e.reason }

// errNoRoute is a path that the admin API does not have.
var errNoRoute = errors.New("no such resource; the admin API has /keygate/keys, /keygate/keys/{id} and /keygate/scopes")

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
	default:
		return http.StatusServiceUnavailable
	}
}

// route finds the handler of a request.
func (a *keyAdmin) route(r *http.Request) (func(*http.Request) (any, int, error), error) {
	parts := strings.Split(strings.TrimPrefix(r.URL.Path, "/keygate/"), "/")
	switch {
	case len(parts) == 1 && parts[0] == "keys":
		return methods{"GET": a.list, "POST": a.create}.find(r)
	case len(parts) == 1 && parts[0] == "scopes":
		return methods{"GET": a.scopes}.find(r)
	case len(parts) == 2 && parts[0] == "keys":
		return methods{"GET": a.show, "DELETE": a.remove}.find(r)
	case len(parts) == 3 && parts[0] == "keys" && parts[2] == "revoke":
		return methods{"POST": a.revoke}.find(r)
	default:
		return nil, apiError(http.StatusNotFound, errNoRoute)
	}
}

// keyID takes the ID from /keygate/keys/{id}, which may be the prefix as well.
func keyID(r *http.Request) (apikey.ID, error) {
	ref, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/keygate/keys/"), "/")
	return apikey.ParseRef(ref)
}

func (a *keyAdmin) actor() keystore.Actor {
	return keystore.Actor{At: a.now().UTC(), Via: a.door}
}

func (a *keyAdmin) record(k *apikey.Key) (apikey.Record, error) {
	used, err := a.store.LastUsed(k.ID)
	if err != nil {
		return apikey.Record{}, err
	}
	return k.Record(a.now(), used), nil
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
		if err := apikey.CheckKnown(key.Scopes, routeScopes(a.tables)); err != nil {
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
	return tokenResponse{Key: key.Record(now, time.Time{}), Token: token}, http.StatusCreated, nil
}

func (a *keyAdmin) list(r *http.Request) (any, int, error) {
	q, err := a.listQuery(r)
	if err != nil {
		return nil, 0, err
	}
	page, err := a.store.List(q)
	if err != nil {
		return nil, 0, err
	}
	resp := listResponse{Keys: make([]apikey.Record, 0, len(page.Keys)), NextCursor: page.Next.String()}
	for i := range page.Keys {
		record, err := a.record(&page.Keys[i])
		if err != nil {
			return nil, 0, err
		}
		resp.Keys = append(resp.Keys, record)
	}
	return resp, http.StatusOK, nil
}

func (a *keyAdmin) listQuery(r *http.Request) (keystore.Query, error) {
	q := keystore.Query{Now: a.now()}
	err := eachParam(r, params{
		"workspace": func(value string) error {
			q.Workspace = value
			return nil
		},
		"status": func(value string) error {
			q.Status = apikey.Status(value)
			if !slices.Contains([]apikey.Status{apikey.Active, apikey.Disabled, apikey.Expired, apikey.Revoked}, q.Status) {
				return &apikey.FieldError{Field: "status", Problem: printable(value) + " is not a status", Accepted: "active, disabled, expired or revoked"}
			}
			return nil
		},
		"limit": func(value string) (err error) {
			q.Limit, err = number(value, "limit", keystore.MaxPage)
			return err
		},
		"cursor": func(value string) (err error) {
			if q.After, err = apikey.ParseID(value); err != nil {
				err = &apikey.FieldError{Field: "cursor", Problem: "is not a cursor", Accepted: "the next_cursor of the page before"}
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
	record, err := a.record(&key)
	return record, http.StatusOK, err
}

func (a *keyAdmin) remove(r *http.Request) (any, int, error) {
	id, err := keyID(r)
	if err != nil {
		return nil, 0, err
	}
	if err := a.store.Delete(id, a.actor()); err != nil {
		return nil, 0, err
	}
	a.forget(id)
	a.changed("delete", id.String())
	return nil, http.StatusNoContent, nil
}

// revoke is final. Revoking a revoked key again changes nothing and succeeds.
func (a *keyAdmin) revoke(r *http.Request) (any, int, error) {
	return a.change(r, "revoke", func(k *apikey.Key) error {
		if k.RevokedAt.IsZero() {
			k.RevokedAt = a.now().UTC().Truncate(time.Second)
		}
		return nil
	})
}

// change edits the key that the request names and answers with the result.
func (a *keyAdmin) change(r *http.Request, action string, edit func(*apikey.Key) error) (any, int, error) {
	id, err := keyID(r)
	if err != nil {
		return nil, 0, err
	}
	key, err := a.store.Update(id, action, a.actor(), edit)
	if err != nil {
		return nil, 0, err
	}
	a.changed(action, id.String())
	record, err := a.record(&key)
	return record, http.StatusOK, err
}
