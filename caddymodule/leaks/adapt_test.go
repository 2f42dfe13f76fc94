package leaks

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

func TestAdapt(t *testing.T) { adapttest.Adapts(t) }

func TestMistakes(t *testing.T) { adapttest.Mistakes(t) }

// handlers are what a config may have of this package, by their names in it.
var handlers = map[string]reflect.Type{
	"keygate_plaintext":    reflect.TypeFor[Plaintext](),
	"keygate_revocation":   reflect.TypeFor[Revocation](),
	"keygate_leak_reports": reflect.TypeFor[LeakReports](),
}

// found calls f with each of them in a config.
func found(tree any, f func(map[string]any)) {
	switch tree := tree.(type) {
	case []any:
		for _, element := range tree {
			found(element, f)
		}
	case map[string]any:
		if name, ok := tree["handler"].(string); ok && handlers[name] != nil {
			f(tree)
		}
		for _, member := range tree {
			found(member, f)
		}
	}
}

// All that JSON can say, the Caddyfile can, and the other way round.
func TestCaddyfileAndJSONSayTheSame(t *testing.T) {
	used := make(map[string]map[string]bool)
	for _, file := range goldentest.Caddyfiles(t, "adapt") {
		var config any
		if err := json.Unmarshal([]byte(file.Want), &config); err != nil {
			t.Fatalf("%s: %v", file.Path, err)
		}
		found(config, func(handler map[string]any) {
			name := handler["handler"].(string)
			if used[name] == nil {
				used[name] = make(map[string]bool)
			}
			for field := range handler {
				used[name][field] = true
			}
		})
	}
	for name, typ := range handlers {
		fields := adapttest.JSONFields(typ, "handler")
		if got := slices.Sorted(maps.Keys(used[name])); !slices.Equal(got, fields) {
			t.Errorf("Caddyfiles adapt to the fields %v of %s; it has %v", got, name, fields)
		}
	}
}

// The comments are the manual on caddyserver.com.
func TestEveryJSONFieldIsDocumented(t *testing.T) {
	seen := 0
	for _, name := range []string{"plaintext.go", "revocation.go", "reports.go"} {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(node ast.Node) bool {
			field, ok := node.(*ast.Field)
			if !ok || field.Tag == nil {
				return true
			}
			seen++
			doc := strings.Join(strings.Fields(field.Doc.Text()), " ")
			if !strings.Contains(doc, "Default: ") && !strings.Contains(doc, "Required") {
				t.Errorf("%s does not say what it is by default: %q", field.Names[0].Name, doc)
			}
			return true
		})
	}
	if seen != 4 {
		t.Errorf("%d fields are found", seen)
	}
}
