package client

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"time"

	"github.com/socialpatra/keygate/adminapi"
	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
)

// openOffline opens a store that no process holds, and serves its admin API to
// this process alone. If the store does not exist and MakesStore is set, the
// first request that succeeds creates it.
func openOffline(path string, c *Client) (*link, error) {
	t := &offlineTransport{path: path, client: c}
	_, err := os.Stat(path)
	switch {
	case err == nil:
		if err := t.openToRead(); err != nil {
			return nil, err
		}
	case !errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("the key store: %w", err)
	case !c.MakesStore:
		return nil, fmt.Errorf("there is no key store at %s; name one that exists, or make it with caddy keygate create", path)
	}
	return &link{
		http:  &http.Client{Transport: t},
		url:   "http://offline",
		place: path,
		close: t.close,
	}, nil
}

// offlineTransport answers requests with the handler that also serves Caddy's
// admin endpoint, so that both give the same answers.
type offlineTransport struct {
	path   string
	client *Client
	store  keystore.Store // nil until the file exists
	writes bool           // the store is open for changes
	brand  string
}

// openToRead opens the store for calls that change nothing. So it stays as it is,
// even if its schema is old.
func (t *offlineTransport) openToRead() error {
	store, err := keystore.ReadBolt(t.path)
	if err != nil {
		return err
	}
	for _, damaged := range store.Damaged() {
		if t.client.Silent {
			break
		}
		t.client.Warn("warning: a record in %s is damaged, and its key is refused: %v", t.path, damaged)
	}
	t.store = unchanging{store}
	return t.readBrand()
}

// openToWrite opens the store, in place of one that was opened to be read.
func (t *offlineTransport) openToWrite() error {
	if err := t.close(); err != nil {
		return err
	}
	t.store = nil
	store, err := keystore.OpenBolt(t.path)
	if err != nil {
		return err
	}
	if about := store.About(); about.UpgradedFrom != 0 {
		t.client.Warn("%s", keystore.Upgraded(t.path, about.UpgradedFrom))
	}
	for _, dropped := range store.Dropped() {
		t.client.Warn("warning: a record of the use of one second in %s was damaged and is dropped: %v", t.path, dropped)
	}
	t.store, t.writes = store, true
	return t.readBrand()
}

func (t *offlineTransport) readBrand() (err error) {
	if t.brand, err = t.store.Brand(); err != nil {
		return errors.Join(err, t.close())
	}
	return nil
}

// unchanging is a store that was opened to be read. That it takes no changes is no
// fault.
type unchanging struct{ *keystore.Bolt }

func (unchanging) Writable() error { return nil }

func (t *offlineTransport) close() error {
	if t.store == nil {
		return nil
	}
	return t.store.Close()
}

func (t *offlineTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body == nil {
		r = r.Clone(r.Context())
		r.Body = http.NoBody // as in requests to a server
	}
	defer r.Body.Close()
	if t.store != nil {
		if !t.writes && t.client.mayChange(r.Method, r.URL.Path) {
			if err := t.openToWrite(); err != nil {
				return refused(err, r), nil
			}
		}
		return serveOffline(t.store, t.brand, t.client.Now, r), nil
	}

	// A refused request must not leave an empty store behind.
	rehearsed := r.Clone(r.Context())
	if r.GetBody != nil {
		var err error
		if rehearsed.Body, err = r.GetBody(); err != nil {
			return nil, err
		}
		defer rehearsed.Body.Close()
	}
	resp := serveOffline(emptyStore{}, "", t.client.Now, rehearsed)
	if resp.StatusCode >= http.StatusBadRequest {
		return resp, nil
	}
	resp.Body.Close()
	if err := t.openToWrite(); err != nil {
		return refused(err, r), nil
	}
	t.client.Warn("made a new key store at %s", t.path)
	return serveOffline(t.store, t.brand, t.client.Now, r), nil
}

// emptyStore accepts any key and stores none. It supports only creations and
// imports.
type emptyStore struct{ keystore.Store }

func (emptyStore) Create(apikey.Key, keystore.Actor) error                 { return nil }
func (emptyStore) CreateAll([]apikey.Key, keystore.Actor, func(int)) error { return nil }

func (emptyStore) Get(apikey.ID) (apikey.Key, error) { return apikey.Key{}, keystore.ErrNotFound }

func (emptyStore) LookupOpaque(apikey.Hash) (apikey.ID, apikey.Grant, bool, error) {
	return apikey.ID{}, apikey.Grant{}, false, nil
}

func serveOffline(store keystore.Store, brand string, now func() time.Time, r *http.Request) *http.Response {
	if brand == "" {
		brand = apikey.DefaultBrand
	}
	w := newPipedResponse(r)
	api := adminapi.New(adminapi.Options{Store: store, Brand: brand, Now: now, Via: "offline", Failed: w.failed})
	go w.serve(api, r)
	return w.response(r)
}

// refused answers that the store cannot be opened.
func refused(err error, r *http.Request) *http.Response {
	w := newPipedResponse(r)
	go w.serve(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		adminapi.Refuse(w, http.StatusServiceUnavailable, err)
	}), r)
	return w.response(r)
}
