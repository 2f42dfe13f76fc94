package adminapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"mime"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	goyaml "go.yaml.in/yaml/v3"
)

// openAPI is openapi.yaml, and which of its answers were seen.
type openAPI struct {
	doc  map[string]any
	seen map[string]bool // "GET /keygate/keys 200"
}

func readOpenAPI(t *testing.T) *openAPI {
	t.Helper()
	api := &openAPI{seen: make(map[string]bool)}
	if err := goyaml.Unmarshal(Document(), &api.doc); err != nil {
		t.Fatal(err)
	}
	return api
}

// at follows names into a node, and the references on the way. It returns nil
// where there is nothing.
func (api *openAPI) at(node any, names ...string) any {
	for {
		m, ok := node.(map[string]any)
		if !ok {
			if len(names) == 0 {
				return node
			}
			return nil
		}
		if ref, ok := m["$ref"].(string); ok {
			node = api.at(api.doc, strings.Split(strings.TrimPrefix(ref, "#/"), "/")...)
			if node == nil {
				panic("openapi.yaml has no " + ref)
			}
			continue
		}
		if len(names) == 0 {
			return node
		}
		node, names = m[names[0]], names[1:]
	}
}

var httpMethods = []string{"get", "put", "post", "delete", "patch"}

// operations are "GET /keygate/keys", sorted.
func (api *openAPI) operations() []string {
	var all []string
	for path, item := range api.doc["paths"].(map[string]any) {
		for method := range item.(map[string]any) {
			if slices.Contains(httpMethods, method) {
				all = append(all, strings.ToUpper(method)+" "+path)
			}
		}
	}
	slices.Sort(all)
	return all
}

func (api *openAPI) operation(name string) any {
	method, path, _ := strings.Cut(name, " ")
	return api.at(api.doc, "paths", path, strings.ToLower(method))
}

// hold checks an answer, and the request if it was accepted, against the
// document.
func (api *openAPI) hold(operation, sentType, sent string, resp *http.Response, body []byte) error {
	op := api.operation(operation)
	if op == nil {
		return fmt.Errorf("%s is not in openapi.yaml", operation)
	}
	status := fmt.Sprint(resp.StatusCode)
	documented := api.at(op, "responses", status)
	if documented == nil {
		return fmt.Errorf("%s answers %s, which is not in openapi.yaml: %s", operation, status, body)
	}
	api.seen[operation+" "+status] = true
	if resp.StatusCode < 300 && sent != "" {
		if err := api.holdBody(api.at(op, "requestBody"), sentType, []byte(sent), strings.HasSuffix(operation, ImportPath)); err != nil {
			return fmt.Errorf("%s takes what openapi.yaml does not: %w", operation, err)
		}
	}
	if headers, ok := api.at(documented, "headers").(map[string]any); ok {
		for name, header := range headers {
			if err := api.holdValue(api.at(header, "schema"), resp.Header.Get(name)); err != nil {
				return fmt.Errorf("%s %s: header %s: %w", operation, status, name, err)
			}
		}
	} else if resp.Header.Get("ETag") != "" {
		return fmt.Errorf("%s %s has an ETag, which is not in openapi.yaml", operation, status)
	}
	if err := api.holdBody(documented, resp.Header.Get("Content-Type"), body, strings.HasSuffix(operation, "/export")); err != nil {
		return fmt.Errorf("%s %s: %w", operation, status, err)
	}
	return nil
}

// holdBody checks a body, each of its lines if it has lines, against the
// content of a request or response.
func (api *openAPI) holdBody(node any, contentType string, body []byte, lines bool) error {
	content, ok := api.at(node, "content").(map[string]any)
	if !ok {
		if len(body) > 0 || contentType != "" {
			return fmt.Errorf("a body of %q where there is none: %s", contentType, body)
		}
		return nil
	}
	mediaType, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return fmt.Errorf("content type %q: %w", contentType, err)
	}
	media, ok := content[mediaType]
	if !ok {
		return fmt.Errorf("content type %s is not one of %v", mediaType, slices.Sorted(maps.Keys(content)))
	}
	schema := api.at(media, "schema")
	if schema == nil {
		if len(body) == 0 {
			return fmt.Errorf("nothing of %s", mediaType)
		}
		return nil
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	for n := 0; ; n++ {
		var value any
		if err := dec.Decode(&value); err != nil {
			if (n > 0 || lines) && errors.Is(err, io.EOF) {
				return nil
			}
			return fmt.Errorf("%w in %s", err, body)
		}
		if n > 0 && !lines {
			return fmt.Errorf("more than one value: %s", body)
		}
		if err := api.holdValue(schema, value); err != nil {
			return fmt.Errorf("%w in %s", err, body)
		}
	}
}

