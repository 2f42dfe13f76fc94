package adminapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/socialpatra/keygate/access"
	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
	"github.com/socialpatra/keygate/ratelimit"
)

var apiStart = time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)

const wholeToken = "patra_7Hk2Qp9aX3bC_0123456789ABCDEFGHIJKLMNOPQRSTUV2YI9hn"

// apiServer serves the admin API on a store of its own, and holds all that
// goes through it against openapi.yaml.
type apiServer struct {
	t        *testing.T
	url      string
	store    *keystore.Bolt
	clock    atomic.Int64
	unsaved  atomic.Pointer[[]apikey.Usage] // what flush saves
	holding  sync.Mutex
	failing  keystore.Store // in place of store, if there is one
	warnings []error        // what is not as it should be around the store
	mappings []Mapping      // in place of the one route, if there are some
	failures atomic.Int64   // of the store, that the API told of
	doc      *openAPI
}

func serveAPI(t *testing.T) *apiServer {
	t.Helper()
	store, err := keystore.OpenBolt(filepath.Join(t.TempDir(), "data", "keys.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	table, err := access.NewTable([]access.Route{{Methods: []string{"GET"}, Pattern: "/v1/invoices", Scopes: access.AllOf("invoices:read")}})
	if err != nil {
		t.Fatal(err)
	}
	s := &apiServer{t: t, store: store, doc: readOpenAPI(t)}
	s.clock.Store(apiStart.UnixNano())
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		o := Options{
			Store:           store,
			Brand:           "patra",
			Mappings:        []Mapping{{Policy: access.Policy{Brand: "patra", Table: table}}},
			WorkspaceLimits: apikey.WorkspaceLimits{PerMinute: 600},
			Limits:          unsavedLimits{s},
			Warnings:        func() []error { return s.warnings },
			Via:             "api test",
			Now:             func() time.Time { return time.Unix(0, s.clock.Load()).UTC() },
			Failed: func(_ *http.Request, _ int, err error) {
				if keystore.IsFailure(err) {
					s.failures.Add(1)
				}
				if broken := (*BrokenStreamError)(nil); errors.As(err, &broken) && s.failing == nil {
					t.Error(err)
				}
			},
		}
		if s.failing != nil {
			o.Store = s.failing
		}
		if s.mappings != nil {
			o.Mappings = s.mappings
		}
		New(o).ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

// unsavedLimits are limits that have some use to save.
type unsavedLimits struct{ s *apiServer }

func (unsavedLimits) Forget(apikey.ID) {}

func (u unsavedLimits) Rewatch(apikey.ID) { u.Flush() }

func (unsavedLimits) Peek(apikey.ID, ratelimit.Caps, int, time.Time) (ratelimit.Result, error) {
	return ratelimit.Result{Allowed: true}, nil
}

func (u unsavedLimits) Flush() {
	s := u.s
	if unsaved := s.unsaved.Swap(nil); unsaved != nil {
		if err := s.store.SaveUsage(*unsaved, nil); err != nil {
			s.t.Error(err)
		}
	}
}

// reply is an answer of the admin API.
type reply struct {
	status int
	etag   string
	body   string
}

// send sends a request, "PATCH /keygate/keys/ID?a=b", with headers as name and
// value in turn. A body is JSON unless a header says otherwise.
func (s *apiServer) send(request, body string, headers ...string) reply {
	s.t.Helper()
	got, err := s.try(request, body, headers...)
	if err != nil {
		s.t.Fatal(err)
	}
	return got
}

func (s *apiServer) try(request, body string, headers ...string) (reply, error) {
	method, target, _ := strings.Cut(request, " ")
	r, err := http.NewRequest(method, s.url+target, strings.NewReader(body))
	if err != nil {
		return reply{}, err
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return reply{}, err
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		return reply{}, err
	}
	return reply{resp.StatusCode, resp.Header.Get("ETag"), string(got)}, s.hold(request, r.Header.Get("Content-Type"), body, resp, got)
}

func (s *apiServer) hold(request, sentType, sent string, resp *http.Response, body []byte) error {
	s.holding.Lock()
	defer s.holding.Unlock()
	method, target, _ := strings.Cut(request, " ")
	path, _, _ := strings.Cut(target, "?")
	if key, ok := strings.CutPrefix(path, KeysPath+"/"); ok {
		_, action, _ := strings.Cut(key, "/")
		path = strings.TrimSuffix(KeysPath+"/{id}/"+action, "/")
	} else if strings.HasPrefix(path, WorkspacesPath+"/") {
		path = WorkspacesPath + "/{workspace}"
	}
	if strings.Contains(target, "keep_going=true") || strings.TrimSpace(sent) == "" {
		sent = "" // may have bad lines, or has none
	}
	return s.doc.hold(method+" "+path, sentType, sent, resp, body)
}

// want fails unless the status is that, and every text is in the body.
func (r reply) want(t *testing.T, status int, texts ...string) reply {
	t.Helper()
	if r.status != status {
		t.Fatalf("status %d, want %d: %s", r.status, status, r.body)
	}
	for _, text := range texts {
		if !strings.Contains(r.body, text) {
			t.Errorf("%q is not in %s", text, r.body)
		}
	}
	return r
}

func (r reply) record(t *testing.T) apikey.Record {
	t.Helper()
	var record apikey.Record
	if err := json.Unmarshal([]byte(r.body), &record); err != nil {
		t.Fatal(err)
	}
	return record
}

func (r reply) token(t *testing.T) TokenResponse {
	t.Helper()
	var resp TokenResponse
	if err := json.Unmarshal([]byte(r.body), &resp); err != nil {
		t.Fatal(err)
	}
	return resp
}

// create makes a key, with more fields of its settings if given.
func (s *apiServer) create(more ...string) (id string, made TokenResponse, etag string) {
	s.t.Helper()
	body := `{"workspace":"acme","name":"Zapier","scopes":["posts:write"]`
	for _, field := range more {
		body += "," + field
	}
	got := s.send("POST /keygate/keys", body+"}").want(s.t, 201)
	made = got.token(s.t)
	return made.Key.ID.String(), made, got.etag
}

func keyURL(method, id string, action ...string) string {
	return fmt.Sprintf("%s %s/%s%s", method, KeysPath, id, strings.Join(action, ""))
}
