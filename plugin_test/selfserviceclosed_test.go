package plugin_test

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// closedSite has a console that takes everything from headers and one that takes
// it from the query, as no site should, so that a test can say what comes out; and
// some with what never has a value.
const closedSite = `
{
	keygate {
		store bbolt ./data/keygate.db
	}
}
(console) {
	keygate_console {
		base {args[0]}
		workspace {args[1]}
		actor {args[2]}
		per_minute default={args[3]} max={args[4]}
		per_day default={args[5]} max={args[6]}
		keys max={args[7]}
		expiry default={args[8]} max={args[9]}
	}
}
:{$PORT} {
	import console /headers {header.W} {header.A} {header.MD} {header.M} {header.DD} {header.D} {header.K} {header.ED} {header.E}
	import console /query {query.W} {query.A} {query.MD} {query.M} {query.DD} {query.D} {query.K} {query.ED} {query.E}
	import console /parts a{header.W} {header.A}{header.B} 1 1{header.M} 1 1 1 1d 9{header.E}
	import console /no-workspace {http.auth.user.workspace} ada 1 1 1 1 1 1d 1d
	import console /no-variable {vars.nothing} ada 1 1 1 1 1 1d 1d
	import console /no-environment {env.KEYGATE_TEST_NOT_SET} ada 1 1 1 1 1 1d 1d
	import console /no-actor acme {http.reverse_proxy.header.X-User} 1 1 1 1 1 1d 1d
	import console /no-plan acme ada 1 {plan_per_minute} 1 1 1 1d 1d
	import console /no-plan-keys acme ada 1 1 1 1 {plan_keys} 1d 1d
	import console /no-file {file./nothing/there} ada 1 1 1 1 1 1d 1d
	import console /half {header.W ada 1 1 1 1 1 1d 1d
	keygate_console {
		base /default-actor
		workspace acme
	}
}
`

// good is what lets a caller in.
var good = map[string]string{"W": "acme", "A": "ada", "MD": "1", "M": "600", "DD": "1", "D": "10000", "K": "25", "ED": "1d", "E": "90d"}

// places are what there is below a base.
var places = []string{
	"", "/", "/new", "/ID", "/ID/rotate", "/nothing", "/api", "/api/", "/api/keys", "/api/keys/ID", "/api/keys/ID/rotate", "/api/keys/ID/revoke",
	"/api/keys/ID/disable", "/api/keys/ID/enable", "/api/keys/ID/usage", "/api/policy", "/api/scopes", "/api/openapi.yaml", "/api/explain",
	"/api/audit", "/api/workspaces", "/api/health", "/api/nothing", "//api/keys", "/api/../api/keys",
}

// closer asks for all places below a base, with all methods: for each caller it
// takes some of them, in turn.
type closer struct {
	*gateway
	callers int
}

// closed asks as one caller, and is refused.
func (g *closer) closed(t *testing.T, base, query string, k key, headers ...string) {
	t.Helper()
	const keys = "/keygate/keys?limit=1000"
	before := g.adminDo(t, "GET", keys, "").Body
	g.callers++
	for i, place := range places {
		for j, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY"} {
			if (i+j+g.callers)%7 != 0 {
				continue
			}
			body := `{"name":"n","scopes":["posts:read"]}`
			if method == "GET" || method == "HEAD" {
				body = ""
			}
			resp := g.do(t, method, base+strings.ReplaceAll(place, "ID", k.ID)+query, body, append([]string{"Content-Type: application/json"}, headers...)...)
			if resp.Status != http.StatusForbidden || resp.Header.Get("Cache-Control") != "no-store" || strings.Contains(resp.Body, k.ID) {
				t.Errorf("%s %s%s: %d %q %s", method, base, place, resp.Status, resp.Header.Get("Cache-Control"), resp.Body)
				return
			}
		}
	}
	if after := g.adminDo(t, "GET", keys, "").Body; after != before {
		t.Errorf("there are keys\n%s\nbefore\n%s", after, before)
	}
}

// goodBut returns what is good but for one value, or several for one name.
func goodBut(name string, values ...string) url.Values {
	all := make(url.Values)
	for other, value := range good {
		all.Set(other, value)
	}
	delete(all, name)
	for _, value := range values {
		all.Add(name, value)
	}
	return all
}

func asHeaders(values url.Values) (headers []string) {
	for _, name := range slices.Sorted(maps.Keys(values)) {
		for _, value := range values[name] {
			headers = append(headers, http.CanonicalHeaderKey(name)+": "+value)
		}
	}
	return headers
}

