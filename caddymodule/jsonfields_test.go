package caddymodule

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/socialpatra/keygate/caddymodule/stores"
	"github.com/socialpatra/keygate/internal/goldentest"
	"github.com/socialpatra/keygate/webhook"
)

// configStructs are what a JSON config consists of, by the name of their type.
var configStructs = map[string]reflect.Type{
	"App":            reflect.TypeFor[App](),
	"Handler":        reflect.TypeFor[Handler](),
	"Route":          reflect.TypeFor[Route](),
	"OpenAPI":        reflect.TypeFor[OpenAPI](),
	"ScopeMapping":   reflect.TypeFor[ScopeMapping](),
	"OpenAPIDefault": reflect.TypeFor[OpenAPIDefault](),
	"CORS":           reflect.TypeFor[CORS](),
	"Bolt":           reflect.TypeFor[stores.Bolt](),

	"Redis":    reflect.TypeFor[stores.Redis](),
	"RedisTLS": reflect.TypeFor[stores.RedisTLS](),
	"Config":   reflect.TypeFor[webhook.Config](),
}

// jsonFields returns the JSON names of a struct's fields.
func jsonFields(t *testing.T, typ reflect.Type) map[string]bool {
	t.Helper()
	names := make(map[string]bool)
	for field := range typ.Fields() {
		if !field.IsExported() {
			continue
		}
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if name == "" || name == "-" {
			t.Errorf("%s.%s has no JSON name", typ.Name(), field.Name)
		}
		names[name] = true
	}
	return names
}

// usedFields are the fields in objects of ours, by type.
type usedFields map[string]map[string]bool

func (u usedFields) add(name string, object any, inline string) {
	if u[name] == nil {
		u[name] = make(map[string]bool)
	}
	for field := range object.(map[string]any) {
		if field != inline {
			u[name][field] = true
		}
	}
}

func (u usedFields) addStore(store map[string]any) {
	name := map[any]string{"bbolt": "Bolt", "redis": "Redis"}[store["module"]]
	u.add(name, store, "module")
	if tls, ok := store["tls"]; ok {
		u.add("RedisTLS", tls, "")
	}
}

// addOpenAPI adds what is in the options of a document.
func (u usedFields) addOpenAPI(o map[string]any) {
	mappings, _ := o["scope_map"].([]any)
	for _, m := range mappings {
		u.add("ScopeMapping", m, "")
	}
	if d, ok := o["default"]; ok {
		u.add("OpenAPIDefault", d, "")
	}
}

// walk adds what there is of ours in a config.
func (u usedFields) walk(value any) {
	switch value := value.(type) {
	case []any:
		for _, element := range value {
			u.walk(element)
		}
	case map[string]any:
		if value["handler"] == "keygate" {
			u.add("Handler", value, "handler")
			for field, name := range map[string]string{"routes": "Route", "openapi": "OpenAPI"} {
				list, _ := value[field].([]any)
				for _, object := range list {
					u.add(name, object, "")
					u.addOpenAPI(object.(map[string]any))
				}
			}
			if cors, ok := value["cors"]; ok {
				u.add("CORS", cors, "")
			}
			return
		}
		for name, member := range value {
			if name == "keygate" {
				u.add("App", member, "")
				if store, ok := member.(map[string]any)["store"].(map[string]any); ok {
					u.addStore(store)
				}
				hooks, _ := member.(map[string]any)["webhooks"].([]any)
				for _, hook := range hooks {
					u.add("Config", hook, "")
				}
				continue
			}
			u.walk(member)
		}
	}
}

// All that JSON can say, the Caddyfile can, and the other way round.
func TestCaddyfileAndJSONSayTheSame(t *testing.T) {
	used := make(usedFields)
	for _, file := range goldentest.Caddyfiles(t, "adapt") {
		var config any
		if err := json.Unmarshal([]byte(file.Want), &config); err != nil {
			t.Fatalf("%s: %v", file.Path, err)
		}
		used.walk(config)
	}
	for name, typ := range configStructs {
		fields := jsonFields(t, typ)
		if want, got := slices.Sorted(maps.Keys(fields)), slices.Sorted(maps.Keys(used[name])); !slices.Equal(got, want) {
			t.Errorf("Caddyfiles adapt to the fields %v of %s; it has %v", got, name, want)
		}
	}
}

// The comments are the manual on caddyserver.com.
func TestEveryJSONFieldIsDocumented(t *testing.T) {
	found := make(map[string]bool)
	for _, name := range []string{"app.go", "handler.go", "routes.go", "openapi.go", "cors.go", "stores/bolt.go", "stores/redis.go", "../webhook/config.go"} {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(node ast.Node) bool {
			spec, ok := node.(*ast.TypeSpec)
			if !ok || configStructs[spec.Name.Name] == nil {
				return true
			}
			found[spec.Name.Name] = true
			for _, field := range spec.Type.(*ast.StructType).Fields.List {
				if field.Tag == nil {
					continue
				}
				doc := strings.Join(strings.Fields(field.Doc.Text()), " ")
				if !strings.Contains(doc, "Default: ") && !strings.Contains(doc, "Required") {
					t.Errorf("%s.%s does not say what it is by default: %q", spec.Name.Name, field.Names[0].Name, doc)
				}
			}
			return false
		})
	}
	if len(found) != len(configStructs) {
		t.Errorf("found only %v", found)
	}
}
