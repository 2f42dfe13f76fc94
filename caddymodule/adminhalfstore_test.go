package caddymodule

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/socialpatra/keygate/access"
	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
)

// nthFails is a store of which one call fails, the nth of all that can, and
// every other is done.
type nthFails struct {
	keystore.Store
	n      int
	err    error
	failed string // the method that did
	wrote  bool   // a call before it changed the store
}

func (s *nthFails) call(method string) error {
	if s.n--; s.n != 0 {
		return nil
	}
	s.failed = method
	return s.err
}

// write is call for what changes the store where it does not fail.
func (s *nthFails) write(method string, do func() error) error {
	if err := s.call(method); err != nil {
		return err
	}
	err := do()
	s.wrote = s.wrote || err == nil
	return err
}

func (s *nthFails) Lookup(id apikey.ID) (apikey.Grant, bool, error) {
	if err := s.call("Lookup"); err != nil {
		return apikey.Grant{}, false, err
	}
	return s.Store.Lookup(id)
}

func (s *nthFails) LookupOpaque(hash apikey.Hash) (apikey.ID, apikey.Grant, bool, error) {
	if err := s.call("LookupOpaque"); err != nil {
		return apikey.ID{}, apikey.Grant{}, false, err
	}
	return s.Store.LookupOpaque(hash)
}

func (s *nthFails) Get(id apikey.ID) (apikey.Key, error) {
	if err := s.call("Get"); err != nil {
		return apikey.Key{}, err
	}
	return s.Store.Get(id)
}

func (s *nthFails) List(q keystore.Query) (keystore.Page, error) {
	if err := s.call("List"); err != nil {
		return keystore.Page{}, err
	}
	return s.Store.List(q)
}

func (s *nthFails) Create(k apikey.Key, by keystore.Actor) error {
	return s.write("Create", func() error { return s.Store.Create(k, by) })
}

func (s *nthFails) CreateAll(keys []apikey.Key, by keystore.Actor, progress func(int)) error {
	return s.write("CreateAll", func() error { return s.Store.CreateAll(keys, by, progress) })
}

func (s *nthFails) Update(id apikey.ID, action string, by keystore.Actor, edit func(*apikey.Key) error) (k apikey.Key, err error) {
	err = s.write("Update", func() error {
		k, err = s.Store.Update(id, action, by, edit)
		return err
	})
	return k, err
}

func (s *nthFails) Rotate(id apikey.ID, by keystore.Actor, edit func(old, next *apikey.Key) error) (k apikey.Key, err error) {
	err = s.write("Rotate", func() error {
		k, err = s.Store.Rotate(id, by, edit)
		return err
	})
	return k, err
}

func (s *nthFails) Delete(id apikey.ID, by keystore.Actor, check func(*apikey.Key) error) error {
	return s.write("Delete", func() error { return s.Store.Delete(id, by, check) })
}

func (s *nthFails) SetWorkspaceLimits(workspace string, lim *apikey.WorkspaceLimits, by keystore.Actor) error {
	return s.write("SetWorkspaceLimits", func() error { return s.Store.SetWorkspaceLimits(workspace, lim, by) })
}

func (s *nthFails) Usage(id apikey.ID, from, to apikey.Day) ([]apikey.Usage, error) {
	if err := s.call("Usage"); err != nil {
		return nil, err
	}
	return s.Store.Usage(id, from, to)
}

func (s *nthFails) LastUsed(id apikey.ID) (time.Time, error) {
	if err := s.call("LastUsed"); err != nil {
		return time.Time{}, err
	}
	return s.Store.LastUsed(id)
}

func (s *nthFails) HeldScopes(most int) ([]keystore.HeldScope, error) {
	if err := s.call("HeldScopes"); err != nil {
		return nil, err
	}
	return s.Store.HeldScopes(most)
}

func (s *nthFails) Audit(q keystore.AuditQuery) (keystore.AuditPage, error) {
	if err := s.call("Audit"); err != nil {
		return keystore.AuditPage{}, err
	}
	return s.Store.Audit(q)
}

func (s *nthFails) Check(yield func(string, error)) (int, error) {
	keys, err := s.Store.Check(yield)
	if failure := s.call("Check"); failure != nil {
		return keys, failure // which it finds after it has read them all
	}
	return keys, err
}

