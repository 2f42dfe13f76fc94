package adminapi

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/socialpatra/keygate/access"
	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/internal/apitest"
	"github.com/socialpatra/keygate/keystore"
	"github.com/socialpatra/keygate/keystore/storetest"
)

// replicas is an engine that tells how many replicas had a change.
type replicas struct {
	keystore.Store
	answer keystore.Replication
}

func (s replicas) SetWorkspaceLimits(workspace string, lim *apikey.WorkspaceLimits, by keystore.Actor) error {
	*by.Replication = s.answer
	return s.Store.SetWorkspaceLimits(workspace, lim, by)
}

// What an answer says of itself in its header: that no cache may keep it, how
// its file is called, and whether all replicas had a change.
func TestAPIHeaders(t *testing.T) {
	s := serveAPI(t)
	id, _, _ := s.create(`"description":"<&>"`)
	header := func(operation, body string) (http.Header, string) {
		t.Helper()
		method, target, _ := strings.Cut(operation, " ")
		r, err := http.NewRequestWithContext(t.Context(), method, s.url+target, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		got, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode > 299 {
			t.Fatalf("%s: %d %s %v", operation, resp.StatusCode, got, err)
		}
		if cache := resp.Header.Values("Cache-Control"); !slices.Equal(cache, []string{"no-store"}) {
			t.Errorf("%s: Cache-Control %q", operation, cache)
		}
		return resp.Header, string(got)
	}
	bodies := fullBodies(id)
	for _, operation := range servedOperations(id) {
		if strings.HasPrefix(operation, "DELETE "+KeysPath) {
			continue // at the end
		}
		body := bodies[operation].body
		if strings.HasSuffix(operation, "import") {
			body = apitest.OpaqueLine("x")
		}
		if strings.HasPrefix(operation, "PATCH "+KeysPath) {
			body = `{"name":"<b>"}`
		}
		if strings.HasSuffix(operation, "/rotate") || strings.HasSuffix(operation, "able") || strings.HasSuffix(operation, "/revoke") {
			another, _, _ := s.create()
			operation = strings.Replace(operation, id, another, 1)
		}
		h, text := header(operation, body)
		file := map[string]string{"GET /keygate/backup": "keygate-20261123T100000Z.db", "GET /keygate/export": "keygate-20261123T100000Z.jsonl"}[operation]
		if want := map[bool]string{true: `attachment; filename="` + file + `"`}[file != ""]; h.Get("Content-Disposition") != want {
			t.Errorf("%s: Content-Disposition %q, want %q", operation, h.Get("Content-Disposition"), want)
		}
		if strings.Contains(operation, id) && strings.HasPrefix(operation, "GET "+KeysPath+"/") && !strings.HasSuffix(operation, "usage") || strings.HasSuffix(operation, "export") {
			if !strings.Contains(text, `"<&>"`) {
				t.Errorf("%s escapes what JSON need not: %s", operation, text)
			}
		}
		if h.Get(ReplicatedHeader) != "" {
			t.Errorf("%s: %s %q of one store", operation, ReplicatedHeader, h.Get(ReplicatedHeader))
		}
	}
	header(keyURL("DELETE", id), "")
	for answer, want := range map[keystore.Replication]string{{}: "", {Have: 1}: "", {Wanted: 1}: "false", {Wanted: 2, Have: 1}: "false", {Wanted: 1, Have: 1}: "true", {Wanted: 1, Have: 2}: "true"} {
		s.failing = replicas{s.store, answer}
		h, _ := header("PATCH /keygate/workspaces/acme", `{"limits":{"per_day":5}}`)
		if h.Get(ReplicatedHeader) != want {
			t.Errorf("%+v: %q, want %q", answer, h.Get(ReplicatedHeader), want)
		}
	}
}

// unwritable is a store that decides requests and takes no changes.
type unwritable struct{ keystore.Store }

func (unwritable) Writable() error { return keystore.ErrReadOnly }

// waits is a store whose oldest change has waited for so long.
type waits struct {
	keystore.Store
	oldest time.Duration
	kind   string
}

func (w waits) Waiting() time.Duration { return w.oldest }

func (w waits) About() keystore.About {
	about := w.Store.About()
	about.Kind = w.kind
	return about
}

// A change that has waited for five seconds is told, with what to do; requests are
// decided, and so it is a warning. Changes that get on are not told.
func TestAPIHealthTellsOfChangesThatWait(t *testing.T) {
	s := serveAPI(t)
	s.create()
	for _, test := range []struct {
		oldest time.Duration
		kind   string
		words  []string // none: nothing is told
	}{
		{0, "bbolt", nil},
		{5*time.Second - 1, "bbolt", nil},
		{5 * time.Second, "bbolt", []string{"for 5s", "disk of the key store"}},
		{90*time.Second + 1, "bbolt", []string{"for 1m30s", "disk of the key store"}},
		{time.Hour, "redis", []string{"for 1h0m0s", "engine"}},
	} {
		s.failing = waits{s.store, test.oldest, test.kind}
		var got HealthResponse
		if err := json.Unmarshal([]byte(s.send("GET /keygate/health", "").want(t, 200, `{"status":"ready"`).body), &got); err != nil {
			t.Fatal(err)
		}
		if (got.Warning != "") != (test.words != nil) || got.Failure() != got.Warning {
			t.Errorf("%s: told %q, of which fails %q", test.oldest, got.Warning, got.Failure())
		}
		for _, word := range test.words {
			if !strings.Contains(got.Warning, word) {
				t.Errorf("%s: %q does not say %q", test.oldest, got.Warning, word)
			}
		}
	}
}

func TestAPIHealthWarns(t *testing.T) {
	s := serveAPI(t)
	health := func(failing keystore.Store, warning string) {
		t.Helper()
		s.failing = failing
		var got HealthResponse
		answer := s.send("GET /keygate/health", "")
		answer.want(t, 200, `{"status":"ready"`)
		if err := json.Unmarshal([]byte(answer.body), &got); err != nil || got.Warning != warning || got.PID != os.Getpid() {
			t.Errorf("%v: %s, want the warning %s", err, answer.body, warning)
		}
		if about := s.store.About(); got.Store.Kind != "bbolt" || got.Store.Place != about.Place || got.Store.Schema != about.Schema {
			t.Errorf("the store is told as %+v, and is %+v", got.Store, about)
		}
	}
	fresh := "made a new key store at " + s.store.About().Place + ", which has no keys: if there should be some, correct the path or mount the volume, then restart"
	health(nil, fresh)
	health(unwritable{s.store}, keystore.ErrReadOnly.Error()+"; "+fresh)
	s.warnings = []error{errors.New("a socket is gone"), errors.New("a port is shared")}
	health(nil, fresh+"; a socket is gone; a port is shared")
	s.warnings = nil
	s.create()
	health(nil, "")
}

// Health says where nothing is enforced, in words and as a list, and what fails
// apart from that.
func TestAPIHealthSaysWhatIsNotEnforced(t *testing.T) {
	s := serveAPI(t)
	s.create()
	mapping := func(source string, report bool) Mapping {
		table, err := access.NewTable([]access.Route{{Methods: []string{"GET"}, Pattern: "/a", Access: access.Authenticated, Source: source}})
		if err != nil {
			t.Fatal(err)
		}
		return Mapping{Policy: access.Policy{Table: table, Report: report}}
	}
	s.mappings = []Mapping{mapping("Caddyfile:20", true), mapping("Caddyfile:3", false), mapping("Caddyfile:9", true), mapping("", true)}
	s.warnings = []error{errors.New("a socket is gone")}
	var got HealthResponse
	if err := json.Unmarshal([]byte(s.send("GET /keygate/health", "").want(t, 200).body), &got); err != nil {
		t.Fatal(err)
	}
	places := []string{"Caddyfile:9", "Caddyfile:20", "a place that its config does not name"}
	slices.Sort(places)
	told := slices.Sorted(slices.Values(got.NotEnforced))
	if !slices.Equal(told, places) || !strings.Contains(got.Warning, "nothing is enforced by keygate at ") || got.Failure() != "a socket is gone" {
		t.Errorf("%+v, of which fails %q", got, got.Failure())
	}
	s.warnings, s.mappings = nil, s.mappings[1:2]
	if got := s.send("GET /keygate/health", "").want(t, 200); strings.Contains(got.body, "enforced") {
		t.Error(got.body)
	}
}

// What is explained says whether the denial is only counted, and routes whose they
// are.
func TestAPIExplainsModeReport(t *testing.T) {
	s := serveAPI(t)
	id, _, _ := s.create()
	table, err := access.NewTable([]access.Route{{Methods: []string{"GET"}, Pattern: "/a", Scopes: access.AllOf("other:read")}})
	if err != nil {
		t.Fatal(err)
	}
	explain := func() (resp ExplainResponse) {
		t.Helper()
		got := s.send("POST /keygate/explain", `{"key":"`+id+`","method":"GET","path":"/a"}`).want(t, 200)
		if err := json.Unmarshal([]byte(got.body), &resp); err != nil {
			t.Fatal(err)
		}
		return resp
	}
	told := func(want string) {
		t.Helper()
		if resp := explain(); fmt.Sprint(resp.Reason, " ", resp.Mode, " ", resp.Passes) != want {
			t.Errorf("explained as %+v, want %s", resp, want)
		}
	}
	s.mappings = []Mapping{{Policy: access.Policy{Brand: "patra", Table: table}}}
	told("insufficient_scope  false")
	if got := s.send("GET /keygate/routes", "").want(t, 200); strings.Contains(got.body, `"mode"`) || strings.Contains(got.body, `"foreign"`) {
		t.Error(got.body)
	}
	s.mappings[0].Policy.Report, s.mappings[0].Policy.Foreign = true, true
	told("insufficient_scope report true")
	if got := s.send("GET /keygate/routes", "").want(t, 200); !strings.Contains(got.body, `"mode":"report","foreign":"pass"`) {
		t.Error(got.body)
	}
	s.send("POST /keygate/keys/"+id+"/disable", "").want(t, 200)
	told("key_disabled report false")
}

// A backup and an export have the use that was only in memory yet.
func TestAPICopiesHaveAllUse(t *testing.T) {
	for _, path := range []string{"/keygate/backup", "/keygate/export"} {
		s := serveAPI(t)
		_, made, _ := s.create()
		s.unsaved.Store(&[]apikey.Usage{{ID: made.Key.ID, Day: apikey.DayOf(apiStart), Allowed: 3, LastUsed: apiStart.Unix()}})
		text := apitest.Page(t, s.url+path)
		if strings.HasSuffix(path, "export") {
			if !strings.Contains(text, `"last_used_at":"2026-11-23T10:00:00Z"`) {
				t.Errorf("%s", text)
			}
			continue
		}
		file := filepath.Join(t.TempDir(), "copy.db")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		copied, err := keystore.OpenBolt(file)
		if err != nil {
			t.Fatal(err)
		}
		day := apikey.DayOf(apiStart)
		if used, err := copied.Usage(made.Key.ID, day, day); err != nil || len(used) != 1 || used[0].Allowed != 3 {
			t.Errorf("%+v, %v", used, err)
		}
		copied.Close()
	}
}

// After a byte that ends an answer too early there is none that looks whole.
func TestAPIExportThatBreaksOffIsNoAnswer(t *testing.T) {
	f := apitest.NewFailures(t, failuresHandler)
	store := f.Open()
	defer store.Close()
	f.Store = &storetest.Failing{Store: store, N: 2, Err: keystore.Unavailable(apitest.ErrPlug)}
	conn, err := net.Dial("tcp", strings.TrimPrefix(f.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "GET /keygate/export HTTP/1.1\r\nHost: x\r\n\r\n")
	all, _ := io.ReadAll(bufio.NewReader(conn))
	if !bytes.Contains(all, []byte(" 200 OK\r\n")) || bytes.HasSuffix(all, []byte("\r\n0\r\n\r\n")) || bytes.Count(all, []byte(`"hash"`)) == 0 {
		t.Errorf("%.200s … %q", all, all[max(0, len(all)-20):])
	}
}
