package openapi_test

import (
	"strings"
	"testing"

	"github.com/socialpatra/keygate/access/openapi"
)

func TestPatterns(t *testing.T) {
	const (
		ambiguous = "ambiguous_path: every request with such a path is refused: The path has "
		elsewhere = "; serve it at another path"
		byHand    = "; write its route in keygate, with what it needs in place of deny: deny GET "
		strictest = ", with what the strictest of its operations needs"
		chars     = "; accepted in a segment: A-Z a-z 0-9 and - . _ ~ ! $ & ' ( ) + , = : @, or {name} for any one segment"
	)
	tests := map[string]string{
		"/{a}{b}.{c*}*/x{d}{e}":   `unmappable: pattern "/{a}{b}.{c_}*/x{d}{e}" has the segment "{a}{b}.{c_}*", where nothing tells where one name ends; accepted: text between two names, such as {a}-{b}` + byHand + "/{a}.{c_}/x{d}",
		"/":                       "GET / public",
		"/a/":                     "GET /a/ public",
		"/a.b~c_d:e@f!g":          "GET /a.b~c_d:e@f!g public",
		"/{id}":                   "GET /{id} public",
		"/{id}/":                  "GET /{id}/ public",
		"/{post id}/{a.b}/{ä}":    "GET /{post_id}/{a_b}/{p_} public",
		"/{1}/{_}/{-a}/{}":        "GET /{p1}/{p_}/{p-a}/{p} public",
		"/{a.b}/{a_b}/{a b}":      "GET /{a_b}/{a_b2}/{a_b3} public",
		"/{a}/{a}/{a2}":           "GET /{a}/{a2}/{a23} public",
		"/{proxy+}":               "GET /{proxy_} public",
		"/files/*":                "GET /files/* public",
		"/files/{name}.{ext}":     "GET /files/{name}.{ext} public",
		"/posts/{id}:publish":     "GET /posts/{id}:publish public",
		"/v{version}/a":           "GET /v{version}/a public",
		"/users/{id?}":            "GET /users/{id_} public",
		"/{a}{b}":                 `unmappable: pattern "/{a}{b}" has the segment "{a}{b}", where nothing tells where one name ends; accepted: text between two names, such as {a}-{b}` + byHand + "/{a}",
		"/{{a}}":                  `unmappable: pattern "/{p_a}}" has the segment "{p_a}}"; accepted: {name} with or without text around it, or a final * as a whole segment` + elsewhere,
		"/a{b":                    `unmappable: pattern "/a{b" has the segment "a{b"; accepted: {name} of letters, digits, - and _, starting with a letter` + elsewhere,
		"/{a/b}":                  `unmappable: pattern "/{a/b}" has the segment "{a"; accepted: {name} of letters, digits, - and _, starting with a letter` + elsewhere,
		"/*/a":                    `unmappable: pattern "/*/a" has a * that is not at the end; accepted there: {name}, for one segment` + byHand + "/{any}/a",
		"/*/":                     `unmappable: pattern "/*/" has a * that is not at the end; accepted there: {name}, for one segment` + byHand + "/{any}/",
		"/a*":                     `unmappable: pattern "/a*" has the segment "a*"; accepted: {name} with or without text around it, or a final * as a whole segment` + byHand + "/a{any}",
		"/a%20b":                  `unmappable: pattern "/a%20b" has the segment "a%20b", and patterns are not percent-encoded; accepted in a segment: A-Z a-z 0-9 and - . _ ~ ! $ & ' ( ) + , = : @, or {name}` + elsewhere,
		"/a b":                    `unmappable: pattern "/a b" has the segment "a b"` + chars + elsewhere,
		"/é":                      `unmappable: pattern "/\u00e9" has the segment "\u00e9"` + chars + elsewhere,
		"/a[0]":                   `unmappable: pattern "/a[0]" has the segment "a[0]"` + chars + elsewhere,
		"/a?b=c":                  `unmappable: what clients send is "GET /a", as what follows is a query, which no route looks at; write the path as "/a"` + strictest,
		"/a/{b}#c":                `unmappable: what clients send is "GET /a/{b}", as what follows is a fragment, which clients do not send; write the path as "/a/{b}"` + strictest,
		"/{a?}/{b#}#{c}":          `unmappable: what clients send is "GET /{a?}/{b#}", as what follows is a fragment, which clients do not send; write the path as "/{a?}/{b#}"` + strictest,
		"//a":                     ambiguous + "an empty segment (//). Send it with single slashes" + elsewhere,
		"/a//":                    ambiguous + "an empty segment (//). Send it with single slashes" + elsewhere,
		"/a/../b":                 ambiguous + "a . or .. segment. Send the path that it leads to" + elsewhere,
		"/.":                      ambiguous + "a . or .. segment. Send the path that it leads to" + elsewhere,
		"/a;b={c}":                ambiguous + "a semicolon, as it is or percent-encoded. Send the path without it" + elsewhere,
		`/a\b`:                    ambiguous + "a backslash, as it is or percent-encoded. Send the path without it" + elsewhere,
		"/a%2Fb":                  ambiguous + "a percent-encoded slash (%2F). Send the path without it" + elsewhere,
		"/a%41":                   ambiguous + "a letter, a digit or one of - . _ ~ in percent-encoded form. Send these characters as they are" + elsewhere,
		"/a%":                     ambiguous + "a % that two hexadecimal digits do not follow. Percent-encode the path again" + elsewhere,
		"/a\tb":                   ambiguous + "a control character, as it is or percent-encoded. Send the path without it" + elsewhere,
		"/a/{b}//{c}.{d}":         ambiguous + "an empty segment (//). Send it with single slashes" + elsewhere,
		strings.Repeat("/a", 600): `unmappable: pattern "` + strings.Repeat("/a", 32) + `"… has 1200 bytes; accepted: at most 1024` + elsewhere,
	}
	for path, want := range tests {
		t.Run(path[:min(len(path), 20)], func(t *testing.T) {
			d := mustRead(t, map[string]string{"openapi.json": `{"openapi": "3.1.0", "paths": {` + jsonText(t, path) + `: {"get": {"security": []}}}}`}, openapi.Options{})
			if got := outcome(&d.Operations[0]); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
			if d.Operations[0].Path != path {
				t.Errorf("Path = %q", d.Operations[0].Path)
			}
		})
	}
}

