package openapi_test

import (
	"bytes"
	"encoding/json"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/socialpatra/keygate/access/openapi"
)

// Places are lines where these tell, and JSON pointers where there is more than
// one thing in the line.
func TestPlacesInJSON(t *testing.T) {
	const head = `"openapi": "3.1.0", "components": {"securitySchemes": {"k": {"type": "oauth2", "flows": {"f": {"scopes": {"a:b": "", "c:d": ""}}}}}}`
	tests := map[string]struct{ text, want string }{
		"one line":              {`{` + head + `, "paths": {"/a/{x}": {"get": {}, "put": {}}, "/~b\n": {"get": {}}}}`, "#/paths/~1a~1{x}/get #/paths/~1a~1{x}/put #/paths/~1~0b%0A/get"},
		"one operation":         {`{"paths": {"/a": {"get": {}}}, ` + head + `}`, "#/paths/~1a/get"},
		"a line each":           {"{" + head + ", \"paths\": {\n\"/a\":\n{\"get\": {\"tags\": [1,\n2]},\n\"put\": {\"security\": [{\"k\": []}], \"tags\": [\"x\"]}}}}", ":3 :5"},
		"a path each":           {"{" + head + ", \"paths\": {\n\"/a\": {\"get\": {}},\n\"/b\": {\"put\": {}, \"get\": {}}}}", ":2 #/paths/~1b/put #/paths/~1b/get"},
		"brackets at the start": {"{" + head + ", \"paths\": {\n\"/a\": {\n\"get\": {\n\"tags\": [\n1\n]\n}, \"put\": {\n}\n}, \"/b\": {\n\"get\": {}}}}", ":3 :7 :10"},
		"what ends there":       {"{" + head + ", \"paths\": {\n\"/a\": {\"get\": {\n\"x\": 1}, \"put\": {}}}}", ":2 #/paths/~1a/put"},
		"carriage returns":      {"{" + head + ",\r\n\"paths\": {\r\n\"/a\": {\r\n\"get\": {},\r\n\"put\": {}}}}", ":4 :5"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if !json.Valid([]byte(tt.text)) {
				t.Fatal("the test has no JSON")
			}
			d := mustRead(t, map[string]string{"openapi.json": tt.text}, openapi.Options{})
			var got []string
			for _, o := range d.Operations {
				got = append(got, strings.TrimPrefix(o.Source, "openapi.json"))
			}
			if s := strings.Join(got, " "); s != tt.want {
				t.Errorf("operations at %s\nwant %s", s, tt.want)
			}
		})
	}
}

// Of a document in one line, every place leads to the operation itself.
func TestPointersLead(t *testing.T) {
	text, err := os.ReadFile("testdata/cluster.json")
	if err != nil {
		t.Fatal(err)
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, text); err != nil {
		t.Fatal(err)
	}
	var tree any
	if err := json.Unmarshal(text, &tree); err != nil {
		t.Fatal(err)
	}
	read := func(text string) *openapi.Document {
		return mustRead(t, map[string]string{"openapi.json": text}, openapi.Options{})
	}
	d, lines := read(compact.String()), read(string(text))
	for i, o := range d.Operations {
		_, pointer, ok := strings.Cut(o.Source, "#/")
		at := tree
		tokens := strings.Split(pointer, "/")
		for _, token := range tokens {
			at = at.(map[string]any)[strings.NewReplacer("~1", "/", "~0", "~").Replace(token)]
		}
		if !ok || at == nil || tokens[len(tokens)-1] != strings.ToLower(o.Method) {
			t.Errorf("%s %s is at %s", o.Method, o.Path, o.Source)
		}
		_, line, _ := strings.Cut(lines.Operations[i].Source, ":")
		n, err := strconv.Atoi(line)
		if err != nil || !strings.Contains(strings.Split(string(text), "\n")[n-1], `"`+strings.ToLower(o.Method)+`"`) {
			t.Errorf("with line breaks %s %s is at %s", o.Method, o.Path, lines.Operations[i].Source)
		}
	}
}

// Requirements, schemes, declared scopes and what an error is about have
// pointers, too. A token has none.
func TestPointersOfEverything(t *testing.T) {
	const text = `{"openapi": "3.1.0", "components": {"securitySchemes": {"k": {"type": "oauth2", "flows": {"f": {"scopes": {"a:b": "", "c:d": ""}}}}}}, "paths": {"/a": {"get": {"security": [{"k": ["a:b"]}, {"k": ["X"]}]}, "put": {"security": [{"KEY": []}]}}}}`
	good := map[string]string{"openapi.json": strings.Replace(text, "KEY", "k", 1)}
	d := mustRead(t, good, openapi.Options{})
	got := d.SchemeSource + " " + d.Declared[1].Source + " " + d.Operations[0].Remarks[0].Source
	if want := "openapi.json#/components/securitySchemes/k openapi.json#/components/securitySchemes/k/flows/f/scopes/c:d openapi.json#/paths/~1a/get/security/1"; got != want {
		t.Errorf("places\n%s\nwant\n%s", got, want)
	}
	refused(t, map[string]string{"openapi.json": strings.Replace(text, "KEY", "nobody", 1)}, openapi.Options{}, `openapi.json#/paths/~1a/put/security/0/nobody: security scheme "nobody" is not declared; accepted: "k"`)
	refused(t, map[string]string{"openapi.json": strings.Replace(text, "KEY", "patra_7Hk2Qp9aX3bC_0123456789ABCDEFGHIJKLMNOPQRSTUV2YI9hn", 1)}, openapi.Options{}, `openapi.json#/paths/~1a/put/security/0/<a token>: security scheme <a token> is not declared; accepted: "k"`)
}
