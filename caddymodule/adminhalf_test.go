package caddymodule

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
)

// Whichever call to the store fails, a call of the admin API does not answer as
// if it were done: it is 503 or breaks off, is counted once, says why, and where
// something was changed before that, says so.
func TestAPIOverAStoreThatFailsOnce(t *testing.T) {
	f := failuresOf(t)
	bodies := fullBodies(firstID)
	for _, operation := range servedOperations(firstID) {
		t.Run(operation, func(t *testing.T) {
			method, path, _ := strings.Cut(operation, " ")
			sent := bodies[operation].body
			switch {
			case path == importPath:
				sent = opaqueLine("x")
			case path == explainPath:
				sent = `{"token":"token 5","method":"GET","path":"/v1/invoices"}`
			case method == http.MethodPatch && strings.HasPrefix(path, keysPath):
				sent = `{"name":"after"}`
			}
			f.each(method == http.MethodGet, func(n int) {
				r, err := http.NewRequest(method, f.url+path, strings.NewReader(sent))
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
				where := fmt.Sprintf("with %s, call %d, failing: %d %.300s (%v)", f.store.failed, n, resp.StatusCode, body, err)
				counted := countedFailures(t) - f.before
				if f.store.failed == "" {
					if resp.StatusCode > 299 || err != nil || counted != 0 {
						t.Errorf("%s; %v failures are counted", where, counted)
					}
					return
				}
				if counted != 1 {
					t.Errorf("%s; %v failures are counted", where, counted)
				}
				broke := resp.StatusCode == http.StatusOK && err != nil && (path == "/keygate/export" || path == "/keygate/backup")
				if !broke && (resp.StatusCode != http.StatusServiceUnavailable || err != nil || !strings.Contains(string(body), errPlug.Error())) {
					t.Error(where)
				}
				if f.changed() && !f.store.wrote || f.store.wrote != strings.Contains(string(body), "the change was made") {
					t.Errorf("%s; changed %v", where, f.changed())
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
				s.send("POST /keygate/import", opaqueLine("x")).want(t, 200)
			}
			s.failing = &failingStore{Store: s.store, method: test.method, err: keystore.Unavailable(errPlug)}
			got := s.send("GET /keygate/health", "").want(t, test.status)
			o := person{}.run("health", "--address", strings.TrimPrefix(s.url, "http://"))
			if ready := test.status == 200; strings.Contains(got.body, `"ready"`) != ready || (o.stdout == "ready\n") != ready || o.failed == ready {
				t.Errorf("%s, and the command: %+v", got.body, o)
			}
		})
	}
}

// An import that fails after its first batch says how much of it was done and
// what to do about the rest, and nobody is told of more keys than there are.
func TestAPIImportThatFailsHalfway(t *testing.T) {
	f := failuresOf(t)
	const all = importBatch + 1
	var lines bytes.Buffer
	for i := all; i > 0; i-- {
		lines.WriteString(importLine(fmt.Sprintf("8Hk2Qp9%05d", i), `"token_format":""`) + "\n")
	}
	if err := os.WriteFile(filepath.Join(filepath.Dir(f.file), "lines"), lines.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	store := f.open()
	defer store.Close()
	f.store = &nthFails{Store: store, n: all + 2, err: keystore.Unavailable(errPlug)} // a Get for each line, and the second CreateAll
	before := countedFailures(t)
	resp, err := http.Post(f.url+importPath, "application/jsonl", &lines)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	want := fmt.Sprintf("%s; %d of %d keys were imported before: import the file again with keep_going for the others", errPlug, importBatch, all)
	if resp.StatusCode != 503 || !strings.Contains(string(body), want) || f.store.failed != "CreateAll" || f.told != importBatch || countedFailures(t)-before != 1 {
		t.Fatalf("%d %s; %s failed, told of %d, %v failures are counted", resp.StatusCode, body, f.store.failed, f.told, countedFailures(t)-before)
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
	o := person{}.run("import", filepath.Join(filepath.Dir(f.file), "lines"), "--keep-going", "--address", strings.TrimPrefix(f.url, "http://"))
	if !o.failed || o.stdout != "Imported 1 key.\n" || !strings.Contains(o.stderr, "1000 or more lines were refused, all others were imported") || !there(all) || f.told != all {
		t.Errorf("the rest: %.300v; told of %d", o, f.told)
	}
}
