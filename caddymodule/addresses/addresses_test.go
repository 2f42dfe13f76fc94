package addresses

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/caddyserver/caddy/v2"

	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp" // the module that the config has
)

func TestParse(t *testing.T) {
	for address, want := range map[string]string{
		"":                        "[]",
		":8080":                   "[[::]:8080]",
		"127.0.0.1:8080":          "[127.0.0.1:8080]",
		"tcp4/127.0.0.1:80-82":    "[127.0.0.1:80 127.0.0.1:81 127.0.0.1:82]",
		"[::1]:80":                "[[::1]:80]",
		"localhost:2019":          "[127.0.0.1:2019]",
		"unix//run/a.sock":        "[/run/a.sock]",
		"unix//run/a.sock|0600":   "[/run/a.sock]",
		"unix/@abstract":          "[]",
		"unixgram//run/a.sock":    "[]",
		"udp/:80":                 "[]",
		"fd/3":                    "[]",
		":0":                      "[]",
		"127.0.0.1:90000":         "[]",
		"no port at all/:x:y:z:0": "[]",
	} {
		if got := fmt.Sprint(Parse(address)); got != want {
			t.Errorf("%s: %s, want %s", address, got, want)
		}
	}
}

// Caddy still has the address where it is looked for: this fails when it no
// longer does.
func TestAdminAddress(t *testing.T) {
	t.Setenv("KEYGATE_TEST_ADMIN", "127.0.0.1:7777")
	for config, want := range map[string]string{
		`{"admin":{"listen":"unix//run/a.sock|0600"}}`:       "unix//run/a.sock|0600",
		`{"admin":{"listen":"{env.KEYGATE_TEST_ADMIN}"}}`:    "127.0.0.1:7777",
		`{"admin":{"disabled":true,"listen":"localhost:1"}}`: "",
		`{"admin":{}}`: caddy.DefaultAdminListen,
		`{"admin":{"listen":"localhost:1","origins":["a:1"]}}`: "localhost:1",
	} {
		var c caddy.Config
		if err := json.Unmarshal([]byte(config), &c); err != nil {
			t.Fatal(err)
		}
		ctx, err := caddy.ProvisionContext(&c)
		if err != nil {
			t.Fatal(err)
		}
		if got := adminAddress(ctx); got != want {
			t.Errorf("%s: %q, want %q", config, got, want)
		}
	}
	if got := adminAddress(caddy.Context{}); got != "" {
		t.Errorf("without a config: %q", got)
	}
}
