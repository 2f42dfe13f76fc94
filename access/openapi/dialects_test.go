package openapi_test

import (
	"strings"
	"testing"

	"github.com/socialpatra/keygate/access/openapi"
)

// $self names a document (OpenAPI 3.2.0 §4.1) and moves nothing: what a $ref
// names is looked for beside the file, and fetched from nowhere.
func TestSelfMovesNothing(t *testing.T) {
	const self = "openapi: 3.2.0\n$self: https://self.example/api/openapi\nsecurity: []\npaths:\n"
	d := mustRead(t, map[string]string{
		"openapi.yaml": self + "  /a: {$ref: 'paths/a.yaml'}\n  /b: {$ref: '#/components/pathItems/b'}\ncomponents: {pathItems: {b: {put: {}}}}\n",
		"paths/a.yaml": "get: {}\n",
	}, openapi.Options{})
	if got, want := operations(d), "paths/a.yaml:1 GET /a -> GET /a public\nopenapi.yaml:7 PUT /b -> PUT /b public\n"; got != want {
		t.Errorf("operations:\n%s\nwant:\n%s", got, want)
	}
	refused(t, one(self+"  /a: {$ref: 'https://self.example/api/openapi#/components/pathItems/b'}\n"), openapi.Options{},
		`openapi.yaml:5: $ref "https://self.example/api/openapi#/components/pathItems/b" is a URL, and nothing is fetched; accepted: #/components/… or a file in the folder of the document, such as paths/posts.yaml or paths/posts.yaml#/item`)
}

// The scopes of every flow are declared, that of devices (OpenAPI 3.2.0 §4.28)
// and those of later versions among them, and what oauth2MetadataUrl leads to is
// not looked at.
func TestDeviceAuthorizationDeclares(t *testing.T) {
	text := strings.Replace(schemes, "openapi: 3.1.0", "openapi: 3.2.0", 1)
	text = strings.Replace(text, "oauth: {type: oauth2, flows: {}}", `oauth: {type: oauth2, oauth2MetadataUrl: "https://a.example/m", flows: {deviceAuthorization: {deviceAuthorizationUrl: "https://a.example/d", tokenUrl: "https://a.example/t", scopes: {"tv:read": "", "tv:write": ""}}, x-other: {scopes: {"no:such": ""}}, clientCredentials: {scopes: {"tv:read": "", "bot:read": ""}}}}`, 1)
	d := mustRead(t, one(text+"security: [{oauth: ['tv:read']}]\npaths: {/a: {get: {}}}\n"), openapi.Options{})
	var declared []string
	for _, s := range d.Declared {
		declared = append(declared, s.Scope)
	}
	if got := strings.Join(declared, " "); got != "tv:read tv:write bot:read" {
		t.Errorf("declared are %s", got)
	}
	if got := outcome(&d.Operations[0]); got != "GET /a tv:read" {
		t.Errorf("the operation becomes %s", got)
	}
}

// Of servers with several paths that of most operations is proposed, of as many
// the first, and then the document is read.
func TestProposeBasePath(t *testing.T) {
	tests := map[string]struct{ servers, paths, want string }{
		"one":                  {"[{url: /v1}]", "{/a: {get: {}}}", " /v1/a"},
		"the same":             {"[{url: /v1}, {url: 'https://a.example/v1/'}]", "{/a: {get: {}}}", " /v1/a"},
		"two":                  {"[{url: /v1}, {url: /v2}]", "{/a: {get: {}}}", "/v1 /v1/a"},
		"the root":             {"[{url: 'https://a.example'}, {url: /v2}]", "{/a: {get: {}}}", "/ /a"},
		"of most operations":   {"[{url: /v1}, {url: /v2}]", "{/a: {servers: [{url: /v3}], get: {}, put: {}}, /b: {get: {}}}", "/v3 /v3/a /v3/a /v3/b"},
		"of as many":           {"[{url: /v1}, {url: /v2}]", "{/a: {get: {}}, /b: {servers: [{url: /v3}], get: {}}}", "/v1 /v1/a /v1/b"},
		"of a path":            {"[{url: /v1}]", "{/a: {servers: [{url: /v3}, {url: /v4}], get: {}}, /b: {get: {}, put: {}}}", "/v1 /v1/a /v1/b /v1/b"},
		"of an operation":      {"[{url: /v1}]", "{/a: {get: {servers: [{url: /v3}, {url: /v4}]}}}", "/v3 /v3/a"},
		"of operations, apart": {"[{url: /v1}]", "{/a: {get: {servers: [{url: /v3}]}, put: {}}}", " /v3/a /v1/a"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			path := write(t, one("openapi: 3.1.0\nsecurity: []\nservers: "+tt.servers+"\npaths: "+tt.paths+"\n"))
			d, proposal, err := openapi.Propose(path)
			if err != nil {
				t.Fatal(err)
			}
			pasted, err := openapi.Read(path, proposal.Options)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range []*openapi.Document{d, pasted} {
				got := proposal.Options.BasePath
				for _, o := range d.Operations {
					got += " " + o.Path
				}
				if got != tt.want {
					t.Errorf("proposed and read is %q, want %q", got, tt.want)
				}
			}
		})
	}
}
