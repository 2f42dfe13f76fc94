package adminapi

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/internal/keyfields"
	"github.com/socialpatra/keygate/keystore"
)

// serveFields serves the API on a new store.
func serveFields(t *testing.T) (keystore.Store, *Server) {
	t.Helper()
	store, err := keystore.OpenBolt(filepath.Join(t.TempDir(), "data", "keys.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return store, New(Options{Store: store, Brand: "patra", Now: func() time.Time { return apiStart }})
}

func sendTo(s *Server, method, path, contentType, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Content-Type", contentType)
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

// A key that is exported and imported elsewhere is the same key, in every field,
// also in one that is added later: but for what was announced of its expiry, which
// it begins anew.
func TestExportHasEveryField(t *testing.T) {
	from, exporting := serveFields(t)
	for _, f := range keyfields.All() {
		k := keyfields.Plain(apikey.NewID())
		f.Set(&k)
		k.Prefix = apikey.Prefix("patra", k.ID) // which follows from the ID
		if err := from.Create(k, keystore.Actor{At: apiStart, Via: "offline"}); err != nil {
			t.Fatalf("%s: %v", f.Name, err)
		}
	}
	lines := sendTo(exporting, http.MethodGet, ExportPath, "", "").Body.String()
	to, importing := serveFields(t)
	if w := sendTo(importing, http.MethodPost, ImportPath+"?allow_unknown_scope=true", "application/jsonl", lines); w.Code != http.StatusOK {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	page, err := from.List(keystore.Query{Limit: keystore.MaxPage})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range page.Keys {
		want.Warned = 0
		if got, err := to.Get(want.ID); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("imported\n%+v, %v; want\n%+v", got, err, want)
		}
	}
}

// settings are members of a change, each with a value that a plain key does not
// have, and the fields that show it.
var settings = map[string]string{
	"name":                `"another"`,
	"description":         `"another"`,
	"scopes":              `["media:upload"]`,
	"expires_in_days":     `7`,
	"expires_at":          `"2030-01-02T03:04:05Z"`,
	"limits.per_minute":   `7`,
	"limits.per_day":      `7`,
	"limits.burst":        `7`,
	"allowed_origins":     `["https://shop.example"]`,
	"allowed_ips":         `["203.0.113.7"]`,
	"workspace":           "", // never changes
	"allow_unknown_scope": "", // is no setting
}

// Every member that a creation or a change may have is in force when it is sent
// alone: in the answer, in the store, in the trail and in the ETag.
func TestEverySettingChangesAlone(t *testing.T) {
	for _, name := range requestMembers(reflect.TypeFor[KeyRequest](), "") {
		value, ok := settings[name]
		if !ok {
			t.Errorf("no value to try for %s", name)
		}
		if value == "" {
			continue
		}
		change := map[string]any{name: json.RawMessage(value)}
		if outer, inner, nested := strings.Cut(name, "."); nested {
			change = map[string]any{outer: map[string]any{inner: json.RawMessage(value)}}
		}
		body := toJSON(t, change)
		store, api := serveFields(t)
		k := keyfields.Plain(apikey.NewID())
		if err := store.Create(k, keystore.Actor{At: apiStart, Via: "offline"}); err != nil {
			t.Fatal(err)
		}
		before := sendTo(api, http.MethodGet, KeysPath+"/"+k.ID.String(), "", "")
		changed := sendTo(api, http.MethodPatch, KeysPath+"/"+k.ID.String(), "application/json", body)
		if changed.Code != http.StatusOK || changed.Body.String() == before.Body.String() || changed.Header().Get("ETag") == before.Header().Get("ETag") {
			t.Errorf("%s: %d %s, with the ETag %s", body, changed.Code, changed.Body, changed.Header().Get("ETag"))
		}
		if stored, err := store.Get(k.ID); err != nil || reflect.DeepEqual(stored, k) {
			t.Errorf("%s: stored as %+v, %v", body, stored, err)
		}
		if trail, err := store.Audit(keystore.AuditQuery{Key: k.ID, Limit: 1}); err != nil || len(trail.Entries[0].Changes) != 1 {
			t.Errorf("%s: the trail has %+v, %v", body, trail.Entries, err)
		}
		creation := map[string]any{"workspace": "acme", "name": "plain", "scopes": []string{"posts:read"}}
		maps.Copy(creation, change)
		created := sendTo(api, http.MethodPost, KeysPath, "application/json", toJSON(t, creation))
		var answer TokenResponse
		if err := json.Unmarshal(created.Body.Bytes(), &answer); err != nil || created.Code != http.StatusCreated {
			t.Fatalf("%s: %d %s", body, created.Code, created.Body)
		}
		made, err := store.Get(answer.Key.ID)
		plain := keyfields.Plain(made.ID)
		plain.Hash, plain.CreatedAt = made.Hash, made.CreatedAt
		if err != nil || reflect.DeepEqual(made, plain) {
			t.Errorf("%s: created as %+v, %v", body, made, err)
		}
	}
}

func toJSON(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// requestMembers are the JSON names of a request, those of an object in it with
// its name before them.
func requestMembers(typ reflect.Type, before string) (names []string) {
	for field := range typ.Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if field.Type.Kind() == reflect.Pointer && field.Type.Elem().Kind() == reflect.Struct {
			names = append(names, requestMembers(field.Type.Elem(), name+".")...)
			continue
		}
		names = append(names, before+name)
	}
	return names
}
