package adminapi

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/socialpatra/keygate/keystore"
)

// A key whose record is damaged is there, although nothing finds it: its line
// is refused, and keeps out the others unless they are to be kept going.
func TestAPIImportDamaged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data", "keys.db")
	line := func(id string) string {
		return `{"id":"` + id + `","workspace":"acme","name":"x","scopes":["posts:read"],"hash":"sha256:` + strings.Repeat("ab", 32) + `"}` + "\n"
	}
	send := func(query, body string) (int, string) {
		store, err := keystore.OpenBolt(path)
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, ImportPath+query, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/jsonl")
		w := httptest.NewRecorder()
		New(Options{Store: store, Brand: "patra", Now: func() time.Time { return apiStart }}).ServeHTTP(w, r)
		return w.Code, w.Body.String()
	}
	want := func(status int, got string, wanted int, parts ...string) {
		t.Helper()
		for _, part := range parts {
			if status != wanted || !strings.Contains(got, part) {
				t.Errorf("%d %s, want %d and %s", status, got, wanted, part)
			}
		}
	}
	status, got := send("", line("000000000001")+line("000000000002"))
	want(status, got, 200, `"imported":2`)

	db, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bolt.Tx) error {
		keys := tx.Bucket([]byte("keys"))
		for _, id := range []string{"000000000001", "000000000002"} {
			value := bytes.Clone(keys.Get([]byte(id)))
			value[len(value)-1] ^= 1
			if err := keys.Put([]byte(id), value); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil || db.Close() != nil {
		t.Fatal(err)
	}

	lines := line("000000000003") + line("000000000002") + line("000000000004") + line("000000000001")
	status, got = send("", lines)
	want(status, got, 409, `"error":"line 2: 000000000002: a key with this ID exists already; nothing was imported (2 lines are bad)"`, `"imported":0`)
	status, got = send("?keep_going=true", lines)
	want(status, got, 200, `"imported":2`, `{"line":4,"error":"000000000001: a key`, `{"line":2,"error":"000000000002: a key`)
	status, got = send("", line("000000000004"))
	want(status, got, 409, "line 1: 000000000004: a key with this ID exists already")
}
