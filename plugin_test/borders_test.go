package plugin_test

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// rooms are the packages of the plugin from the bottom to the top: each may
// import those before it, and no others.
var rooms = []string{
	"/internal/celltable", "/internal/english", "/internal/headers", "/internal/headroom", "/internal/jsontree", "/internal/logthrottle", "/internal/processes", "/internal/listening",
	"/apikey", "/tokenscan", "/review",
	"/ratelimit", "/access", "/access/openapi", "/access/lint", "/internal/fronts", "/keystore", "/expiry", "/webhook",
	"/internal/redis", "/ratelimit/shared", "/keystore/redisstore",
	"/adminapi", "/console",
	"/caddymodule/caddyargs", "/caddymodule/addresses", "/caddymodule/behind", "/caddymodule/stores", "/caddymodule/webhooks", "/caddymodule/identity", "/caddymodule/lasting", "/caddymodule/response", "/caddymodule/unlogged", "/caddymodule", "/caddymodule/leaks", "/caddymodule/selfservice",
	"/command/term", "/command/client", "/command/doctor", "/command",
	"",
}

// withCaddy are the rooms that know Caddy.
var withCaddy = []string{"/caddymodule/caddyargs", "/caddymodule/addresses", "/caddymodule/behind", "/caddymodule/stores", "/caddymodule/webhooks", "/caddymodule/unlogged", "/caddymodule", "/caddymodule/leaks", "/caddymodule/selfservice", "/command", ""}

type goPackage struct {
	ImportPath    string
	Imports, Deps []string
}

func TestRoomsKeepTheirBorders(t *testing.T) {
	t.Parallel()
	args := []string{"list", "-json=ImportPath,Imports,Deps"}
	for _, room := range rooms {
		args = append(args, modulePath+room)
	}
	cmd := exec.Command("go", args...)
	cmd.Dir = ".."
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	imported := make(map[string]bool) // by any room
	for dec, n := json.NewDecoder(out), 0; ; n++ {
		var p goPackage
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			if n != len(rooms) {
				t.Errorf("%d rooms were listed of %d", n, len(rooms))
			}
			break
		} else if err != nil {
			t.Fatal(err)
		}
		room := strings.TrimPrefix(p.ImportPath, modulePath)
		below := rooms[:slices.Index(rooms, room)]
		for _, path := range p.Imports {
			if other, ok := strings.CutPrefix(path, modulePath); ok {
				imported[other] = true
				if !slices.Contains(below, other) {
					t.Errorf("%s imports %s, which is not below it", p.ImportPath, path)
				}
			}
		}
		knowsCaddy := slices.ContainsFunc(p.Deps, func(path string) bool { return strings.HasPrefix(path, "github.com/caddyserver/") })
		if knowsCaddy != slices.Contains(withCaddy, room) {
			t.Errorf("%s knows Caddy: %t", p.ImportPath, knowsCaddy)
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	for _, room := range rooms[:len(rooms)-1] {
		if !imported[room] {
			t.Errorf("nothing imports %s", room)
		}
	}
}

// The command and the modules of a config meet in one function.
func TestCommandMeetsModulesInOneFunction(t *testing.T) {
	t.Parallel()
	used := make(map[string]bool)
	packages, err := parser.ParseDir(token.NewFileSet(), "../command", func(f fs.FileInfo) bool { return !strings.HasSuffix(f.Name(), "_test.go") }, 0) //nolint:staticcheck // no types are needed
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range packages["command"].Files {
		ast.Inspect(file, func(n ast.Node) bool {
			if selector, ok := n.(*ast.SelectorExpr); ok {
				if x, ok := selector.X.(*ast.Ident); ok && x.Name == "caddymodule" {
					used[selector.Sel.Name] = true
				}
			}
			return true
		})
	}
	if len(used) != 1 {
		t.Errorf("command uses %v of caddymodule", slices.Sorted(maps.Keys(used)))
	}
}
