package plugin_test

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// nameBytes are all that a header name may have (RFC 9110 §5.6.2).
const nameBytes = "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// ourHeaders are those that Keygate or Caddy sets for a backend, or removes.
// Those with $ are in the site's identity_prefix.
var ourHeaders = map[string][]string{
	"identity": {"$Workspace", "$Key-Id", "$Scopes", "$", "$Role", "$" + strings.Repeat("Long-", 30)},
	"override": {
		"X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "X-Original-URL", "X-Original-URI", "X-Original-Method", "X-Rewrite-URL",
		"X-Forwarded-Uri", "X-Forwarded-Method", "X-Forwarded-Prefix", "X-Forwarded-Path",
	},
	"address": {
		"Forwarded", "Forwarded-For", "X-Forwarded", "X-Original-Forwarded-For", "X-Real-IP", "X-Client-IP", "Client-IP", "X-Cluster-Client-IP",
		"True-Client-IP", "Fastly-Client-IP", "CF-Connecting-IP", "CF-Connecting-IPv6", "CF-Pseudo-IPv4", "CloudFront-Viewer-Address",
		"Fly-Client-IP", "Proxy-Client-IP", "WL-Proxy-Client-IP", "X-Appengine-Remote-Addr", "X-Appengine-User-IP",
		"X-Envoy-External-Address", "X-Vercel-Forwarded-For",
	},
	"Caddy's":    {"X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"},
	"credential": {"Authorization", "X-API-Key", "Proxy-Authorization"},
	"connection": {"Connection", "Upgrade", "HTTP2-Settings", "Keep-Alive", "Proxy-Connection", "Trailer"},
}

func headersOf(prefix string) (names []string) {
	for _, kind := range slices.Sorted(maps.Keys(ourHeaders)) {
		for _, name := range ourHeaders[kind] {
			names = append(names, strings.Replace(name, "$", prefix, 1))
		}
	}
	return names
}

// spellings are a name with a byte in place of each of its dashes, of all, and
// twice for each; in place of its middle and its last; and in front and behind.
func spellings(name, b string) (names []string) {
	middle := len(name) / 2
	names = []string{
		strings.ReplaceAll(name, "-", b), strings.ReplaceAll(name, "-", b+b), strings.ReplaceAll(name, "-", "-"+b),
		b + name, name + b, name[:middle] + b + name[middle+1:], name[:middle] + b + name[middle:], name[:len(name)-1] + b,
	}
	for i := range len(name) {
		if name[i] == '-' {
			names = append(names, name[:i]+b+name[i+1:])
		}
	}
	return names
}

// claims are fields with every byte in every header's name. Letters and digits
// make other names of nearly all, so that they have their turn at the identity.
func claims(prefix string) (fields []wireField) {
	sent := make(map[string]bool)
	add := func(name string) {
		lower := strings.ToLower(name)
		for _, kind := range []string{"credential", "connection"} { // those mean something to Caddy or to Keygate
			if slices.ContainsFunc(ourHeaders[kind], func(n string) bool { return strings.EqualFold(n, name) }) {
				return
			}
		}
		if !sent[lower] {
			sent[lower] = true
			fields = append(fields, wireField{name, fmt.Sprint("evil", len(fields))})
		}
	}
	for b := range strings.SplitSeq(nameBytes, "") {
		for _, name := range headersOf(prefix) {
			if strings.ContainsAny(b, "!#$%&'*+-.^_`|~") || strings.HasPrefix(name, prefix) && len(name) < 64 {
				for _, spelling := range spellings(name, b) {
					add(spelling)
				}
			}
		}
	}
	return fields
}

// nameSites are configs that differ in what names mean to them.
var nameSites = []struct{ name, prefix, options, servers string }{
	{"plain", "SocialPatra-", "", ""},
	{"prefix", "X-Acme-Co-", "identity_prefix X-Acme-Co-", ""},
	{"aliases", "SocialPatra-", "", "expected_underscore_headers My_* EXPECTED_\nexpected_dot_headers My.* EXPECTED."},
	{"trusted", "SocialPatra-", "", "trusted_proxies static 127.0.0.1/32"},
}

const nameSite = `{
	auto_https disable_redirects
	skip_install_trust
	keygate {
		store bbolt ./data/keygate.db
	}
	servers {
		max_header_size 1MB
		SERVERS
	}
}
http://:{$PORT}, https://gateway.test:{$TLS} {
	tls internal
	keygate {
		scope posts:read GET,POST /v1/posts
		public GET,POST /v1/status
		header X-API-Key
		OPTIONS
	}
	BACKEND
}
`

// expectedNames are the names of ours with sep for the dashes, as an operator
// could expect them from clients: all that begin like ours.
func expectedNames(prefix, sep string) string {
	var globs []string
	for _, name := range headersOf(prefix) {
		first, _, dashed := strings.Cut(name, "-")
		if glob := first + sep + "*"; dashed && !slices.Contains(globs, glob) {
			globs = append(globs, glob)
		}
	}
	return strings.Join(globs, " ")
}