func TestPathWithoutSlash(t *testing.T) {
	refused(t, one("openapi: 3.1.0\nservers: [{url: /v1}]\npaths:\n  posts: {get: {security: []}}\n"), openapi.Options{},
		`openapi.yaml:4: path "posts" does not start with a slash`)
}

// serversDocument has servers at each level; the operations are in lines 6 to 8.
func serversDocument(document, path, operation string) map[string]string {
	return one(`openapi: 3.1.0
` + document + `
paths:
  /a:
    ` + path + `
    get:
      security: []
      ` + operation + `
    put: {security: []}
`)
}

func TestServers(t *testing.T) {
	tests := map[string]struct{ document, path, operation, basePath, get, put string }{
		"none":               {"", "", "", "", "/a", "/a"},
		"host":               {"servers: [{url: 'https://example.com'}]", "", "", "", "/a", "/a"},
		"root":               {"servers: [{url: /}]", "", "", "", "/a", "/a"},
		"path":               {"servers: [{url: 'https://example.com:8443/v1/x'}]", "", "", "", "/v1/x/a", "/v1/x/a"},
		"relative":           {"servers: [{url: /v1}]", "", "", "", "/v1/a", "/v1/a"},
		"no scheme":          {"servers: [{url: //example.com/v1}]", "", "", "", "/v1/a", "/v1/a"},
		"slashes":            {"servers: [{url: 'https://example.com/v1//'}]", "", "", "", "/v1/a", "/v1/a"},
		"empty":              {"servers: []", "", "", "", "/a", "/a"},
		"variables":          {"servers: [{url: '{s}://{h}/{v}', variables: {s: {default: https}, h: {default: 'a:1'}, v: {default: v1/x}}}]", "", "", "", "/v1/x/a", "/v1/x/a"},
		"several alike":      {"servers: [{url: 'https://a/v1'}, {url: 'https://b/v1/'}, {url: /v1}]", "", "", "", "/v1/a", "/v1/a"},
		"of the path":        {"servers: [{url: /v1}]", "servers: [{url: /v2}]", "", "", "/v2/a", "/v2/a"},
		"of the operation":   {"servers: [{url: /v1}]", "servers: [{url: /v2}]", "servers: [{url: /v3}]", "", "/v3/a", "/v2/a"},
		"empty of operation": {"servers: [{url: /v1}]", "", "servers: []", "", "/v1/a", "/v1/a"},
		"given":              {"servers: [{url: /v1}]", "servers: [{url: /v2}]", "servers: [{url: /v3}]", "/x/", "/x/a", "/x/a"},
		"given root":         {"servers: [{url: /v1}, {url: /v2}]", "", "", "/", "/a", "/a"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			d := mustRead(t, serversDocument(tt.document, tt.path, tt.operation), openapi.Options{BasePath: tt.basePath})
			for i, want := range []string{tt.get, tt.put} {
				if o := d.Operations[i]; o.Path != want || o.Route.Pattern != want {
					t.Errorf("%s: path %s, pattern %s, want %s", o.Method, o.Path, o.Route.Pattern, want)
				}
			}
		})
	}
}

