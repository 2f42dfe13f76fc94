package caddymodule

import (
	"bufio"
	"bytes"
	"context"
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

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
)

// Every change is told once, in the log, as an event and in the audit trail, with
// the door that it came through; what changes nothing in none of them.
func TestAPIServedTellsOfChanges(t *testing.T) {
	dir, err := os.MkdirTemp("", "kg") //nolint:usetesting // paths of sockets are short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	caught.Lock()
	caught.events = nil
	caught.Unlock()
	socket, logged := filepath.Join(dir, "a.sock"), filepath.Join(dir, "log")
	loadCaddy(t, fmt.Sprintf(`{
		admin unix/%[1]s
		persist_config off
		storage file_system %[2]s
		log {
			output file %[3]s
			format json
		}
		keygate {
			store bbolt %[2]s/data/keys.db
		}
		events {
			on keygate.key_changed keygate_test
		}
	}
	http://%[4]s {
		keygate {
			scope posts:read GET /v1/posts
		}
	}`, socket, dir, logged, freeAddress(t)))
	t.Cleanup(func() {
		caught.Lock()
		caught.events = nil
		caught.Unlock()
	})
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}}
	defer client.CloseIdleConnections()
	var tokens []string
	send := func(method, path, body string, status int) (key string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, "http://keygate"+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		resp, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, _ := io.ReadAll(resp.Body)
		if resp.StatusCode != status {
			t.Fatalf("%s %s: %d %s", method, path, resp.StatusCode, text)
		}
		var made tokenResponse
		if json.Unmarshal(text, &made) == nil && made.Token != "" {
			tokens = append(tokens, made.Token)
		}
		return made.Key.ID.String()
	}
	id := send("POST", "/keygate/keys", `{"workspace":"acme","name":"n","scopes":["posts:read"]}`, 201)
	at := keysPath + "/" + id
	send("PATCH", at, `{"name":"m"}`, 200)
	send("POST", at+"/disable", "", 200)
	send("POST", at+"/enable", "", 200)
	send("POST", at+"/rotate", "", 201)
	send("POST", at+"/revoke", "", 200)
	send("DELETE", at, "", 204)
	send("POST", importPath, opaqueLine("x")+"\n"+opaqueLine("y"), 200)
	send("PATCH", workspacesPath+"/acme", `{"limits":{"per_day":7}}`, 200)
	send("DELETE", workspacesPath+"/acme", "", 204)
	send("PATCH", at, `{"name":""}`, 404)
	send("POST", at+"/rotate", `{"overlap":"x"}`, 400)
	send("POST", "/keygate/keys", "{}", 400)
	send("POST", importPath, "{}", 400)

	via := "unix " + socket
	actions := []string{"create", "update", "disable", "enable", "rotate", "revoke", "delete"}
	var want []string
	for _, action := range actions {
		want = append(want, fmt.Sprintf("%s %s via %s", action, id, via))
	}
	var events []string
	caught.Lock()
	for _, e := range caught.events {
		if e["action"] == "import" {
			events = append(events, fmt.Sprintf("import %v keys via %v", e["keys"], e["via"]))
		} else {
			events = append(events, fmt.Sprintf("%v %v via %v", e["action"], e["key_id"], e["via"]))
		}
	}
	caught.Unlock()
	if all := append(slices.Clone(want), "import 2 keys via "+via); !slices.Equal(events, all) {
		t.Errorf("events\n%s\nwant\n%s", strings.Join(events, "\n"), strings.Join(all, "\n"))
	}

	text, err := os.ReadFile(logged)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(string(text)) {
		var entry map[string]any
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatal(err)
		}
		switch entry["msg"] {
		case "key changed":
			lines = append(lines, fmt.Sprintf("%v %v via %v", entry["action"], entry["key_id"], entry["via"]))
		case "keys imported":
			lines = append(lines, fmt.Sprintf("import %v keys via %v", entry["keys"], entry["via"]))
		case "workspace changed":
			lines = append(lines, fmt.Sprintf("%v %v via %v", entry["action"], entry["workspace"], entry["via"]))
		}
	}
	all := append(want, "import 2 keys via "+via, "limit acme via "+via, "unlimit acme via "+via)
	if !slices.Equal(lines, all) {
		t.Errorf("logged\n%s\nwant\n%s", strings.Join(lines, "\n"), strings.Join(all, "\n"))
	}
	for _, token := range tokens {
		if strings.Contains(string(text), token) || strings.Contains(fmt.Sprint(events), token) {
			t.Error("a token is logged")
		}
	}
	if len(tokens) != 2 {
		t.Errorf("%d tokens", len(tokens))
	}
}

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
		if strings.HasPrefix(operation, "DELETE "+keysPath) {
			continue // at the end
		}
		body := bodies[operation].body
		if strings.HasSuffix(operation, "import") {
			body = opaqueLine("x")
		}
		if strings.HasPrefix(operation, "PATCH "+keysPath) {
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
		if strings.Contains(operation, id) && strings.HasPrefix(operation, "GET "+keysPath+"/") && !strings.HasSuffix(operation, "usage") || strings.HasSuffix(operation, "export") {
			if !strings.Contains(text, `"<&>"`) {
				t.Errorf("%s escapes what JSON need not: %s", operation, text)
			}
		}
		if h.Get(replicatedHeader) != "" {
			t.Errorf("%s: %s %q of one store", operation, replicatedHeader, h.Get(replicatedHeader))
		}
	}
	header(keyURL("DELETE", id), "")
	for answer, want := range map[keystore.Replication]string{{}: "", {Have: 1}: "", {Wanted: 1}: "false", {Wanted: 2, Have: 1}: "false", {Wanted: 1, Have: 1}: "true", {Wanted: 1, Have: 2}: "true"} {
		s.failing = replicas{s.store, answer}
		h, _ := header("PATCH /keygate/workspaces/acme", `{"limits":{"per_day":5}}`)
		if h.Get(replicatedHeader) != want {
			t.Errorf("%+v: %q, want %q", answer, h.Get(replicatedHeader), want)
		}
	}
}

