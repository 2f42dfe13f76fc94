package adminapi

import (
	"fmt"
	"net/http"
	"time"

	"github.com/socialpatra/keygate/apikey"
)

// update changes the settings that the body names. It takes effect for the next
// request.
func (a *call) update(r *http.Request) (any, int, error) {
	var req KeyRequest
	if err := decodeBody(r, &req); err != nil {
		return nil, 0, err
	}
	if id, err := keyID(r); err == nil && req.Scopes != nil {
		a.rewatch(id) // so that no use from before counts for a scope that is given again
	}
	return a.change(r, "update", func(k *apikey.Key) error {
		if req.Workspace != nil {
			if err := k.CheckWorkspace(*req.Workspace); err != nil {
				return err
			}
		}
		old := *k
		if err := req.apply(k, a.now()); err != nil {
			return err
		}
		if err := k.NormalizeChange(&old); err != nil {
			return err
		}
		if req.Scopes != nil && !req.AllowUnknownScope { // what the key has already was accepted once
			if err := apikey.CheckKnown(k.Scopes, a.knownScopes()); err != nil {
				return err
			}
		}
		return a.within(k)
	})
}

// revoke ends a key for good. Revoking it again succeeds and changes nothing.
func (a *call) revoke(r *http.Request) (any, int, error) {
	return a.edit(r, "revoke", func(k *apikey.Key) error {
		k.Revoke(a.now())
		return nil
	})
}

// disable makes the key refused until it is enabled again.
func (a *call) disable(r *http.Request) (any, int, error) {
	return a.change(r, "disable", func(k *apikey.Key) error {
		k.Disabled = true
		return nil
	})
}

func (a *call) enable(r *http.Request) (any, int, error) {
	return a.change(r, "enable", func(k *apikey.Key) error {
		k.Disabled = false
		return a.within(k)
	})
}

// change edits a key, unless it is revoked.
func (a *call) change(r *http.Request, action string, edit func(*apikey.Key) error) (any, int, error) {
	return a.edit(r, action, func(k *apikey.Key) error {
		if err := k.CheckChangeable(); err != nil {
			return err
		}
		return edit(k)
	})
}

// edit edits the key that the request names and answers with the result. It
// checks If-Match against the same state that it edits, so of two requests with
// the same ETag only one succeeds.
func (a *call) edit(r *http.Request, action string, edit func(*apikey.Key) error) (any, int, error) {
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
		return nil, 0, counted(err)
	}
	a.changed(action, id)
	body, status, err := a.one(&key)
	if err != nil {
		err = fmt.Errorf("the change was made, but the key cannot be shown: %w", err)
	}
	return body, status, err
}

// rotate makes a key with the same settings. The old key expires after the
// overlap. Only an active key can be rotated, and only once.
func (a *call) rotate(r *http.Request) (any, int, error) {
	id, err := keyID(r)
	if err != nil {
		return nil, 0, err
	}
	var req RotateRequest
	if err := decodeOptional(r, &req); err != nil {
		return nil, 0, err
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
		next.SetToken(a.brand, newID, hash)
		next.CreatedBy = a.by
		if err := old.Rotate(next, now, overlap); err != nil {
			return err
		}
		return a.within(next)
	})
	if err != nil {
		return nil, 0, counted(err)
	}
	a.changed("rotate", id)
	return tagged{TokenResponse{Key: successor.Record(now, time.Time{}), Token: token}, etag(&successor)}, http.StatusCreated, nil
}

func (req *RotateRequest) overlap() (time.Duration, error) {
	if req.Overlap == nil {
		return apikey.DefaultOverlap, nil
	}
	return apikey.ParseOverlap(*req.Overlap)
}
