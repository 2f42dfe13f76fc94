package command

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/socialpatra/keygate/adminapi"
)

func writeConfig(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// A handler counts wherever a config may have it.
func TestReadConfigFindsAllHandlers(t *testing.T) {
	path := writeConfig(t, "Caddyfile", `&(named) {
	keygate {
		public GET /named
	}
}
:8001 {
	keygate {
		public GET /plain
	}
	handle /nested/* {
		route {
			keygate {
				public GET /nested/deep
				header X-API-Key
			}
		}
	}
	handle_errors {
		keygate {
			public GET /errors
		}
	}
	invoke named
}
:8002 {
	keygate /matched/* {
		public GET /matched/a
	}
}
`)
	gateways, err := readConfig(path, "")
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[string]string)
	for _, g := range gateways {
		for _, route := range g.Policy.Table.Routes() {
			found[route.Pattern] = route.Source + g.Header
		}
	}
	for pattern, want := range map[string]string{
		"/named": "Caddyfile:3", "/plain": "Caddyfile:8", "/nested/deep": "Caddyfile:13X-Api-Key",
		"/errors": "Caddyfile:20", "/matched/a": "Caddyfile:27",
	} {
		if found[pattern] != want {
			t.Errorf("%s is from %q, want %q", pattern, found[pattern], want)
		}
	}
	if len(gateways) != 5 {
		t.Errorf("%d handlers", len(gateways))
	}
}

func TestReadConfigRefuses(t *testing.T) {
	handler := func(fields string) string {
		return `{"apps":{"http":{"servers":{"x":{"routes":[{"handle":[{"handler":"keygate",` + fields + `}]}]}}}}}`
	}
	const route = `"routes":[{"methods":["GET"],"path":"/a","access":"public"}]`
	tests := map[string]struct{ name, text, want string }{
		"an unknown field":   {"c.json", handler(route + `,"hedaer":"X"`), "hedaer"},
		"a bad value":        {"c.json", handler(route + `,"errors":"none"`), `errors "none" is not accepted`},
		"no route":           {"c.json", handler(`"header":"X-Key"`), "the route table is empty"},
		"a missing document": {"c.json", handler(`"openapi":[{"file":"none.yaml"}]`), "openapi none.yaml: the document cannot be read"},
		"an empty name":      {"c.json", handler(`"openapi":[{"file":"{env.KEYGATE_NOT_SET}"}]`), `the path of the openapi document, "{env.KEYGATE_NOT_SET}", is empty`},
		"no keygate":         {"c.json", `{"apps":{}}`, "has no keygate handler"},
		"a mistake":          {"Caddyfile", ":80 {\n\tkeygate {\n\t\tscopes\n\t}\n}\n", "unrecognized keygate option 'scopes'"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			path := writeConfig(t, tt.name, tt.text)
			_, err := readConfig(path, "")
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("readConfig = %v, want %q", err, tt.want)
			}
		})
	}
}

// Caddy provisions its servers in no order.
func TestRoutesTellGatewaysApart(t *testing.T) {
	path := writeConfig(t, "Caddyfile", `:8001 {
	keygate {
		public GET /b
		public GET /a
	}
}
:8002 {
	keygate {
		public GET /a
	}
}
`)
	gateways, err := readConfig(path, "")
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		var got []string
		for _, r := range adminapi.RoutesOf(gateways).Routes {
			got = append(got, strings.Repeat("#", r.Gateway)+r.Path+" "+r.Source)
		}
		if want := "#/a Caddyfile:4, #/b Caddyfile:3, ##/a Caddyfile:9"; strings.Join(got, ", ") != want {
			t.Errorf("routes are %q, want %q", strings.Join(got, ", "), want)
		}
		slices.Reverse(gateways)
	}
}

// routes says of each gateway, in lines of their own, what else decides there.
func TestRoutesTellModes(t *testing.T) {
	path := writeConfig(t, "Caddyfile", `:8001 {
	keygate {
		scope posts:read GET /a cost=3
		public GET /b
		deny GET /c
		mode report
		foreign pass
	}
	respond ok
}
`)
	got := person{}.mustRun(t, "routes", path)
	for _, want := range []string{
		"\n\nGateway 1 is in mode report: nothing of this is enforced, only keys that have ended are refused.\n",
		"\n\nGateway 1 has foreign pass: requests without a key pass too, to all that is not denied.\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if strings.Contains(got, `\n`) {
		t.Errorf("an escaped line end in\n%s", got)
	}
}
