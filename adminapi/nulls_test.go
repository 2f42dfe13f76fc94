package adminapi

import (
	"encoding/json"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// nulls are the members that may be null. What an export writes is among them.
var nulls = map[string][]string{
	"KeyRequest":       {"expires_at"},
	"WorkspaceRequest": {"limits.per_minute", "limits.per_day"},
	"importedKey":      {"expires_at", "revoked_at", "last_used_at"},
}

// nullPlaces are the members of a type at any depth, as paths, and the first
// element of each array.
func nullPlaces(typ reflect.Type, before string) (places []string) {
	for typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	switch {
	case readsItself(typ):
	case typ.Kind() == reflect.Slice:
		places = append(places, before+"0")
		places = append(places, nullPlaces(typ.Elem(), before+"0.")...)
	case typ.Kind() == reflect.Struct:
		for _, field := range reflect.VisibleFields(typ) {
			name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			if name == "" || name == "-" || slices.Contains(places, before+name) {
				continue
			}
			places = append(places, before+name)
			places = append(places, nullPlaces(field.Type, before+name+".")...)
		}
	}
	return places
}

// withNull returns a body with null at a place, whether there was something
// before or not.
func withNull(t *testing.T, body, place string) string {
	t.Helper()
	var whole any
	if err := json.Unmarshal([]byte(body), &whole); err != nil {
		t.Fatal(err)
	}
	at, names := whole, strings.Split(place, ".")
	for i, name := range names {
		last := i == len(names)-1
		switch in := at.(type) {
		case []any:
			n, err := strconv.Atoi(name)
			if err != nil || n >= len(in) {
				t.Fatalf("nothing at %s in %s", place, body)
			}
			if last {
				in[n] = nil
			}
			at = in[n]
		case map[string]any:
			if last {
				in[name] = nil
			}
			at = in[name]
		default:
			t.Fatalf("nothing at %s in %s", place, body)
		}
	}
	return toJSON(t, whole)
}

// Null is refused at every place of every body, at any depth, but where it has a
// meaning of its own. Taken for absent, it would leave a list as it is that the
// caller meant to empty.
func TestAPIRefusesNull(t *testing.T) {
	s := serveAPI(t)
	id, _, _ := s.create()
	for operation, full := range fullBodies(id) {
		typ := reflect.TypeOf(full.into)
		tried := make(map[string]bool)
		for _, place := range nullPlaces(typ, "") {
			tried[place] = true
			body := withNull(t, full.body, place)
			if slices.Contains(nulls[typ.Name()], place) {
				if got := s.send(operation, body); strings.Contains(got.body, "null is not accepted") {
					t.Errorf("%s %s: %s", operation, body, got.body)
				}
				continue
			}
			want := strings.TrimSuffix(place, ".0") + ": null is not accepted; accepted: "
			if strings.Contains(operation, "keep_going=true") {
				s.send(operation, body).want(t, 200, want, `"imported":0`)
			} else {
				s.send(operation, body).want(t, 400, want)
			}
		}
		for _, place := range nulls[typ.Name()] {
			if !tried[place] {
				t.Errorf("%s has no %s", typ, place)
			}
		}
	}
}

// The refusal says what to send in place of null.
func TestAPISaysWhatToSendForNull(t *testing.T) {
	s := serveAPI(t)
	id, _, _ := s.create(`"allowed_ips":["203.0.113.7"]`)
	for _, tt := range []struct{ operation, body, want string }{
		{keyURL("PATCH", id), `{"allowed_ips":null}`, "allowed_ips: null is not accepted; accepted: an array of strings, or leave it out"},
		{keyURL("PATCH", id), `{"allowed_ips":["203.0.113.7",null]}`, "allowed_ips: null is not accepted; accepted: a string"},
		{keyURL("PATCH", id), `{"limits":null}`, "limits: null is not accepted; accepted: an object, or leave it out"},
		{keyURL("PATCH", id), `{"limits":{"per_day": null }}`, "limits.per_day: null is not accepted; accepted: a whole number, or leave it out"},
		{keyURL("PATCH", id), `{"allow_unknown_scope":null}`, "allow_unknown_scope: null is not accepted; accepted: true or false, or leave it out"},
		{keyURL("POST", id, "/rotate"), `{"overlap":null}`, "overlap: null is not accepted; accepted: a string, or leave it out"},
		{"POST /keygate/explain", `{"key":"` + id + `","method":null,"path":"/"}`, "method: null is not accepted; accepted: a string"},
		{"PATCH /keygate/workspaces/acme", `{"limits":null}`, "limits: null is not accepted; accepted: an object"},
		{"POST /keygate/import", `{"created_at":null}`, "created_at: null is not accepted; accepted: an RFC 3339 time"},
		{"POST /keygate/import", `{"rotated_from":null}`, "rotated_from: null is not accepted; accepted: a string"},
	} {
		s.send(tt.operation, tt.body).want(t, 400, `"error":"`+strings.Repeat("line 1: ", strings.Count(tt.operation, "import"))+tt.want)
	}
	s.send(keyURL("GET", id), "").want(t, 200, `"allowed_ips":["203.0.113.7"]`)
}
