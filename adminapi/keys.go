package adminapi

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/socialpatra/keygate/apikey"
)

// keyID reads the key in /keygate/keys/{id}, which may be an ID or a prefix.
func keyID(r *http.Request) (apikey.ID, error) {
	return apikey.ParseRef(r.PathValue("id"))
}

// one answers with a single key and its ETag.
func (a *call) one(k *apikey.Key) (any, int, error) {
	a.flush()
	used, err := a.store.LastUsed(k.ID)
	if err != nil {
		return nil, 0, err
	}
	return tagged{k.Record(a.now(), used), etag(k)}, http.StatusOK, nil
}

func (a *call) create(r *http.Request) (any, int, error) {
	var req KeyRequest
	if err := decodeBody(r, &req); err != nil {
		return nil, 0, err
	}
	now := a.now()
	key := apikey.Key{CreatedAt: now.UTC().Truncate(time.Second), CreatedBy: a.by}
	var err error
	if key.Workspace, err = a.workspaceFor(&req); err != nil {
		return nil, 0, err
	}
	if a.authority != nil {
		a.authority.Bounds.complete(&req)
	}
	if err := req.apply(&key, now); err != nil {
		return nil, 0, err
	}
	if err := key.Normalize(); err != nil {
		return nil, 0, err
	}
	if !req.AllowUnknownScope {
		if err := apikey.CheckKnown(key.Scopes, a.knownScopes()); err != nil {
			return nil, 0, err
		}
	}
	if err := a.within(&key); err != nil {
		return nil, 0, err
	}
	id, err := a.newID(r, key.Workspace)
	if err != nil {
		return nil, 0, err
	}
	token, hash := apikey.GenerateFor(a.brand, id)
	key.SetToken(a.brand, id, hash)
	if err := a.store.Create(key, a.actor()); err != nil {
		return nil, 0, once(r, id, counted(err))
	}
	a.changed("create", key.ID)
	return tagged{TokenResponse{Key: key.Record(now, time.Time{}), Token: token}, etag(&key)}, http.StatusCreated, nil
}

func (a *call) list(r *http.Request) (any, int, error) {
	q, err := a.listQuery(r)
	if err != nil {
		return nil, 0, err
	}
	if workspace, ok := a.authority.one(); ok && q.Workspace != workspace {
		return ListResponse{Keys: []apikey.Record{}}, http.StatusOK, nil
	}
	a.flush()
	page, err := a.store.List(q)
	if err != nil {
		return nil, 0, err
	}
	resp := ListResponse{Keys: make([]apikey.Record, 0, len(page.Keys)), NextCursor: nextCursor(&q, &page)}
	for i := range page.Keys {
		resp.Keys = append(resp.Keys, page.Keys[i].Record(q.Now, page.LastUsed[i]))
	}
	return resp, http.StatusOK, nil
}

func (a *call) show(r *http.Request) (any, int, error) {
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

func (a *call) remove(r *http.Request) (any, int, error) {
	id, err := keyID(r)
	if err != nil {
		return nil, 0, err
	}
	var check func(*apikey.Key) error // without a check, a damaged key can be deleted too
	if r.Header["If-Match"] != nil {
		check = func(k *apikey.Key) error { return matches(r, k) }
	}
	if err := a.store.Delete(id, a.actor(), check); err != nil {
		return nil, 0, err
	}
	a.forget(id)
	a.changed("delete", id)
	return nil, http.StatusNoContent, nil
}

// errChanged refuses a change that was meant for another state of the key.
var errChanged = errors.New("the key has changed since; read it again, and send its ETag as If-Match")

// tagged is an answer with a single key, and an ETag for its state.
type tagged struct {
	body any
	etag string
}

// etag identifies the state of a key. It covers everything that a change can
// touch, but not the use of the key or whether it has expired since.
func etag(k *apikey.Key) string {
	state, err := json.Marshal(k.Record(k.CreatedAt, time.Time{}))
	if err != nil {
		panic(err) // the record has only strings, numbers and times
	}
	sum := sha256.Sum256(state)
	return `"` + hex.EncodeToString(sum[:8]) + `"`
}

// matches checks If-Match (RFC 9110 §13.1.1), if the request has it.
func matches(r *http.Request, k *apikey.Key) error {
	values := r.Header.Values("If-Match")
	if len(values) == 0 {
		return nil
	}
	have := etag(k)
	for tag := range strings.SplitSeq(strings.Join(values, ","), ",") {
		if tag = strings.TrimSpace(tag); tag == have || tag == "*" {
			return nil
		}
	}
	return errChanged
}
