package caddymodule

import (
	"fmt"
	"net/http"
	"time"

	"github.com/socialpatra/keygate/apikey"
)

// update changes what the body names. It is in force for the next request.
func (a *keyAdmin) update(r *http.Request) (any, int, error) {
	var req keyRequest
	if err := decodeBody(r, &req); err != nil {
		return nil, 0, err
	}
	return a.change(r, "update", func(k *apikey.Key) error {
		if req.Workspace != nil && *req.Workspace != k.Workspace {
			return &apikey.FieldError{Field: "workspace", Problem: "never changes", Accepted: "a new key in the other workspace"}
		}
		old := *k
		if err := req.apply(k, a.now()); err != nil {
			return err
		}
		if err := k.NormalizeChange(&old); err != nil {
			return err
		}
		if req.Scopes == nil || req.AllowUnknownScope {
			return nil // what the key holds already was accepted once
		}
		return apikey.CheckKnown(k.Scopes, routeScopes(a.gateways))
	})
}

// revoke is final. Revoking a revoked key again changes nothing and succeeds.
func (a *keyAdmin) revoke(r *http.Request) (any, int, error) {
	return a.edit(r, "revoke", func(k *apikey.Key) error {
		if k.RevokedAt.IsZero() {
			k.RevokedAt = a.now().UTC().Truncate(time.Second)
		}
		return nil
	})
}

// disable refuses the key until it is enabled again.
func (a *keyAdmin) disable(r *http.Request) (any, int, error) {
	return a.change(r, "disable", func(k *apikey.Key) error {
		k.Disabled = true
		return nil
	})
}

func (a *keyAdmin) enable(r *http.Request) (any, int, error) {
	return a.change(r, "enable", func(k *apikey.Key) error {
		k.Disabled = false
		return nil
	})
}

// change edits a key that is not revoked.
func (a *keyAdmin) change(r *http.Request, action string, edit func(*apikey.Key) error) (any, int, error) {
	return a.edit(r, action, func(k *apikey.Key) error {
		if !k.RevokedAt.IsZero() {
			return conflictError{"the key is revoked, which is final; make a new one"}
		}
		return edit(k)
	})
}

// edit edits the key that the request names and answers with the result.
// If-Match is applied to the very state that is edited, so that of two
// requests with the same ETag only one succeeds.
func (a *keyAdmin) edit(r *http.Request, action string, edit func(*apikey.Key) error) (any, int, error) {
	id, err := keyID(r)
	if err != nil {
		return nil, 0, err
	}
	key, err := a.store.Update(id, action, a.actor(), func(k *apikey.Key) error {
		if err := matches(r, k); err != nil {
			return err
		}
		return edit(k)
	})
	if err != nil {
		return nil, 0, err
	}
	a.changed(action, id.String())
	body, status, err := a.one(&key)
	if err != nil {
		err = fmt.Errorf("the change was made, but the key cannot be shown: %w", err)
	}
	return body, status, err
}

// defaultOverlap is how long both keys work after a rotation that does not say.
const defaultOverlap = 24 * time.Hour

// maxOverlap keeps a rotation from being forgotten.
const maxOverlap = 365 * 24 * time.Hour

// rotate makes a key with the same settings and lets the old one expire after
// the overlap. Only an active key can be rotated, and only once.
func (a *keyAdmin) rotate(r *http.Request) (any, int, error) {
	id, err := keyID(r)
	if err != nil {
		return nil, 0, err
	}
	var req rotateRequest
	if r.ContentLength != 0 { // -1: of unknown length
		if err := decodeBody(r, &req); err != nil {
			return nil, 0, err
		}
	}
	overlap, err := req.overlap()
	if err != nil {
		return nil, 0, err
	}
	now := a.now()
	token, newID, hash := apikey.Generate(a.brand)
	successor, err := a.store.Rotate(id, a.actor(), func(old, next *apikey.Key) error {
		if err := matches(r, old); err != nil {
			return err
		}
		if status := old.Status(now); status != apikey.Active {
			return conflictError{"the key is " + string(status) + "; only an active key can be rotated"}
		}
		if !old.ReplacedBy.IsZero() {
			return conflictError{"the key was rotated already; rotate its successor, " + old.ReplacedBy.String()}
		}
		next.ID, next.Hash, next.Prefix = newID, hash, apikey.Prefix(a.brand, newID)
		next.Opaque = false // whatever the form of the old token
		next.CreatedAt = now.UTC().Truncate(time.Second)
		if ends := now.UTC().Add(overlap).Truncate(time.Second); old.ExpiresAt.IsZero() || ends.Before(old.ExpiresAt) {
			old.ExpiresAt = ends
		}
		return nil
	})
	if err != nil {
		return nil, 0, err
	}
	a.changed("rotate", id.String())
	return tagged{tokenResponse{Key: successor.Record(now, time.Time{}), Token: token}, etag(&successor)}, http.StatusCreated, nil
}

func (req *rotateRequest) overlap() (time.Duration, error) {
	if req.Overlap == nil {
		return defaultOverlap, nil
	}
	d, err := time.ParseDuration(*req.Overlap)
	if err != nil || d < 0 || d > maxOverlap {
		return 0, &apikey.FieldError{Field: "overlap", Problem: "is not a duration that is accepted", Accepted: "0s to 8760h, such as 24h or 30m"}
	}
	return d, nil
}