// nameGateway sends names by each protocol.
type nameGateway struct {
	*gateway
	tls    string // the port of HTTP/2 and 3
	reader key
	token  string
}

func startNameGateway(t *testing.T, options, servers, backend string) *nameGateway {
	t.Helper()
	g := &nameGateway{tls: freePort(t)}
	config := strings.NewReplacer("OPTIONS", options, "SERVERS", servers, "BACKEND", backend).Replace(nameSite)
	g.gateway = startCaddy(t, config, "TLS="+g.tls)
	g.reader, g.token = g.createKey(t, "--scope", "posts:read", "--per-minute", "1000000", "--per-day", "1000000")
	awaitCertificate(t, "127.0.0.1:"+g.tls, attackHost)
	return g
}

func (g *nameGateway) send(protocol string, r wireRequest) (response, error) {
	switch protocol {
	case "h1":
		return sendHTTP1("tcp", strings.TrimPrefix(g.URL, "http://"), r)
	case "h2":
		return sendHTTP2("127.0.0.1:"+g.tls, r)
	default:
		return sendHTTP3("127.0.0.1:"+g.tls, r)
	}
}

var allProtocols = []string{"h1", "h2", "h3"}

// eachWay runs f for the protocols, with a key and on a public route.
func (g *nameGateway) eachWay(t *testing.T, protocols []string, f func(t *testing.T, protocol string, keyed bool, r wireRequest)) {
	for _, protocol := range protocols {
		t.Run(protocol+" public", func(t *testing.T) {
			f(t, protocol, false, wireRequest{Method: "GET", Target: "/v1/status"})
		})
		t.Run(protocol+" keyed", func(t *testing.T) {
			f(t, protocol, true, wireRequest{Method: "GET", Target: "/v1/posts", Fields: []wireField{{"Authorization", "Bearer " + g.token}}})
		})
	}
}

// No name that a client can write makes a header or a variable of ours, in
// front of a server that reads every byte but letters and digits as _.
func TestHeaderNames(t *testing.T) {
	t.Parallel()
	for _, site := range nameSites {
		t.Run(site.name, func(t *testing.T) {
			backend := startCGIBackend(t)
			servers := strings.Replace(site.servers, "EXPECTED_", expectedNames(site.prefix, "_"), 1)
			servers = strings.Replace(servers, "EXPECTED.", expectedNames(site.prefix, "."), 1)
			g := startNameGateway(t, site.options, servers, "reverse_proxy "+backend.addr)
			g.checkNames(t, allProtocols, backend, site.prefix, 2500, site.name == "trusted")
		})
	}
}

// identityOf is what a backend has to find, by the names of its variables.
func identityOf(prefix string, k key) map[string]string {
	return map[string]string{
		environmentName(prefix + "Workspace"): "acme",
		environmentName(prefix + "Key-Id"):    k.ID,
		environmentName(prefix + "Scopes"):    strings.Join(k.Scopes, " "),
	}
}

// wantOurs checks the lines that a server reads as ours: one of each identity
// header, and nothing that a client said.
func wantOurs(t *testing.T, lines []wireField, prefix string, k key, keyed, trusted bool) {
	t.Helper()
	want := make(map[string]string)
	if keyed {
		want = identityOf(prefix, k)
	}
	taken := takenNames(prefix, trusted)
	for _, f := range lines {
		env := environmentName(f.Name)
		if value, ok := want[env]; ok && value == f.Value && !strings.ContainsAny(f.Name, "_.") {
			delete(want, env)
			continue
		}
		if strings.HasPrefix(env, environmentName(prefix)) || taken[env] && (strings.Contains(f.Value, "evil") || strings.Contains(f.Value, "Bearer")) {
			t.Errorf("the backend saw %s: %s", f.Name, f.Value)
		}
		if strings.ContainsAny(f.Name, "!#$%&'*+^`|~") {
			t.Errorf("the backend saw the name %s", f.Name)
		}
	}
	for env := range want {
		t.Errorf("the backend did not see %s", env)
	}
}

// takenNames are the variables of all that Keygate sets or removes. What a
// trusted proxy says of the client goes on, as it wrote it.
func takenNames(prefix string, trusted bool) map[string]bool {
	taken := make(map[string]bool)
	for _, name := range headersOf(prefix) {
		taken[environmentName(name)] = true
	}
	if trusted {
		for _, name := range slices.Concat(ourHeaders["address"], ourHeaders["Caddy's"]) {
			delete(taken, environmentName(name))
		}
	}
	return taken
}

// wantEnvironment checks what a program finds.
func wantEnvironment(t *testing.T, env map[string]string, prefix string, k key, keyed, trusted bool) {
	t.Helper()
	if env["REQUEST_METHOD"] == "" {
		t.Fatalf("the program did not run: %v", env)
	}
	want := make(map[string]string)
	if keyed {
		want = identityOf(prefix, k)
	}
	for name, value := range want {
		if env[name] != value {
			t.Errorf("the program found %s=%s, want %s", name, env[name], value)
		}
	}
	taken := takenNames(prefix, trusted)
	for name, value := range env {
		if _, ok := want[name]; !ok && strings.HasPrefix(name, environmentName(prefix)) || taken[name] && strings.Contains(value, "evil") {
			t.Errorf("the program found %s=%s", name, value)
		}
	}
}