// holdValue checks a JSON value against a schema. It knows what openapi.yaml
// uses, and refuses any other word.
func (api *openAPI) holdValue(node, value any) error {
	schema, ok := api.at(node).(map[string]any)
	if !ok {
		return fmt.Errorf("no schema for %v", value)
	}
	for word, want := range schema {
		if err := api.holdWord(schema, word, want, value); err != nil {
			return err
		}
	}
	return nil
}

func (api *openAPI) holdWord(schema map[string]any, word string, want, value any) error {
	text, isText := value.(string)
	number, isNumber := value.(float64)
	list, isList := value.([]any)
	object, isObject := value.(map[string]any)
	ok := true
	switch word {
	case "description", "default":
	case "type":
		kinds, several := want.([]any)
		if !several {
			kinds = []any{want}
		}
		ok = slices.ContainsFunc(kinds, func(kind any) bool { return isKind(kind.(string), value) })
	case "enum":
		ok = slices.ContainsFunc(want.([]any), func(one any) bool { return fmt.Sprint(one) == fmt.Sprint(value) })
	case "pattern":
		ok = !isText || regexp.MustCompile(want.(string)).MatchString(text)
	case "format":
		layout, known := map[string]string{"date-time": time.RFC3339Nano, "date": time.DateOnly}[want.(string)]
		_, err := time.Parse(layout, text)
		ok = known && (!isText || err == nil)
	case "minLength":
		ok = !isText || len([]rune(text)) >= want.(int)
	case "maxLength":
		ok = !isText || len([]rune(text)) <= want.(int)
	case "minimum":
		ok = !isNumber || number >= float64(want.(int))
	case "maximum":
		ok = !isNumber || number <= float64(want.(int))
	case "minItems":
		ok = !isList || len(list) >= want.(int)
	case "maxItems":
		ok = !isList || len(list) <= want.(int)
	case "minProperties":
		ok = !isObject || len(object) >= want.(int)
	case "items":
		for i, item := range list {
			if err := api.holdValue(want, item); err != nil {
				return fmt.Errorf("[%d]: %w", i, err)
			}
		}
	case "required":
		for _, name := range want.([]any) {
			if _, has := object[name.(string)]; isObject && !has {
				return fmt.Errorf("%s is missing", name)
			}
		}
	case "properties":
		for name, property := range want.(map[string]any) {
			if v, has := object[name]; has {
				if err := api.holdValue(property, v); err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
			}
		}
	case "additionalProperties":
		known, _ := schema["properties"].(map[string]any)
		for name, v := range object {
			if _, has := known[name]; has {
				continue
			}
			if want == false {
				return fmt.Errorf("%s is not in openapi.yaml", name)
			}
			if err := api.holdValue(want, v); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
	default:
		return fmt.Errorf("the test does not know %q in a schema", word)
	}
	if !ok {
		return fmt.Errorf("%v is not of %s %v", value, word, want)
	}
	return nil
}

func isKind(kind string, value any) bool {
	switch v := value.(type) {
	case nil:
		return kind == "null"
	case bool:
		return kind == "boolean"
	case string:
		return kind == "string"
	case float64:
		return kind == "number" || kind == "integer" && v == math.Trunc(v)
	case []any:
		return kind == "array"
	default:
		return kind == "object"
	}
}

// The checker would be no use if it let everything pass.
func TestOpenAPICheckerRefuses(t *testing.T) {
	api := readOpenAPI(t)
	good := `{"seq":1,"at":"2026-11-23T10:00:00.5Z","via":"x","action":"x","key_id":"000000000001"}`
	for _, tt := range []struct{ name, old, new string }{
		{"type", `"seq":1`, `"seq":"1"`},
		{"whole numbers", `"seq":1`, `"seq":1.5`},
		{"minimum", `"seq":1`, `"seq":0`},
		{"pattern", `000000000001`, `00000000000`},
		{"format", `2026-11-23T10:00:00.5Z`, `2026-11-23 10:00:00`},
		{"required", `"via":"x",`, ``},
		{"unknown field", `"via"`, `"vias":1,"via"`},
		{"nested unknown field", `"via"`, `"changes":{"name":{"from":1,"to":2,"by":3}},"via"`},
		{"nested required", `"via"`, `"changes":{"name":{"from":1}},"via"`},
		{"null", `"via":"x"`, `"via":null`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			schema := api.at(api.operation("GET /keygate/audit"), "responses", "200")
			page := func(entry string) []byte { return []byte(`{"entries":[` + entry + `],"next_cursor":""}`) }
			if err := api.holdBody(schema, "application/json", page(good), false); err != nil {
				t.Fatal(err)
			}
			if err := api.holdBody(schema, "application/json", page(strings.Replace(good, tt.old, tt.new, 1)), false); err == nil {
				t.Error("it passed")
			}
		})
	}
}
