package adminapi

import (
	"io"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	goyaml "go.yaml.in/yaml/v3"

	"github.com/socialpatra/keygate/apikey"
)

// Every answer that openapi.yaml tells of is given, but 503, and every path of
// the server is in it. That all answers are as it says, send sees to.
func TestServerIsOpenAPI(t *testing.T) {
	s := serveAPI(t)
	id, _, etag := s.create(`"allowed_ips":["203.0.113.7"]`, `"expires_in_days":90`)
	revoked, _, _ := s.create()
	s.send(keyURL("POST", revoked, "/revoke"), "").want(t, 200)
	gone, stale := apikey.NewID().String(), []string{"If-Match", `"0000000000000000"`}
	large := `{"name":"` + strings.Repeat("x", maxBody) + `"}`

	s.send("GET /keygate/keys?limit=1", "").want(t, 200)
	s.send("GET /keygate/keys?limit=0", "").want(t, 400)
	s.send("POST /keygate/keys", `{}`).want(t, 400)
	s.send("POST /keygate/keys", large).want(t, 413)
	s.send("POST /keygate/keys", `{}`, "Content-Type", "text/plain").want(t, 415)
	s.send("POST /keygate/explain", `{"key":"`+id+`","method":"GET","path":"/v1/invoices"}`).want(t, 200)
	s.send("POST /keygate/explain", `{"key":"`+gone+`","method":"GET","path":"/"}`).want(t, 404)
	s.send("POST /keygate/explain", `{"nonsense":1}`).want(t, 400)
	s.send("POST /keygate/explain", large).want(t, 413)
	s.send("POST /keygate/explain", `{}`, "Content-Type", "text/plain").want(t, 415)

	s.send(keyURL("GET", id), "").want(t, 200)
	s.send(keyURL("PATCH", id), `{"name":"x"}`, "If-Match", etag).want(t, 200)
	s.send(keyURL("POST", id, "/disable"), "").want(t, 200)
	s.send(keyURL("POST", id, "/enable"), "").want(t, 200)
	for _, op := range s.doc.operations() {
		method, path, _ := strings.Cut(op, " ")
		action, ok := strings.CutPrefix(path, KeysPath+"/{id}")
		if !ok {
			continue
		}
		takesBody := method == "PATCH" || action == "/rotate"
		body := ""
		if takesBody {
			body = `{}`
			s.send(keyURL(method, id, action), `{"nonsense":1}`).want(t, 400, `"nonsense`)
			s.send(keyURL(method, id, action), large).want(t, 413)
			s.send(keyURL(method, id, action), `{}`, "Content-Type", "application/jsonl").want(t, 415)
		}
		s.send(keyURL(method, "x", action), body).want(t, 400)
		s.send(keyURL(method, gone, action), body).want(t, 404, gone+": no such key")
		if method == "GET" {
			continue
		}
		s.send(keyURL(method, id, action), body, stale...).want(t, 412)
		s.send(keyURL(method, revoked, action), body, stale...).want(t, 412)
		if method != "DELETE" && action != "/revoke" {
			s.send(keyURL(method, revoked, action), body).want(t, 409, "revoked")
		}
	}
	s.send(keyURL("POST", id, "/rotate"), `{"overlap":"1h"}`).want(t, 201)
	s.send(keyURL("POST", id, "/revoke"), "").want(t, 200)
	s.send(keyURL("GET", id, "/usage?days=400"), "").want(t, 200)
	s.send("GET /keygate/workspaces?limit=1", "").want(t, 200)
	s.send("GET /keygate/workspaces?limit=0", "").want(t, 400)
	acme := " /keygate/workspaces/acme"
	s.send("PATCH"+acme, `{"limits":{"per_day":5}}`).want(t, 200)
	s.send("PATCH"+acme, `{"limits":{"per_day":0}}`).want(t, 400, "per_day")
	s.send("PATCH"+acme, large).want(t, 413)
	s.send("PATCH"+acme, `{}`, "Content-Type", "text/plain").want(t, 415)
	s.send("GET"+acme, "").want(t, 200)
	s.send("GET /keygate/workspaces/-", "").want(t, 400, "workspace")
	s.send("DELETE"+acme, "").want(t, 204)
	s.send("DELETE /keygate/workspaces/-", "").want(t, 400)
	once := `{"workspace":"acme","name":"once","scopes":["posts:read"]}`
	s.send("POST /keygate/keys", once, OnceHeader, "0123456789abcdef").want(t, 201)
	s.send("POST /keygate/keys", once, OnceHeader, "0123456789abcdef").want(t, 409)
	s.send("GET /keygate/health", "").want(t, 200, `{"status":"ready"`)
	s.send("GET /keygate/policy", "").want(t, 200, `{"workspace":"*","actor":"","may":["list"`)
	s.send("GET /keygate/openapi.yaml", "").want(t, 200, "openapi: 3.1.0")
	s.send("GET /keygate/openapi.yaml?a=b", "").want(t, 400)
	s.send("GET /keygate/scopes", "").want(t, 200)
	s.send("GET /keygate/routes", "").want(t, 200)
	s.send("GET /keygate/routes?deep=1", "").want(t, 400)
	s.send("GET /keygate/audit", "").want(t, 200)
	s.send("GET /keygate/audit?cursor=x", "").want(t, 400)
	s.send("GET /keygate/review?limit=1", "").want(t, 200)
	s.send("GET /keygate/review?limit=0", "").want(t, 400)
	s.send("GET /keygate/review?key="+gone, "").want(t, 404)
	s.send("POST /keygate/leaked", `{"text":"nothing","then":"report"}`).want(t, 200, `{"found":[],"unknown":0}`)
	s.send("POST /keygate/leaked", `{"text":"x","then":"look"}`).want(t, 200)
	s.send("POST /keygate/leaked", `{"text":"x"}`).want(t, 400, "then: is missing")
	s.send("POST /keygate/leaked", large).want(t, 413)
	s.send("POST /keygate/leaked", `{}`, "Content-Type", "text/plain").want(t, 415)
	s.send("GET /keygate/check", "").want(t, 200)
	s.send("POST /keygate/check", "").want(t, 200, `"mended":0`)
	s.send("POST /keygate/check?deep=1", "").want(t, 400)
	exported := s.send("GET /keygate/export", "").want(t, 200).body
	s.send("GET /keygate/backup", "").want(t, 200)
	for _, name := range []string{"check", "export", "backup", "health", "policy", "scopes"} {
		s.send("GET /keygate/"+name+"?deep=1", "").want(t, 400, `deep\": is not a parameter`)
	}
	s.send("POST /keygate/import", `{"nonsense":1}`).want(t, 400)
	s.send("POST /keygate/import", exported).want(t, 409)
	s.send("POST /keygate/import", strings.Repeat(" ", maxImportLine+1)).want(t, 413)
	s.send("POST /keygate/import", exported, "Content-Type", "text/plain").want(t, 415)
	s.send(keyURL("DELETE", id), "").want(t, 204)
	s.send("POST /keygate/import?keep_going=true", exported, "Content-Type", "application/jsonl").want(t, 200)
	for _, operation := range bodyless(s) {
		s.send(operation, large).want(t, 413)
		s.send(operation, `{}`, "Content-Type", "text/plain").want(t, 415)
	}

	for _, op := range s.doc.operations() {
		for status := range s.doc.at(s.doc.operation(op), "responses").(map[string]any) {
			// Caddy says 403; 405 is for methods that are no operations.
			if status < "500" && status != "403" && status != "405" && !s.doc.seen[op+" "+status] {
				t.Errorf("%s %s is in openapi.yaml and was not seen", op, status)
			}
		}
	}
	for path, methods := range resources {
		for method := range methods {
			if op := method + " " + path; s.doc.operation(op) == nil {
				t.Errorf("%s is served and not in openapi.yaml", op)
			}
		}
	}
}

