package caddymodule

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/socialpatra/keygate/access"
	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"

	_ "github.com/caddyserver/caddy/v2/modules/standard"
)

func init() { caddy.RegisterModule(eventCatcher{}) }

// eventCatcher is an event handler of the config, which keeps what it gets.
type eventCatcher struct{}

var caught struct {
	sync.Mutex
	events []map[string]any
}

func (eventCatcher) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "events.handlers.keygate_test", New: func() caddy.Module { return new(eventCatcher) }}
}

func (eventCatcher) UnmarshalCaddyfile(*caddyfile.Dispenser) error { return nil }

func (eventCatcher) Handle(_ context.Context, e caddy.Event) error {
	caught.Lock()
	defer caught.Unlock()
	data := map[string]any{"name": e.Name(), "module": string(e.Origin().CaddyModule().ID)}
	maps.Copy(data, e.Data)
	caught.events = append(caught.events, data)
	return nil
}

// catchAnew forgets what was caught, of this test and of those before it.
func catchAnew(t *testing.T) {
	t.Helper()
	forget := func() {
		caught.Lock()
		defer caught.Unlock()
		caught.events = nil
	}
	forget()
	t.Cleanup(forget)
}

// loadCaddy runs a whole Caddy in this process until the test ends.
func loadCaddy(t *testing.T, config string) {
	t.Helper()
	adapted, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(config), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := caddy.Load(adapted, true); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := caddy.Stop(); err != nil {
			t.Error(err)
		}
	})
}

// Ports are below those that the kernel chooses by itself, and those of other tests: no
// server or connection that asks for any port takes one before Caddy does. None is handed
// out twice, and another run begins elsewhere.
const firstPort, ports = 6000, 3000

var nextPort atomic.Uint32

func init() { nextPort.Store(rand.Uint32N(ports)) }

func freeAddress(t *testing.T) string {
	t.Helper()
	for range ports {
		address := fmt.Sprintf("127.0.0.1:%d", firstPort+nextPort.Add(1)%ports)
		if l, err := net.Listen("tcp", address); err == nil {
			_ = l.Close()
			return address
		}
	}
	t.Fatal("no port from 6000 to 8999 is free")
	return ""
}

func TestEvents(t *testing.T) {
	catchAnew(t)
	admin, site := freeAddress(t), freeAddress(t)
	loadCaddy(t, fmt.Sprintf(`{
		admin %[1]s
		persist_config off
		storage file_system %[2]s
		keygate {
			store bbolt %[2]s/data/keys.db
		}
		events {
			on keygate.denied keygate_test
			on keygate.key_changed keygate_test
			on keygate.key_leaked keygate_test
		}
	}
	http://%[3]s {
		keygate {
			scope posts:read GET /v1/posts
		}
		respond served
	}`, admin, t.TempDir(), site))

	post := func(path, body string) map[string]any {
		t.Helper()
		return askJSON(t, "POST", "http://"+admin+path, body, "")
	}
	created := askJSON(t, "POST", "http://"+admin+"/keygate/keys", `{"workspace":"acme","name":"n","scopes":["posts:read"]}`, "", "Keygate-By", "Grace%20Hopper")
	token, _ := created["token"].(string)
	record, _ := created["key"].(map[string]any)
	askJSON(t, "GET", "http://"+site+"/v1/posts", "", "")
	askJSON(t, "GET", "http://"+site+"/elsewhere?key="+token, "", token)
	id, _ := record["id"].(string)
	post("/keygate/leaked", `{"text":"`+token+`","then":"look"}`)
	post("/keygate/leaked", `{"text":"`+token+`","then":"revoke"}`)
	post("/keygate/leaked", `{"text":"`+token+`","then":"disable"}`)

	active := caddy.ActiveContext()
	val, err := active.AppIfConfigured("keygate")
	if err != nil {
		t.Fatal(err)
	}
	app, _ := val.(*App)
	core, logged := observer.New(zap.InfoLevel)
	app.logger = zap.New(core)
	changeLog{app}.KeysImported(3, keystore.Actor{Via: "api 127.0.0.1", By: "Ada"})
	changeLog{app}.KeyLeaked(&apikey.Record{Workspace: "acme"}, apikey.Active, "reported", keystore.Actor{Via: "api 127.0.0.1"})
	changeLog{app}.WorkspaceChanged("limit", "acme", keystore.Actor{Via: "api 127.0.0.1"})
	app.events.denied(httpRequest("GET", "/", nil), &verdict{reason: access.MissingKey})
	unknown := httpRequest("GET", "/", nil)
	client("@")(unknown)
	app.events.denied(unknown, &verdict{reason: access.InvalidKey})
	var told []string
	for _, entry := range logged.All() {
		told = append(told, fmt.Sprint(entry.Message, " ", entry.ContextMap()))
	}
	if want := []string{"keys imported map[by:Ada keys:3 via:api 127.0.0.1]", "key leaked map[by: done:reported key_id: via:api 127.0.0.1 was:active workspace:acme]", "workspace changed map[action:limit by: via:api 127.0.0.1 workspace:acme]"}; !slices.Equal(told, want) {
		t.Errorf("logged %q, want %q", told, want)
	}

	caught.Lock()
	defer caught.Unlock()
	for _, e := range caught.events {
		if via, ok := e["via"].(string); ok {
			e["via"], _, _ = strings.Cut(via, ":")
		}
	}
	want := []map[string]any{
		{"name": "keygate.key_changed", "module": "keygate", "action": "create", "key_id": id, "via": "api 127.0.0.1", "by": "Grace Hopper"},
		{"name": "keygate.denied", "module": "http.handlers.keygate", "reason": "missing_key", "status": 401, "client_ip": "127.0.0.1"},
		{"name": "keygate.denied", "module": "http.handlers.keygate", "reason": "route_not_mapped", "status": 403, "client_ip": "127.0.0.1", "key_id": id, "workspace": "acme"},
		{"name": "keygate.key_changed", "module": "keygate", "action": "revoke", "key_id": id, "via": "api 127.0.0.1", "by": ""},
		{"name": "keygate.key_leaked", "module": "keygate", "key_id": id, "workspace": "acme", "was": "active", "done": "revoked", "via": "api 127.0.0.1", "by": ""},
		{"name": "keygate.key_leaked", "module": "keygate", "key_id": id, "workspace": "acme", "was": "revoked", "done": "reported", "via": "api 127.0.0.1", "by": ""},
		{"name": "keygate.key_changed", "module": "keygate", "action": "import", "keys": 3, "via": "api 127.0.0.1", "by": "Ada"},
		{"name": "keygate.key_leaked", "module": "keygate", "key_id": "", "workspace": "acme", "was": "active", "done": "reported", "via": "api 127.0.0.1", "by": ""},
		{"name": "keygate.denied", "module": "keygate", "reason": "missing_key", "status": 401, "client_ip": "203.0.113.7"},
		{"name": "keygate.denied", "module": "keygate", "reason": "invalid_key", "status": 401, "client_ip": ""},
	}
	if !reflect.DeepEqual(caught.events, want) {
		t.Errorf("events: %v\nwant %v", caught.events, want)
	}
}

// askJSON sends a request, with a token unless that is "" and headers as name and
// value in turn, and decodes the answer.
func askJSON(t *testing.T, method, url, body, token string, headers ...string) map[string]any {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var answer map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		t.Fatalf("%s %s: %v", method, url, err)
	}
	return answer
}