// Whoever is not one caller of one workspace, with bounds that are all there, may
// do nothing at all.
func TestConsoleFailsClosed(t *testing.T) {
	t.Parallel()
	g := &closer{gateway: startCaddy(t, closedSite)}
	k, token := g.createKey(t, "--scope", "posts:read")

	if resp := g.do(t, "GET", "/headers/api/policy", "", asHeaders(goodBut(""))...); resp.Status != http.StatusOK || !strings.Contains(resp.Body, `"max":600`) {
		t.Fatalf("a good caller: %d %s", resp.Status, resp.Body)
	}
	if resp := g.do(t, "GET", "/headers/api/keys/"+k.ID, "", asHeaders(goodBut(""))...); resp.Status != http.StatusOK {
		t.Fatalf("a good caller's key: %d %s", resp.Status, resp.Body)
	}
	// The API knows no such parameters, so who is let in is told that.
	if resp := g.do(t, "GET", "/query/api/policy?"+goodBut("").Encode(), ""); resp.Status != http.StatusBadRequest {
		t.Fatalf("a good query: %d %s", resp.Status, resp.Body)
	}

	bad := map[string][][]string{
		"W": {
			nil,
			{""},
			{"acme,globex"},
			{"acme", "acme"},
			{"acme", "globex"},
			{"", "acme"},
			{"*"},
			{"acme*"},
			{"**"},
			{"%2a"},
			{strings.Repeat("a", 65)},
			{"acme globex"},
			{"acme/globex"},
			{".acme"},
			{"-acme"},
			{"ácme"},
			{"{http.request.header.W}"},
			{"acme;"},
			{`"acme"`},
			{"acme|globex"},
			{"[acme]"},
		},
		"A": {
			nil, {""}, {strings.Repeat("a", 201)}, {"a  b"}, {"a\u200bb"}, {"a\u202eb"}, {"\u00ad"}, {"\xff"}, {token}, {"is " + token}, {"\ufeffa"},
		},
	}
	for _, name := range []string{"M", "MD", "D", "DD", "K"} {
		bad[name] = [][]string{
			nil, {""}, {"0"}, {"-1"}, {"1e3"}, {"+5"}, {"1_000"}, {"0x10"}, {"5.0"}, {"5", "6"}, {"٣"}, {"NaN"}, {"1000000001"}, {"99999999999999999999"}, {"5,6"}, {"5d"}, {"unlimited"},
		}
	}
	for _, name := range []string{"E", "ED"} {
		bad[name] = [][]string{nil, {""}, {"0d"}, {"-1d"}, {"90"}, {"90D"}, {"3651d"}, {"d"}, {"90 d"}, {"1e1d"}, {"9d", "9d"}, {"never"}, {"90dd"}, {"2160h"}}
	}
	for name, lists := range bad {
		for _, values := range lists {
			t.Run(fmt.Sprintf("header %s %q", name, values), func(t *testing.T) {
				g.closed(t, "/headers", "", k, asHeaders(goodBut(name, values...))...)
			})
		}
	}
	// A header has no blanks around it, and no control characters.
	bad = map[string][][]string{
		"W": {{" acme"}, {"acme "}, {"acme\n"}, {"acme\x00"}, {"\x00"}, {"acme\x00globex"}, {"acme\r\nW: *"}, {"acme\t"}},
		"A": {{" ada"}, {"ada "}, {"a\x00"}, {"a\nb"}, {"a\x1b[31m"}, {"a\u0085"}, {"a\u2028b"}, {"\t"}},
		"M": {{" 5"}, {"600 "}, {"600\n"}, {"\x00600"}, {"600\x00"}},
		"K": {{" 5"}, {"5\t"}},
		"E": {{" 90d"}, {"90d "}, {"90d\n"}},
	}
	for name, lists := range bad {
		for _, values := range lists {
			t.Run(fmt.Sprintf("query %s %q", name, values), func(t *testing.T) {
				g.closed(t, "/query", "?"+goodBut(name, values...).Encode(), k)
			})
		}
	}
	for _, base := range []string{"no-workspace", "no-variable", "no-environment", "no-actor", "no-plan", "no-plan-keys", "no-file", "half", "default-actor"} {
		t.Run(base, func(t *testing.T) {
			g.closed(t, "/"+base, "", k, asHeaders(goodBut(""))...)
		})
	}
	for name, headers := range map[string][]string{
		"no part":            {"A: a", "B: b", "M: 0", "E: 0d"},
		"no part of a name":  {"W: cme", "A: a", "M: 0", "E: 0d"},
		"no part of a bound": {"W: cme", "A: a", "B: b", "E: 0d"},
	} {
		t.Run(name, func(t *testing.T) { g.closed(t, "/parts", "", k, headers...) })
	}
	if resp := g.do(t, "GET", "/parts/api/policy", "", "W: cme", "A: a", "B: b", "M: 0", "E: 0d"); resp.Status != http.StatusOK || !strings.Contains(resp.Body, `"workspace":"acme","actor":"ab"`) {
		t.Errorf("all parts: %d %s", resp.Status, resp.Body)
	}
}
