package adminapi

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/internal/apitest"
	"github.com/socialpatra/keygate/keystore"
	"github.com/socialpatra/keygate/keystore/storetest"
)

// Whichever call to the store fails, a call of the admin API does not answer as
// if it were done: it is 503 or breaks off, is counted once, says why, and where
// something was changed before that, says so.
func TestAPIOverAStoreThatFailsOnce(t *testing.T) {
	f := apitest.NewFailures(t, failuresHandler)
	bodies := fullBodies(apitest.FirstID)
	for _, operation := range servedOperations(apitest.FirstID) {
		t.Run(operation, func(t *testing.T) {
			method, path, _ := strings.Cut(operation, " ")
			sent := bodies[operation].body
			switch {
			case path == ImportPath:
				sent = apitest.OpaqueLine("x")
			case path == ExplainPath:
				sent = `{"token":"token 5","method":"GET","path":"/v1/invoices"}`
			case method == http.MethodPatch && strings.HasPrefix(path, KeysPath):
				sent = `{"name":"after"}`
			}
			f.Each(method == http.MethodGet, func(n int) {
				r, err := http.NewRequest(method, f.URL+path, strings.NewReader(sent))
				if err != nil {
					t.Fatal(err)
				}
				r.Header.Set("Content-Type", "application/json")
				resp, err := http.DefaultClient.Do(r)
				if err != nil {
					t.Fatal(err)
				}
				defer resp.Body.Close()
				body, err := io.ReadAll(resp.Body)
				where := fmt.Sprintf("with %s, call %d, failing: %d %.300s (%v)", f.Store.Failed, n, resp.StatusCode, body, err)
				counted := f.Counted()
				if f.Store.Failed == "" {
					if resp.StatusCode > 299 || err != nil || counted != 0 {
						t.Errorf("%s; %v failures are counted", where, counted)
					}
					return
				}
				if counted != 1 {
					t.Errorf("%s; %v failures are counted", where, counted)
				}
				broke := resp.StatusCode == http.StatusOK && err != nil && (path == "/keygate/export" || path == "/keygate/backup")
				if !broke && (resp.StatusCode != http.StatusServiceUnavailable || err != nil || !strings.Contains(string(body), apitest.ErrPlug.Error())) {
					t.Error(where)
				}
				if f.Changed() && !f.Store.Wrote || f.Store.Wrote != strings.Contains(string(body), "the change was made") {
					t.Errorf("%s; changed %v", where, f.Changed())
				}
			})
		})
	}
}

// Where requests cannot be decided, nothing is ready: also where only those with
// the tokens of another system cannot, if there are such keys.
func TestAPIHealthAsksWhatRequestsAsk(t *testing.T) {
	for _, test := range []struct {
		method string
		opaque bool
		status int
	}{
		{"", true, 200},
		{"Lookup", false, 503},
		{"Lookup", true, 503},
		{"LookupOpaque", false, 200},
		{"LookupOpaque", true, 503},
	} {
		t.Run(fmt.Sprintf("%s %v", test.method, test.opaque), func(t *testing.T) {
			s := serveAPI(t)
			if test.opaque {
				s.send("POST /keygate/import", apitest.OpaqueLine("x")).want(t, 200)
			}
			s.failing = &storetest.Failing{Store: s.store, Method: test.method, Err: keystore.Unavailable(apitest.ErrPlug)}
			got := s.send("GET /keygate/health", "").want(t, test.status)
			if ready := test.status == 200; strings.Contains(got.body, `"ready"`) != ready {
				t.Error(got.body)
			}
		})
	}
}

// An import that fails after its first batch says how much of it was done and
// what to do about the rest, and nobody is told of more keys than there are.
func TestAPIImportThatFailsHalfway(t *testing.T) {
	f := apitest.NewFailures(t, failuresHandler)
	const all = importBatch + 1
	var lines bytes.Buffer
	for i := all; i > 0; i-- {
		lines.WriteString(importLine(fmt.Sprintf("8Hk2Qp9%05d", i), `"token_format":""`) + "\n")
	}
	if err := os.WriteFile(filepath.Join(filepath.Dir(f.File), "lines"), lines.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	store := f.Open()
	defer store.Close()
	f.Store = &storetest.Failing{Store: store, N: all + 2, Err: keystore.Unavailable(apitest.ErrPlug)} // a Get for each line, and the second CreateAll
	before := f.Counted()
	resp, err := http.Post(f.URL+ImportPath, "application/jsonl", &lines)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	want := fmt.Sprintf("%s; %d of %d keys were imported before: import the file again with keep_going for the others", apitest.ErrPlug, importBatch, all)
	if resp.StatusCode != 503 || !strings.Contains(string(body), want) || f.Store.Failed != "CreateAll" || f.Told != importBatch || f.Counted()-before != 1 {
		t.Fatalf("%d %s; %s failed, told of %d, %v failures are counted", resp.StatusCode, body, f.Store.Failed, f.Told, f.Counted()-before)
	}
	there := func(i int) bool {
		id, err := apikey.ParseID(fmt.Sprintf("8Hk2Qp9%05d", i))
		if err != nil {
			t.Fatal(err)
		}
		_, err = store.Get(id)
		return err == nil
	}
	for i := 1; i <= all; i++ {
		if there(i) != (i <= importBatch) {
			t.Fatalf("the key %d is there: %v", i, there(i))
		}
	}
	again, err := os.Open(filepath.Join(filepath.Dir(f.File), "lines"))
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	rest, err := http.Post(f.URL+ImportPath+"?keep_going=true", "application/jsonl", again)
	if err != nil {
		t.Fatal(err)
	}
	defer rest.Body.Close()
	body, _ = io.ReadAll(rest.Body)
	if rest.StatusCode != 200 || !strings.Contains(string(body), `"imported":1,`) || !there(all) || f.Told != all {
		t.Errorf("the rest: %d %.300s; told of %d", rest.StatusCode, body, f.Told)
	}
}

// failuresHandler serves the API on a store whose calls fail in turn.
func failuresHandler(f *apitest.Failures) http.Handler {
	return New(Options{
		Store: f.Store, Brand: "patra", Now: func() time.Time { return apiStart }, Via: "api test",
		Observer: importObserver{f},
		Failed:   func(_ *http.Request, _ int, err error) { f.Fail(err) },
	})
}

// importObserver keeps how many keys an import is said to have made.
type importObserver struct{ f *apitest.Failures }

func (o importObserver) KeysImported(keys int, _ keystore.Actor)       { o.f.Told += keys }
func (importObserver) KeyChanged(string, string, keystore.Actor)       {}
func (importObserver) WorkspaceChanged(string, string, keystore.Actor) {}

func (importObserver) KeyLeaked(*apikey.Record, apikey.Status, string, keystore.Actor) {}
