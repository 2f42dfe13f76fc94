package main

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the goldens anew")

// some are credentials as small as a config needs to be read.
var some = []credential{
	{token: "patra_000000000000_000000000000000000000000000000001Dk7q8", id: "000000000000", scopes: []string{"media:upload", "posts:read"}},
	{token: "patra_7Hk2Qp9aX3bC_0123456789ABCDEFGHIJKLMNOPQRSTUV2YI9hn", id: "7Hk2Qp9aX3bC", scopes: []string{"posts:read"}, limited: true},
}

// What gateways are given, with a key that may do much and one that may do one request.
func TestConfigs(t *testing.T) {
	caddyfile := func(text string) map[string]string { return map[string]string{"Caddyfile": text} }
	for name, files := range map[string]map[string]string{
		"nginx":             nginxFiles(some),
		"lua":               luaFiles(some, "/usr/lib/nginx/modules"),
		"haproxy":           haproxyFiles(some),
		"traefik":           traefikFiles(some),
		"ratelimit":         caddyfile(rateLimitedConfig(some)),
		"ratelimit-map":     caddyfile(mappedConfig(some)),
		"forward-auth":      {"Caddyfile": asked, "keys": eachLine(some, credential.hashed)},
		"keygate-deployed":  caddyfile(asDeployed(guarded)),
		"stock-deployed":    caddyfile(asDeployed(bare)),
		"keygate-over-tls":  caddyfile(overTLS(asDeployed(guarded))),
		"stock-over-tls":    caddyfile(overTLS(bare)),
		"stock-and-nothing": caddyfile(bare),
	} {
		t.Run(name, func(t *testing.T) {
			var b strings.Builder
			for _, file := range slices.Sorted(maps.Keys(files)) {
				fmt.Fprintf(&b, "---------- %s\n%s", file, files[file])
			}
			golden := filepath.Join("testdata", name+".golden")
			if *update {
				if err := os.WriteFile(golden, []byte(b.String()), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if b.String() != string(want) {
				t.Errorf("not as in %s:\n%s", golden, b.String())
			}
		})
	}
}

// No gateway listens elsewhere than on loopback, and all pass on to the backend.
func TestConfigsStayOnLoopback(t *testing.T) {
	for name, text := range map[string]string{
		"nginx": nginxConfig, "haproxy": haproxyConfig, "traefik": traefikConfig + traefikRoutes,
		"limits": rateLimited, "map": mapped, "forward_auth": asked, "stock": bare, "keygate": guarded,
		"over TLS": overTLS(guarded),
	} {
		t.Run(name, func(t *testing.T) {
			if !strings.Contains(text, "127.0.0.1:{port}") && !strings.Contains(text, "\tbind 127.0.0.1\n") {
				t.Error("it is not said where it listens")
			}
			if strings.Count(text, "{port}") != 1 || !strings.Contains(text, "{backend}") {
				t.Error("it has no place for one port, or none for the backend")
			}
		})
	}
}

// What rows are called as deployed is what the files of the folder deploy set.
func TestAsDeployed(t *testing.T) {
	for _, file := range []string{"Caddyfile", "kubernetes.yaml"} {
		text, err := os.ReadFile(filepath.Join("..", "..", "deploy", file))
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{fmt.Sprintf("gc_headroom %dMiB\n", headroom), "exclude http.handlers.reverse_proxy\n"} {
			if !strings.Contains(string(text), want) || !strings.Contains(asDeployed(guarded), want) {
				t.Errorf("%s lacks %q, or the row does", file, want)
			}
		}
	}
}
