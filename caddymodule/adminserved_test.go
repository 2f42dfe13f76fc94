package caddymodule

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/socialpatra/keygate/adminapi"
	"github.com/socialpatra/keygate/internal/apitest"
	"github.com/socialpatra/keygate/internal/logthrottle"
	"github.com/socialpatra/keygate/keystore"
	"github.com/socialpatra/keygate/keystore/storetest"
)

// Every change is told once, in the log, as an event and in the audit trail, with
// the door that it came through; what changes nothing in none of them.
func TestAPIServedTellsOfChanges(t *testing.T) {
	dir, err := os.MkdirTemp("", "kg") //nolint:usetesting // paths of sockets are short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	catchAnew(t)
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
		var made adminapi.TokenResponse
		if json.Unmarshal(text, &made) == nil && made.Token != "" {
			tokens = append(tokens, made.Token)
		}
		return made.Key.ID.String()
	}
	id := send("POST", "/keygate/keys", `{"workspace":"acme","name":"n","scopes":["posts:read"]}`, 201)
	at := adminapi.KeysPath + "/" + id
	send("PATCH", at, `{"name":"m"}`, 200)
	send("POST", at+"/disable", "", 200)
	send("POST", at+"/enable", "", 200)
	send("POST", at+"/rotate", "", 201)
	send("POST", at+"/revoke", "", 200)
	send("DELETE", at, "", 204)
	send("POST", adminapi.ImportPath, apitest.OpaqueLine("x")+"\n"+apitest.OpaqueLine("y"), 200)
	send("PATCH", adminapi.WorkspacesPath+"/acme", `{"limits":{"per_day":7}}`, 200)
	send("DELETE", adminapi.WorkspacesPath+"/acme", "", 204)
	send("PATCH", at, `{"name":""}`, 404)
	send("POST", at+"/rotate", `{"overlap":"x"}`, 400)
	send("POST", "/keygate/keys", "{}", 400)
	send("POST", adminapi.ImportPath, "{}", 400)

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

// A failure of the store is logged with its path and its cause, whether it
// refused the call or broke off; what the caller did is not.
func TestAPILogsFailures(t *testing.T) {
	failure := keystore.Unavailable(errPlug)
	for name, test := range map[string]struct {
		status  int
		err     error
		logged  int // by Keygate: what broke off is told besides
		counted float64
	}{
		"refused": {503, failure, 1, 1}, "broke off": {500, brokenOff(t, failure), 2, 1},
		"caller": {404, keystore.ErrNotFound, 0, 0}, "fault": {500, errors.New("index"), 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			adminFailing = logthrottle.Throttle{}
			core, logs := observer.New(zap.InfoLevel)
			before := countedFailures(t)
			reportFailure(zap.New(core), "/keygate/x", test.status, test.err)
			all := logs.All()
			if len(all) != test.logged || countedFailures(t)-before != test.counted {
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

var errPlug = errors.New("somebody pulled the plug")

// brokenOff is what the admin API tells of an answer that broke off.
func brokenOff(t *testing.T, failure error) (told error) {
	t.Helper()
	store := &storetest.Failing{Store: openBolt(t), N: 2, Err: failure} // half of a backup
	defer func() { _ = recover() }()
	adminapi.New(adminapi.Options{Store: store, Now: time.Now, Failed: func(_ *http.Request, _ int, err error) { told = err }}).
		ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodGet, adminapi.BackupPath, nil))
	return told
}

func openBolt(t *testing.T) *keystore.Bolt {
	t.Helper()
	store, err := keystore.OpenBolt(filepath.Join(t.TempDir(), "keys.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return store
}
