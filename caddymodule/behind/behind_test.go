package behind

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	_ "github.com/caddyserver/caddy/v2/modules/standard" // the handlers of the configs
)

func init() { caddy.RegisterModule(standIn{}) }

// standIn stands for keygate in a config, and sees what a module sees that Caddy
// provisions.
type standIn struct {
	Foreign   string `json:"foreign,omitempty"`
	Authorize string `json:"authorize,omitempty"`
}

func (standIn) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.keygate", New: func() caddy.Module { return new(standIn) }}
}

func (s *standIn) Provision(ctx caddy.Context) error {
	if s.Foreign == "pass" {
		return Check(ctx)
	}
	return nil
}

func (*standIn) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	return next.ServeHTTP(w, r)
}

var _ caddyhttp.MiddlewareHandler = (*standIn)(nil)

// sites are written with K for a keygate with foreign pass, which is an order of
// Caddy's own here, and with P for a handler that answers.
var sites = map[string]struct {
	routes  string // of a server
	nothing bool
}{
	"alone":                     {`[{"handle":[K]}]`, true},
	"a proxy":                   {`[{"handle":[K,P]}]`, false},
	"a proxy before":            {`[{"handle":[P,K]}]`, true},
	"a proxy in another route":  {`[{"handle":[K]},{"handle":[P]}]`, false},
	"a matcher on the proxy":    {`[{"handle":[K]},{"match":[{"path":["/v1/*"]}],"handle":[P]}]`, false},
	"only what passes on":       {`[{"handle":[K,{"handler":"headers"},{"handler":"encode","encodings":{"gzip":{}}},{"handler":"vars"}]}]`, true},
	"files":                     {`[{"handle":[K,{"handler":"file_server"}]}]`, false},
	"a fixed answer":            {`[{"handle":[K,{"handler":"static_response"}]}]`, false},
	"terminal":                  {`[{"handle":[K],"terminal":true},{"handle":[P]}]`, true},
	"behind a terminal one":     {`[{"handle":[K]},{"handle":[{"handler":"vars"}],"terminal":true},{"handle":[P]}]`, true},
	"behind one that may be":    {`[{"handle":[K]},{"match":[{"path":["/x"]}],"handle":[{"handler":"vars"}],"terminal":true},{"handle":[P]}]`, false},
	"of the same group":         {`[{"group":"g","handle":[K]},{"group":"g","handle":[P]}]`, true},
	"of another group":          {`[{"group":"g","handle":[K]},{"group":"h","handle":[P]}]`, false},
	"behind the group":          {`[{"group":"g","handle":[K]},{"group":"g","handle":[P]},{"handle":[P]}]`, false},
	"in a subroute":             {`[{"handle":[{"handler":"subroute","routes":[{"handle":[K]}]}]}]`, true},
	"with a proxy in it":        {`[{"handle":[{"handler":"subroute","routes":[{"handle":[K]},{"handle":[P]}]}]}]`, false},
	"with a proxy behind it":    {`[{"handle":[{"handler":"subroute","routes":[{"handle":[K]}]},P]}]`, false},
	"before a subroute":         {`[{"handle":[K,{"handler":"subroute","routes":[{"handle":[P]}]}]}]`, false},
	"before an idle subroute":   {`[{"handle":[K,{"handler":"subroute","routes":[{"handle":[{"handler":"vars"}]}]}]}]`, true},
	"of a terminal site":        {`[{"match":[{"host":["a.example"]}],"terminal":true,"handle":[{"handler":"subroute","routes":[{"handle":[K]}]}]},{"handle":[P]}]`, true},
	"before another keygate":    {`[{"handle":[K,{"handler":"keygate"}]}]`, true},
	"an authorisation endpoint": {`[{"handle":[{"handler":"keygate","foreign":"pass","authorize":"forward_auth"}]}]`, false},
	"deny":                      {`[{"handle":[{"handler":"keygate","foreign":"deny"}]}]`, false},
	"before an endpoint":        {`[{"handle":[K,{"handler":"keygate","authorize":"forward_auth"}]}]`, false},
	"invoked":                   {`[{"handle":[{"handler":"invoke","name":"gate"}]}]`, true},
	"invoked before a proxy":    {`[{"handle":[{"handler":"invoke","name":"gate"},P]}]`, false},
	"before what is invoked":    {`[{"handle":[K,{"handler":"invoke","name":"api"}]}]`, false},
	"never invoked":             {`[{"handle":[P]}]`, false},
	"within the errors of one":  {`[{"handle":[{"handler":"subroute","routes":[{"handle":[P]}],"errors":{"routes":[{"handle":[K]}]}}]}]`, true},
	"two, one alone":            {`[{"match":[{"path":["/a"]}],"terminal":true,"handle":[K]},{"handle":[K,P]}]`, true},
}