func TestServersRefused(t *testing.T) {
	const accepted = "; accepted: a URL such as https://api.example.com/v1, or /v1; or set base_path"
	tests := map[string]struct{ servers, want string }{
		"different":      {"[{url: /v1},\n {url: /v1},\n {url: /v2}]", `4: server has the path "/v2", and one before it "/v1"; set base_path to the one that the backend gets`},
		"no list":        {"{url: /v1}", "2: servers is no list"},
		"no mapping":     {"[/v1]", "2: server is no mapping of keys to values"},
		"no url":         {"[{}]", "2: server has no url" + accepted},
		"no text":        {"[{url: 1}]", "2: url is no text" + accepted},
		"empty":          {"[{url: ''}]", `2: url "" has no host and no path that starts with a slash` + accepted},
		"relative":       {"[{url: v1}]", `2: url "v1" has no host and no path that starts with a slash` + accepted},
		"dot":            {"[{url: ./v1}]", `2: url "./v1" has no host and no path that starts with a slash` + accepted},
		"opaque":         {"[{url: 'mailto:a'}]", `2: url "mailto:a" is no URL` + accepted},
		"broken":         {"[{url: 'https://a:b/v1'}]", `2: url "https://a:b/v1" is no URL` + accepted},
		"undeclared":     {"[{url: '/{v}'}]", `2: url has the variable "v", which the server does not declare` + accepted},
		"undeclared two": {"[{url: '/{v}', variables: {w: {default: x}}}]", `2: url has the variable "v", which the server does not declare` + accepted},
		"no default":     {"[{url: '/{v}',\n variables: {v: {enum: [a]}}}]", `3: variable "v" has no default` + accepted},
		"default":        {"[{url: '/{v}',\n variables: {v: {default: 1}}}]", `3: the default of variable "v" is no text` + accepted},
		"variables":      {"[{url: '/{v}',\n variables: [v]}]", `3: variables is no mapping of keys to values`},
		"long":           {"[{url: '/" + strings.Repeat("{v}", 103) + "', variables: {v: {default: 0123456789}}}]", `2: the default of variable "v" is no text` + accepted},
		"longer":         {"[{url: '/" + strings.Repeat("{v}", 103) + "', variables: {v: {default: abcdefghij}}}]", `2: url is too long; accepted: at most 1024 bytes`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			refused(t, serversDocument("servers: "+tt.servers, "", ""), openapi.Options{}, "openapi.yaml:"+tt.want)
		})
	}
	t.Run("base_path", func(t *testing.T) {
		refused(t, serversDocument("", "", ""), openapi.Options{BasePath: "v1"},
			`base_path: "v1" is no path; accepted: / or a path such as /v1, of at most 1024 bytes`)
	})
}