// A failure of the store is logged with its path and its cause, whether it
// refused the call or broke off; what the caller did is not.
func TestAPILogsFailures(t *testing.T) {
	failure := keystore.Unavailable(errPlug)
	for name, test := range map[string]struct {
		err    error
		logged int
	}{
		"refused": {apiError(503, failure), 1}, "broke off": {&brokenStreamError{failure}, 1},
		"caller": {apiError(404, keystore.ErrNotFound), 0}, "fault": {apiError(500, errors.New("index")), 0}, "nothing": {nil, 0},
	} {
		t.Run(name, func(t *testing.T) {
			adminFailing.mu.Lock()
			adminFailing.next = time.Time{}
			adminFailing.mu.Unlock()
			core, logs := observer.New(zap.InfoLevel)
			before := countedFailures(t)
			reportFailure(zap.New(core), "/keygate/x", test.err)
			all := logs.All()
			if len(all) != test.logged || countedFailures(t)-before != float64(test.logged) {
				t.Fatalf("%d entries, want %d", len(all), test.logged)
			}
			for _, e := range all {
				fields := e.ContextMap()
				if e.Level != zap.ErrorLevel || fields["path"] != "/keygate/x" || !strings.Contains(fmt.Sprint(fields["error"]), errPlug.Error()) {
					t.Errorf("%+v", e)
				}
			}
		})
	}
}

// unwritable is a store that decides requests and takes no changes.
type unwritable struct{ keystore.Store }

func (unwritable) Writable() error { return keystore.ErrReadOnly }

func TestAPIHealthWarns(t *testing.T) {
	s := serveAPI(t)
	s.send("GET /keygate/health", "").want(t, 200, `{"status":"ready"}`)
	s.failing = unwritable{s.store}
	s.send("GET /keygate/health", "").want(t, 200, `{"status":"ready","warning":"`+keystore.ErrReadOnly.Error()+`"}`)
}

// A backup and an export have the use that was only in memory yet.
func TestAPICopiesHaveAllUse(t *testing.T) {
	for _, path := range []string{"/keygate/backup", "/keygate/export"} {
		s := serveAPI(t)
		id, made, _ := s.create()
		s.unsaved.Store(&[]apikey.Usage{{ID: made.Key.ID, Day: apikey.DayOf(apiStart), Allowed: 3, LastUsed: apiStart.Unix()}})
		text := s.page(path)
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
		if used := (person{}).mustRun(t, "usage", id, "--json", "--db", file); used != `{"days":[{"date":"2026-11-23","allowed":3,"limited":0,"denied":0}]}`+"\n" {
			t.Error(used)
		}
	}
}

// After a byte that ends an answer too early there is none that looks whole.
func TestAPIExportThatBreaksOffIsNoAnswer(t *testing.T) {
	f := failuresOf(t)
	store := f.open()
	defer store.Close()
	f.store = &nthFails{Store: store, n: 2, err: keystore.Unavailable(errPlug)}
	conn, err := net.Dial("tcp", strings.TrimPrefix(f.url, "http://"))
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