func site(routes string) string {
	return strings.NewReplacer("K", `{"handler":"keygate","foreign":"pass"}`, "P", `{"handler":"reverse_proxy","upstreams":[{"dial":"127.0.0.1:9"}]}`).
		Replace(`{"servers":{"s":{"listen":["127.0.0.1:0"],"routes":` + routes + `,"named_routes":{"gate":{"handle":[K]},"api":{"handle":[P]}}}}}`)
}

// Nothing answers behind a handler exactly where no request could be answered, and
// Caddy refuses to load such a config.
func TestNothing(t *testing.T) {
	for name, s := range sites {
		t.Run(name, func(t *testing.T) {
			var tree any
			if err := json.Unmarshal([]byte(site(s.routes)), &tree); err != nil {
				t.Fatal(err)
			}
			if got := Nothing(tree, IsForeign); got != s.nothing {
				t.Errorf("nothing behind: %t", got)
			}
			_, err := caddy.ProvisionContext(&caddy.Config{AppsRaw: caddy.ModuleMap{"http": json.RawMessage(site(s.routes))}})
			if told := err != nil && strings.Contains(err.Error(), "foreign pass, but no handler"); told != s.nothing || !told && err != nil {
				t.Errorf("loading it: %v", err)
			}
		})
	}
}

// Error routes of a server have nothing behind them.
func TestNothingInErrorRoutes(t *testing.T) {
	for handlers, want := range map[string]bool{"K": true, "K,P": false} {
		text := strings.Replace(site(`[{"handle":[P]}]`), `"routes"`, `"errors":{"routes":[{"handle":[`+handlers+`]}]},"routes"`, 1)
		text = strings.NewReplacer("K", `{"handler":"keygate","foreign":"pass"}`, "P", `{"handler":"static_response"}`).Replace(text)
		var tree any
		if err := json.Unmarshal([]byte(text), &tree); err != nil {
			t.Fatal(err)
		}
		if got := Nothing(tree, IsForeign); got != want {
			t.Errorf("%s: %t", handlers, got)
		}
	}
}

// Routes that invoke each other come to an end.
func TestNothingOfEndlessRoutes(t *testing.T) {
	tree := map[string]any{}
	if err := json.Unmarshal([]byte(`{"servers":{"s":{"routes":[{"handle":[{"handler":"invoke","name":"a"}]}],"named_routes":{"a":{"handle":[{"handler":"invoke","name":"a"},{"handler":"keygate","foreign":"pass"},{"handler":"invoke","name":"a"}]}}}}}`), &tree); err != nil {
		t.Fatal(err)
	}
	if !Nothing(tree, IsForeign) {
		t.Error("something is behind it")
	}
}

// The passers are handlers of Caddy, or of a plugin, that hand requests on: each of
// Caddy's own is one that exists.
func TestPassersExist(t *testing.T) {
	elsewhere := map[string]bool{"cache": true, "rate_limit": true, "server_timing": true}
	for _, name := range passers {
		if _, err := caddy.GetModule("http.handlers." + name); (err == nil) == elsewhere[name] {
			t.Errorf("%s: %v", name, err)
		}
	}
}