func TestOurKeys(t *testing.T) {
	const (
		cost  = "openapi.yaml:17: x-keygate-cost is not what a request can cost; accepted: a whole number, 1 to 1000"
		known = " is not known; accepted: x-keygate-cost and x-keygate-websocket"
	)
	tests := map[string]struct{ keys, want string }{
		"zero":              {"x-keygate-cost: 0", cost},
		"too much":          {"x-keygate-cost: 1001", cost},
		"negative":          {"x-keygate-cost: -1", cost},
		"fraction":          {"x-keygate-cost: 5.0", cost},
		"text":              {"x-keygate-cost: '5'", cost},
		"hexadecimal":       {"x-keygate-cost: 0x5", cost},
		"null":              {"x-keygate-cost: ", cost},
		"list":              {"x-keygate-cost: [5]", cost},
		"websocket, number": {"x-keygate-websocket: 1", "openapi.yaml:17: x-keygate-websocket is neither true nor false"},
		"websocket, text":   {"x-keygate-websocket: 'true'", "openapi.yaml:17: x-keygate-websocket is neither true nor false"},
		"websocket, yes":    {"x-keygate-websocket: yes", "openapi.yaml:17: x-keygate-websocket is neither true nor false"},
		"typo":              {"x-keygate-costs: 5", `openapi.yaml:17: "x-keygate-costs"` + known},
		"no dash":           {"x-keygate: 5", `openapi.yaml:17: "x-keygate"` + known},
		"case":              {"X-Keygate-Cost: 5", `openapi.yaml:17: "X-Keygate-Cost"` + known},
		"right":             {"x-keygate-cost: 12, x-keygate-websocket: true, x-other-cost: 5, x-key: 1", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			files := operationWith("security: [], " + tt.keys)
			if tt.want != "" {
				refused(t, files, openapi.Options{}, tt.want)
				return
			}
			r := mustRead(t, files, openapi.Options{}).Operations[0].Route
			if r.Cost != 12 || !r.WebSocket {
				t.Errorf("cost %d, websocket %v", r.Cost, r.WebSocket)
			}
		})
	}
	t.Run("JSON", func(t *testing.T) {
		for value, ok := range map[string]bool{"1": true, "1000": true, "5e0": false, "5.0": false, `"5"`: false, "true": false, "null": false, "-0": false} {
			_, err := openapi.Read(write(t, map[string]string{"openapi.json": `{"openapi": "3.1.0", "paths": {"/a": {"get": {"security": [], "x-keygate-cost": ` + value + `}}}}`}), openapi.Options{})
			if (err == nil) != ok {
				t.Errorf("%s: %v", value, err)
			}
		}
	})
	t.Run("websocket with post", func(t *testing.T) {
		refused(t, one("openapi: 3.1.0\npaths: {/a: {post: {x-keygate-websocket: true}}}"), openapi.Options{},
			"openapi.yaml:2: x-keygate-websocket is for post; accepted: with get")
	})
	t.Run("in the path", func(t *testing.T) {
		refused(t, one("openapi: 3.1.0\npaths: {/a: {get: {}, x-keygate-cost: 5}}"), openapi.Options{},
			`openapi.yaml:2: "x-keygate-cost" is beside the operations; accepted: in each operation that it is for`)
	})
}
