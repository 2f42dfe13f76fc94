package caddymodule

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

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/socialpatra/keygate/access"
	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
)

var apiStart = time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)

// apiServer serves the admin API on a store of its own, and holds all that
// goes through it against openapi.yaml.
type apiServer struct {
	t       *testing.T
	url     string
	store   *keystore.Bolt
	clock   atomic.Int64
	unsaved atomic.Pointer[[]apikey.Usage] // what flush saves
	holding sync.Mutex
	failing keystore.Store // in place of store, if there is one
	doc     *openAPI
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
		a := &keyAdmin{
			store:    store,
			brand:    "patra",
			gateways: []gateway{{policy: access.Policy{Brand: "patra", Table: table}}},
			forget:   func(apikey.ID) {},
			flush:    s.flush,
			door:     "api test",
			now:      func() time.Time { return time.Unix(0, s.clock.Load()).UTC() },
			changed:  func(string, string) {},

			imported:         func(int) {},
			together:         apikey.WorkspaceLimits{PerMinute: 600},
			workspaceChanged: func(string, string) {},
		}
		if s.failing != nil {
			a.store = s.failing
		}
		err := a.serve(w, r)
		reportFailure(zap.NewNop(), r.URL.Path, err)
		if apiErr, ok := errors.AsType[caddy.APIError](err); ok { // as Caddy does
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(apiErr.HTTPStatus)
			err = json.NewEncoder(w).Encode(caddy.APIError{Message: apiErr.Err.Error()})
		}
		if err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

func (s *apiServer) flush() {
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
	if key, ok := strings.CutPrefix(path, keysPath+"/"); ok {
		_, action, _ := strings.Cut(key, "/")
		path = strings.TrimSuffix(keysPath+"/{id}/"+action, "/")
	} else if strings.HasPrefix(path, workspacesPath+"/") {
		path = workspacesPath + "/{workspace}"
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

func (r reply) token(t *testing.T) tokenResponse {
	t.Helper()
	var resp tokenResponse
	if err := json.Unmarshal([]byte(r.body), &resp); err != nil {
		t.Fatal(err)
	}
	return resp
}

// create makes a key, with more fields of its settings if given.
func (s *apiServer) create(more ...string) (id string, made tokenResponse, etag string) {
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
	return fmt.Sprintf("%s %s/%s%s", method, keysPath, id, strings.Join(action, ""))
}
