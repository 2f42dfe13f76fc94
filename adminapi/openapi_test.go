package adminapi

import (
	"reflect"
	"slices"
	"strings"
	"testing"

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
	s.send("GET /keygate/health", "").want(t, 200, `{"status":"ready"`)
	s.send("GET /keygate/scopes", "").want(t, 200)
	s.send("GET /keygate/routes", "").want(t, 200)
	s.send("GET /keygate/routes?deep=1", "").want(t, 400)
	s.send("GET /keygate/audit", "").want(t, 200)
	s.send("GET /keygate/audit?cursor=x", "").want(t, 400)
	s.send("GET /keygate/check", "").want(t, 200)
	s.send("POST /keygate/check", "").want(t, 200, `"mended":0`)
	s.send("POST /keygate/check?deep=1", "").want(t, 400)
	exported := s.send("GET /keygate/export", "").want(t, 200).body
	s.send("GET /keygate/backup", "").want(t, 200)
	for _, name := range []string{"check", "export", "backup", "health", "scopes"} {
		s.send("GET /keygate/"+name+"?deep=1", "").want(t, 400, `deep\": is not a parameter`)
	}
	s.send("POST /keygate/import", `{"nonsense":1}`).want(t, 400)
	s.send("POST /keygate/import", exported).want(t, 409)
	s.send("POST /keygate/import", strings.Repeat(" ", maxImportLine+1)).want(t, 413)
	s.send("POST /keygate/import", exported, "Content-Type", "text/plain").want(t, 415)
	s.send(keyURL("DELETE", id), "").want(t, 204)
	s.send("POST /keygate/import?keep_going=true", exported, "Content-Type", "application/jsonl").want(t, 200)

	for _, op := range s.doc.operations() {
		for status := range s.doc.at(s.doc.operation(op), "responses").(map[string]any) {
			if status < "500" && !s.doc.seen[op+" "+status] {
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
			if tag := field.Tag.Get("json"); tag != "" && !strings.HasSuffix(tag, ",omitempty") {
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
	properties := schema("KeySettings", "properties").(map[string]any)
	for field := range reflect.TypeFor[KeyRequest]().Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		setting, ok := properties[name].(map[string]any)
		if !ok {
			t.Errorf("KeySettings has no %s", name)
			continue
		}
		bounds := map[string][]string{"string": {"maxLength", "pattern"}, "integer": {"maximum"}, "array": {"maxItems"}}
		if setting["properties"] == nil {
			bounds["object"] = []string{"maxProperties"}
		}
		kind, _ := setting["type"].(string)
		if words, needed := bounds[kind]; needed && !slices.ContainsFunc(words, func(word string) bool { return setting[word] != nil }) {
			t.Errorf("KeySettings says of %s none of %q", name, words)
		}
	}
}
