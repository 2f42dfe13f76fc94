package selfservice

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

	"github.com/socialpatra/keygate/internal/adapttest"
	"github.com/socialpatra/keygate/internal/goldentest"
)

// optionStructs are what the JSON of a console consists of, by the name of their
// type, and where each is.
var optionStructs = map[string]reflect.Type{
	"Console":      reflect.TypeFor[Console](),
	"ExpiryBounds": reflect.TypeFor[ExpiryBounds](),
	"LimitBounds":  reflect.TypeFor[LimitBounds](),
	"KeyBounds":    reflect.TypeFor[KeyBounds](),
}

var structOf = map[string]string{"expiry": "ExpiryBounds", "per_minute": "LimitBounds", "per_day": "LimitBounds", "keys": "KeyBounds"}

// consoles calls f with each console in a config.
func consoles(tree any, f func(map[string]any)) {
	switch tree := tree.(type) {
	case []any:
		for _, element := range tree {
			consoles(element, f)
		}
	case map[string]any:
		if tree["handler"] == "keygate_console" {
			f(tree)
		}
		for _, member := range tree {
			consoles(member, f)
		}
	}
}

// All that JSON can say, the Caddyfile can, and the other way round.
func TestCaddyfileAndJSONSayTheSame(t *testing.T) {
	used := map[string]map[string]bool{}
	add := func(name string, object map[string]any) {
		if used[name] == nil {
			used[name] = make(map[string]bool)
		}
		for field := range object {
			if field != "handler" {
				used[name][field] = true
			}
		}
	}
	for _, file := range goldentest.Caddyfiles(t, "adapt") {
		var config any
		if err := json.Unmarshal([]byte(file.Want), &config); err != nil {
			t.Fatalf("%s: %v", file.Path, err)
		}
		consoles(config, func(console map[string]any) {
			add("Console", console)
			for field, name := range structOf {
				if object, ok := console[field].(map[string]any); ok {
					add(name, object)
				}
			}
		})
	}
	for name, typ := range optionStructs {
		fields := adapttest.JSONFields(typ)
		if got := slices.Sorted(maps.Keys(used[name])); !slices.Equal(got, fields) {
			t.Errorf("Caddyfiles adapt to the fields %v of %s; it has %v", got, name, fields)
		}
	}
}

// The comments are the manual on caddyserver.com.
func TestEveryJSONFieldIsDocumented(t *testing.T) {
	found := 0
	for _, name := range []string{"console.go", "bounds.go"} {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(node ast.Node) bool {
			spec, ok := node.(*ast.TypeSpec)
			if !ok || optionStructs[spec.Name.Name] == nil {
				return true
			}
			found++
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
	if found != len(optionStructs) {
		t.Errorf("only %d structs are found", found)
	}
}
