package apitest

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"go.uber.org/zap"

	"github.com/socialpatra/keygate/keystore"
	"github.com/socialpatra/keygate/keystore/storetest"
)

// Failures is what every call of the admin API and every command meets: a store
// with two pages of keys, of which a copy is made for each of them.
type Failures struct {
	URL   string
	File  string // to copy
	Store *storetest.Failing
	Told  int // of keys that an import is said to have made

	t       *testing.T
	counted atomic.Int64
}

// ErrPlug is what the store fails with.
var ErrPlug = errors.New("somebody pulled the plug")

// NewFailures serves the API that handler makes on the store of the moment.
func NewFailures(t *testing.T, handler func(*Failures) http.Handler) *Failures {
	t.Helper()
	f := &Failures{t: t, File: filepath.Join(t.TempDir(), "data", "keys.db")}
	store, err := keystore.OpenBolt(f.File)
	if err != nil {
		t.Fatal(err)
	}
	keys, _ := EachKind(t, keystore.MaxPage+1)
	if err := errors.Join(store.CreateAll(keys, keystore.Actor{At: Start}, nil), store.Close()); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler(f).ServeHTTP(w, r) }))
	server.Config.ErrorLog = zap.NewStdLog(zap.NewNop())
	t.Cleanup(server.Close)
	f.URL = server.URL
	return f
}

// Fail counts what is a failure of the store.
func (f *Failures) Fail(err error) {
	if keystore.IsFailure(err) {
		f.counted.Add(1)
	}
}

// Counted is how many failures were counted since the store was opened.
func (f *Failures) Counted() int64 { return f.counted.Load() }

// Each calls try with a fresh store, of which the first call fails, then the
// second, until try comes to its end before that. The last one must have seen no
// failure, and all before it one. keep says that nothing changes the store.
func (f *Failures) Each(keep bool, try func(n int)) {
	f.t.Helper()
	var kept *keystore.Bolt
	for n := 1; ; n++ {
		if kept == nil {
			kept = f.Open()
		}
		f.Store = &storetest.Failing{Store: kept, N: n, Err: fmt.Errorf("reading: %w", keystore.Unavailable(ErrPlug))}
		f.Told = 0
		f.counted.Store(0)
		try(n)
		if !keep {
			kept.Close()
			kept = nil
		}
		if f.Store.Failed == "" {
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

// Open opens a fresh copy of the store.
func (f *Failures) Open() *keystore.Bolt {
	f.t.Helper()
	whole, err := os.ReadFile(f.File)
	if err != nil {
		f.t.Fatal(err)
	}
	path := f.File + ".copy"
	if err := os.WriteFile(path, whole, 0o600); err != nil {
		f.t.Fatal(err)
	}
	store, err := keystore.OpenBolt(path)
	if err != nil {
		f.t.Fatal(err)
	}
	return store
}

// Changed reports whether the store is another one than it was.
func (f *Failures) Changed() bool {
	f.t.Helper()
	page, err := f.Store.Store.Audit(keystore.AuditQuery{Limit: 1})
	if err != nil || len(page.Entries) != 1 {
		f.t.Fatal(err)
	}
	return page.Entries[0].Seq != keystore.MaxPage+1
}

// Keys of the store in which nothing is wrong.
const (
	FirstID    = "7Hk2Qp900000"
	FirstToken = "patra_7Hk2Qp900000_000000000000000000000000000000002xmEiV" //nolint:gosec // nobody drew it
	DisabledID = "7Hk2Qp900003"
)
