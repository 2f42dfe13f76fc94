package adminapi

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// servedOperations are the resources of the admin API with their methods, as
// the table itself has them, so that a new one cannot be forgotten. In their
// paths is a key and a workspace that there are.
func servedOperations(id string) (all []string) {
	for path, methods := range resources {
		path = strings.NewReplacer("{id}", id, "{workspace}", "acme").Replace(path)
		for method := range methods {
			all = append(all, method+" "+path)
		}
	}
	slices.Sort(all)
	return all
}

// parameters are the names in the query of an operation, as openapi.yaml has
// them, each with a value that is accepted.
func (s *apiServer) parameters(operation, id string) map[string]string {
	values := map[string]string{
		"workspace": "acme", "status": "active", "limit": "5", "days": "7", "key": id,
		"keep_going": "true", "allow_unknown_scope": "true",
		"scope": "posts:read", "created_by": "ada", "name": "zap", "expiring": "30d", "idle": "90d", "no_expiry": "true", "never_used": "true", "sort": "created",
	}
	found := make(map[string]string)
	name := strings.NewReplacer(id, "{id}", WorkspacesPath+"/acme", WorkspacesPath+"/{workspace}").Replace(operation)
	list, _ := s.doc.at(s.doc.operation(name), "parameters").([]any)
	for _, parameter := range list {
		if s.doc.at(parameter, "in") == "query" {
			name := s.doc.at(parameter, "name").(string)
			found[name] = values[name]
			if found[name] == "" {
				found[name] = id // a cursor of keys
			}
		}
	}
	if strings.Contains(operation, "/audit") {
		found["cursor"] = "9"
	}
	return found
}

// badQueries are queries that an operation with these parameters refuses.
func badQueries(known map[string]string) []string {
	bad := []string{
		"x=1", "x", "x=", "=", "=1", "x=1&x=1", "keygate=1", "%00=1", "a.b=1", "limit%20=1", "%ff=1", "workspaces=acme",
		"%", "%zz", "x=%zz", "x=%4", "a;b", ";", "a=1;b=2", "%zz=1", "limit[]=1",
	}
	for name, value := range known {
		pair := name + "=" + url.QueryEscape(value)
		bad = append(bad,
			name, pair+"&"+pair, pair+"&"+name+"=", name+"=&"+pair,
			pair+"&x=1", "x=1&"+pair, pair+"&%zz", "%zz&"+pair, pair+";", pair+";x=1", ";"+pair, pair+"&a;b",
			name+"=%zz", name+"=%", name+"=%f", name+"=z%zz", name+"="+value+"%zz", pair+"%",
			strings.ToUpper(name)+"="+value, strings.ToUpper(name[:1])+name[1:]+"="+value, name+"%00="+value, name+"%20="+value,
			name+"=%00", name+"=%ff", name+"=%ed%a0%80", name+"=a%0ab",
		)
		if name != "cursor" { // there the empty one is the first page
			bad = append(bad, name+"=", "&"+name+"=&")
		} else {
			bad = slices.DeleteFunc(bad, func(q string) bool { return q == name })
		}
	}
	return bad
}

// A query that says anything that an operation does not know is refused, and
// never read as less than it says.
func TestAPIRefusesQueries(t *testing.T) {
	s := serveAPI(t)
	id, _, _ := s.create()
	for _, operation := range servedOperations(id) {
		t.Run(operation, func(t *testing.T) {
			known := s.parameters(operation, id)
			for _, query := range badQueries(known) {
				got := s.send(operation+"?"+query, "")
				if got.status != http.StatusBadRequest {
					t.Errorf("?%s: %d %s", query, got.status, got.body)
				}
			}
			for name, value := range known {
				if name == "allow_unknown_scope" || name == "keep_going" {
					continue // of an import, which has a body
				}
				s.send(operation+"?"+name+"="+value, "").want(t, 200)
			}
		})
	}
	for _, entry := range []string{"disable", "revoke", "delete", "rotate", "unlimit"} {
		if got := s.send("GET /keygate/audit", ""); strings.Contains(got.body, `"`+entry+`"`) {
			t.Errorf("%s was done", entry)
		}
	}
}

// What is refused names the parameter, and what the operation takes.
func TestAPISaysWhatQueriesItTakes(t *testing.T) {
	s := serveAPI(t)
	for request, texts := range map[string][]string{
		"GET /keygate/keys?workspace=z%zz":      {"query", `%zz`},
		"GET /keygate/keys?workspace=a;limit=1": {"query", "semicolon"},
		"GET /keygate/keys?Workspace=a":         {`Workspace`, "is not a parameter", "created_by, cursor, expiring, idle, limit, name, never_used, no_expiry, scope, sort, status, workspace"},
		"GET /keygate/keys?workspace=":          {"workspace", "is empty"},
		"GET /keygate/keys?workspace=a&workspace=b": {
			"workspace", "is given more than once",
		},
		"GET /keygate/keys?workspace=a%26b":          {"workspace", "is not a workspace"},
		"POST /keygate/keys?x=1":                     {"is not a parameter", "no parameters"},
		"GET /keygate/health?x=1":                    {"is not a parameter", "no parameters"},
		"GET /keygate/scopes?x=1":                    {"is not a parameter", "no parameters"},
		"GET /keygate/keys?limit=" + wholeToken:      {"whole token"},
		"GET /keygate/keys?" + wholeToken + "=1":     {"whole token"},
		"GET /keygate/keys?a=" + wholeToken + ";b=1": {"whole token"},
		"GET /keygate/keys?a=%zz" + wholeToken:       {"whole token"},
	} {
		got := s.send(request, "").want(t, 400, texts...)
		if strings.Contains(got.body, wholeToken[19:]) {
			t.Errorf("%s repeats the token: %s", request, got.body)
		}
	}
	for _, query := range []string{"", "?", "?&", "?cursor=", "?limit=1&cursor="} {
		s.send("GET /keygate/keys"+query, "").want(t, 200)
	}
}

// A method that a resource does not have is answered with those that it has
// (RFC 9110 section 15.5.6).
func TestAPIAllow(t *testing.T) {
	s := serveAPI(t)
	id, _, _ := s.create()
	for path, methods := range resources {
		want := strings.Join(slices.Sorted(maps.Keys(methods)), ", ")
		path = strings.NewReplacer("{id}", id, "{workspace}", "acme").Replace(path)
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY", "PROPFIND", "get", "Post"} {
			if _, served := methods[method]; served {
				continue
			}
			for _, query := range []string{"", "?x=1", "?%zz"} {
				r, err := http.NewRequest(method, s.url+path+query, nil)
				if err != nil {
					t.Fatal(err)
				}
				resp, err := http.DefaultClient.Do(r)
				if err != nil {
					t.Fatal(err)
				}
				resp.Body.Close()
				if got := resp.Header.Values("Allow"); resp.StatusCode != http.StatusMethodNotAllowed || len(got) != 1 || got[0] != want {
					t.Errorf("%s %s%s: %d, Allow %q, want 405, %q", method, path, query, resp.StatusCode, got, want)
				}
			}
		}
	}
	for _, path := range []string{"/keygate/", "/keygate/nothing", "/keygate/keys/" + id + "/nothing", "/keygate/Keys"} {
		resp, err := http.Get(s.url + path)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusNotFound || resp.Header["Allow"] != nil {
			t.Errorf("%s: %d, Allow %q", path, resp.StatusCode, resp.Header["Allow"])
		}
	}
}