// The document has each member of a key in the two forms that are sent, and says
// that it is always there; and each setting, with its bounds.
func TestOpenAPIHasEveryField(t *testing.T) {
	doc := readOpenAPI(t)
	schema := func(name, word string) any { return doc.at(doc.doc, "components", "schemas", name, word) }
	for name, typ := range map[string]reflect.Type{"Key": reflect.TypeFor[apikey.Record](), "ExportedKey": reflect.TypeFor[exportedKey]()} {
		var always []string
		for _, field := range reflect.VisibleFields(typ) {
			if tag := field.Tag.Get("json"); tag != "" && !strings.Contains(tag, ",omit") {
				always = append(always, tag)
			}
		}
		var required []string
		for _, member := range schema(name, "required").([]any) {
			required = append(required, member.(string))
		}
		slices.Sort(always)
		slices.Sort(required)
		if !slices.Equal(required, always) {
			t.Errorf("%s requires %q, and always has %q", name, required, always)
		}
	}
	for _, settings := range []string{"NewKey", "KeyChanges"} {
		properties := schema(settings, "properties").(map[string]any)
		for field := range reflect.TypeFor[KeyRequest]().Fields() {
			name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			setting, ok := properties[name].(map[string]any)
			if !ok {
				t.Errorf("%s has no %s", settings, name)
				continue
			}
			bounds := map[string][]string{"string": {"maxLength", "pattern"}, "integer": {"maximum"}, "array": {"maxItems"}}
			kind, _ := setting["type"].(string)
			if words, needed := bounds[kind]; needed && !slices.ContainsFunc(words, func(word string) bool { return setting[word] != nil }) {
				t.Errorf("%s says of %s none of %q", settings, name, words)
			}
		}
	}
}

// Other YAML readers than ours have no merge keys, and some no anchors.
func TestOpenAPIHasNoAnchors(t *testing.T) {
	var document goyaml.Node
	if err := goyaml.Unmarshal(Document(), &document); err != nil {
		t.Fatal(err)
	}
	var look func(*goyaml.Node)
	look = func(n *goyaml.Node) {
		if n.Anchor != "" || n.Kind == goyaml.AliasNode || n.Tag == "!!merge" {
			t.Errorf("line %d has an anchor, an alias or a merge key: %s", n.Line, n.Value)
		}
		for _, part := range n.Content {
			look(part)
		}
	}
	look(&document)
}

// Any other method of a path is answered as the document says.
func TestOpenAPIMethods(t *testing.T) {
	s := serveAPI(t)
	said := s.doc.at(s.doc.doc, "components", "responses", "NoSuchMethod")
	for path, methods := range resources {
		for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY"} {
			if _, ok := methods[method]; ok {
				continue
			}
			r, err := http.NewRequestWithContext(t.Context(), method, s.url+strings.NewReplacer("{id}", apikey.NewID().String(), "{workspace}", "acme").Replace(path), nil)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			if err == nil {
				err = s.doc.holdBody(said, "application/json", body, false)
			}
			if resp.StatusCode != 405 || resp.Header.Get("Allow") != methods.allow() || err != nil {
				t.Errorf("%s %s: %d, Allow %q, %v", method, path, resp.StatusCode, resp.Header.Get("Allow"), err)
			}
		}
	}
}