// Backup may fail before its first byte, and after half of all.
func (s *nthFails) Backup(w io.Writer) error {
	if err := s.call("Backup"); err != nil {
		return err
	}
	var whole bytes.Buffer
	if err := s.Store.Backup(&whole); err != nil {
		return err
	}
	if err := s.call("Backup"); err != nil {
		_, writeErr := w.Write(whole.Next(whole.Len() / 2))
		return errors.Join(err, writeErr)
	}
	_, err := whole.WriteTo(w)
	return err
}

// failures is what every call of the admin API and every command meets: a store
// with two pages of keys, of which a copy is made for each of them.
type failures struct {
	t      *testing.T
	url    string
	file   string // to copy
	store  *nthFails
	told   int // of keys that an import is said to have made
	before float64
}

var errPlug = errors.New("somebody pulled the plug")

func failuresOf(t *testing.T) *failures {
	t.Helper()
	f := &failures{t: t, file: filepath.Join(t.TempDir(), "data", "keys.db")}
	store, err := keystore.OpenBolt(f.file)
	if err != nil {
		t.Fatal(err)
	}
	keys, _ := eachKind(t, keystore.MaxPage+1)
	if err := errors.Join(store.CreateAll(keys, keystore.Actor{At: apiStart}, nil), store.Close()); err != nil {
		t.Fatal(err)
	}
	table, err := access.NewTable([]access.Route{{Methods: []string{"GET"}, Pattern: "/v1/invoices", Scopes: access.AllOf("invoices:read")}})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a := &keyAdmin{
			store: f.store, brand: "patra", gateways: []gateway{{policy: access.Policy{Brand: "patra", Table: table}}},
			forget: func(apikey.ID) {}, flush: func() {}, door: "api test", now: func() time.Time { return apiStart },
			changed: func(string, string) {}, imported: func(keys int) { f.told += keys }, workspaceChanged: func(string, string) {},
		}
		err := a.serve(w, r)
		reportFailure(zap.NewNop(), r.URL.Path, err)
		switch refused, ok := errors.AsType[caddy.APIError](err); {
		case ok: // as Caddy does
			w.WriteHeader(refused.HTTPStatus)
			_ = json.NewEncoder(w).Encode(caddy.APIError{Message: refused.Err.Error()})
		case err != nil: // as serveAdmin does
			panic(http.ErrAbortHandler)
		}
	}))
	server.Config.ErrorLog = zap.NewStdLog(zap.NewNop())
	t.Cleanup(server.Close)
	f.url = server.URL
	return f
}

// each calls try with a fresh store, of which the first call fails, then the
// second, until try comes to its end before that. The last one must have seen no
// failure, and all before it one. keep says that nothing changes the store.
func (f *failures) each(keep bool, try func(n int)) {
	f.t.Helper()
	var kept *keystore.Bolt
	for n := 1; ; n++ {
		if kept == nil {
			kept = f.open()
		}
		f.store = &nthFails{Store: kept, n: n, err: fmt.Errorf("reading: %w", keystore.Unavailable(errPlug))}
		f.told, f.before = 0, countedFailures(f.t)
		try(n)
		if !keep {
			kept.Close()
			kept = nil
		}
		if f.store.failed == "" {
			break
		}
		if n > 9 {
			f.t.Fatalf("it calls the store more than %d times", n)
		}
	}
	if kept != nil {
		kept.Close()
	}
}

func (f *failures) open() *keystore.Bolt {
	f.t.Helper()
	whole, err := os.ReadFile(f.file)
	if err != nil {
		f.t.Fatal(err)
	}
	path := f.file + ".copy"
	if err := os.WriteFile(path, whole, 0o600); err != nil {
		f.t.Fatal(err)
	}
	store, err := keystore.OpenBolt(path)
	if err != nil {
		f.t.Fatal(err)
	}
	return store
}

// changed reports whether the store is another one than it was.
func (f *failures) changed() bool {
	f.t.Helper()
	page, err := f.store.Store.Audit(keystore.AuditQuery{Limit: 1})
	if err != nil || len(page.Entries) != 1 {
		f.t.Fatal(err)
	}
	return page.Entries[0].Seq != keystore.MaxPage+1
}

// Keys of the store in which nothing is wrong.
const (
	firstID    = "7Hk2Qp900000"
	disabledID = "7Hk2Qp900003"
)