// The same where Caddy itself makes variables of headers, for FastCGI.
func TestHeaderNamesFastCGI(t *testing.T) {
	t.Parallel()
	app := startFastCGI(t)
	g := startNameGateway(t, "", "", "reverse_proxy "+app.addr+" {\ntransport fastcgi\n}")
	g.eachWay(t, allProtocols, func(t *testing.T, protocol string, keyed bool, r wireRequest) {
		for some := range slices.Chunk(claims("SocialPatra-"), 2500) {
			r := r
			r.Fields = slices.Concat(r.Fields, some)
			resp, err := g.send(protocol, r)
			if err != nil || resp.Status != http.StatusOK {
				t.Fatalf("answered %d %s, %v", resp.Status, resp.Body, err)
			}
			_, header, _ := app.takeOne(t)
			var lines []wireField
			for name, values := range header {
				for _, value := range values {
					lines = append(lines, wireField{name, value})
				}
			}
			wantOurs(t, lines, "SocialPatra-", g.reader, keyed, false)
		}
	})
}

// What the operator expects with _ or . is the backend's, as it was sent.
func TestExpectedHeaderNames(t *testing.T) {
	t.Parallel()
	backend := startCGIBackend(t)
	g := startNameGateway(t, "", "expected_underscore_headers My_* X_*\nexpected_dot_headers My.*", "reverse_proxy "+backend.addr)
	g.eachWay(t, allProtocols, func(t *testing.T, protocol string, _ bool, r wireRequest) {
		r.Fields = append(r.Fields, wireField{"My_Header", "mine"}, wireField{"My.Other-Header", "mine"}, wireField{"X_API_Keys", "mine"},
			wireField{"Unexpected_Header", "evil"}, wireField{"My~Header", "evil"}, wireField{"My_Own~Header", "evil"})
		if resp, err := g.send(protocol, r); err != nil || resp.Status != http.StatusOK {
			t.Fatalf("answered %d %s, %v", resp.Status, resp.Body, err)
		}
		got := make(map[string]int)
		for _, f := range backend.takeOne(t).lines {
			if f.Value == "mine" {
				got[strings.ToLower(f.Name)]++
			}
			if f.Value == "evil" {
				t.Errorf("the backend saw %s", f.Name)
			}
		}
		if want := map[string]int{"my_header": 1, "my.other-header": 1, "x_api_keys": 1}; !maps.Equal(got, want) {
			t.Errorf("the backend saw %v, want %v", got, want)
		}
	})
}

// A byte that no name may have makes no header of ours either, whether the
// request is refused or the byte ends the name.
func TestBytesOutsideHeaderNames(t *testing.T) {
	t.Parallel()
	backend := startCGIBackend(t)
	g := startNameGateway(t, "", "", "reverse_proxy "+backend.addr)
	g.eachWay(t, allProtocols, func(t *testing.T, protocol string, keyed bool, r wireRequest) {
		for c := range 256 {
			b := string([]byte{byte(c)})
			if strings.Contains(nameBytes, b) {
				continue
			}
			r := r
			r.Fields = append(slices.Clone(r.Fields), wireField{"SocialPatra" + b + "Workspace", "evil"})
			resp, err := g.send(protocol, r)
			seen := backend.take()
			if (err == nil && resp.Status < 400) != (len(seen) == 1) {
				t.Errorf("%q: answered %d, %v, and the backend saw %d requests", b, resp.Status, err, len(seen))
			}
			for _, s := range seen {
				wantOurs(t, s.lines, "SocialPatra-", g.reader, keyed, false)
			}
		}
	})
}

// Nor do trailers, which some servers read into the same variables.
func TestTrailerNames(t *testing.T) {
	t.Parallel()
	backend := startCGIBackend(t)
	g := startNameGateway(t, "", "", "reverse_proxy "+backend.addr)
	g.eachWay(t, allProtocols, func(t *testing.T, protocol string, _ bool, r wireRequest) {
		r.Method = "POST"
		var names []string
		for b := range strings.SplitSeq("!#$%&'*+-.^_`|~", "") {
			name := "SocialPatra" + b + "Workspace"
			names = append(names, name)
			r.Trailers = append(r.Trailers, wireField{name, "evil"})
		}
		if protocol == "h1" {
			r.Fields = append(r.Fields, wireField{"Trailer", strings.Join(names, ", ")})
		}
		resp, err := g.send(protocol, r)
		if err != nil || resp.Status != http.StatusOK {
			t.Fatalf("answered %d %s, %v", resp.Status, resp.Body, err)
		}
		if seen := backend.takeOne(t); len(seen.trailers) > 0 {
			t.Errorf("the backend saw the trailers %v", seen.trailers)
		}
	})
}
