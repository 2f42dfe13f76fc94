package adminapi

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/socialpatra/keygate/internal/apitest"
)

// zeros are bytes without end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// Each bound takes what is as large as it says, and refuses what is one larger
// in words that name it.
func TestAPIBounds(t *testing.T) {
	s := serveAPI(t)
	id, _, _ := s.create()
	padded := func(n int) string { return `{"name":"x"` + strings.Repeat(" ", n-len(`{"name":"x"}`)) + `}` }
	s.send(keyURL("PATCH", id), padded(1<<20)).want(t, 200)
	s.send(keyURL("PATCH", id), padded(1<<20+1)).want(t, 413, "the body is larger than 1048576 bytes")

	line := func(token string, n int) string {
		text := apitest.OpaqueLine(token)
		return text[:len(text)-1] + strings.Repeat(" ", n-len(text)) + "}"
	}
	s.send("POST /keygate/import", line("longest", 1<<20)+"\n"+line("second", 1<<20)).want(t, 200, `"imported":2`)
	s.send("POST /keygate/import", line("too long", 1<<20+1)).want(t, 413, "line 1: is longer than 1048576 bytes; nothing was imported", `"line":1`)

	for bad, told := range map[int]int{1: 1, 2: 2, 1000: 1000, 1001: 1000} {
		got := s.send("POST /keygate/import", strings.Repeat("x\n", bad), "Content-Type", "application/jsonl").want(t, 400)
		var resp struct {
			Error  string
			Errors []ImportError
		}
		if err := json.Unmarshal([]byte(got.body), &resp); err != nil || len(resp.Errors) != told {
			t.Errorf("of %d bad lines, %d are told: %v", bad, len(resp.Errors), err)
		}
		if more := fmt.Sprintf("nothing was imported (%d lines are bad)", bad); strings.HasSuffix(resp.Error, more) != (bad > 1) || bad == 1 && !strings.HasSuffix(resp.Error, "; nothing was imported") {
			t.Errorf("of %d bad lines: %s", bad, resp.Error)
		}
	}

	rotated := func(body string) time.Duration {
		id, _, _ := s.create()
		s.send(keyURL("POST", id, "/rotate"), body).want(t, 201)
		return s.send(keyURL("GET", id), "").want(t, 200).record(t).ExpiresAt.Sub(apiStart)
	}
	for body, want := range map[string]time.Duration{
		"": 24 * time.Hour, "{}": 24 * time.Hour, `{"overlap":"0s"}`: 0, `{"overlap":"8760h"}`: 8760 * time.Hour,
	} {
		if got := rotated(body); got != want {
			t.Errorf("rotated with %q the old key works for %v, want %v", body, got, want)
		}
	}
	for _, overlap := range []string{"8760h0m1s", "8760h0m0.000000001s", "-1ns", "x", ""} {
		s.send(keyURL("POST", id, "/rotate"), `{"overlap":"`+overlap+`"}`).want(t, 400, "overlap: ", "0s to 8760h")
	}

	for at, status := range map[string]int{
		"1970-01-01T00:00:00Z": 200, "1969-12-31T23:59:59Z": 400, "2261-12-31T23:59:59Z": 200, "2262-01-01T00:00:00Z": 400,
		"1970-01-01T00:00:00+01:00": 400, "2261-12-31T23:59:59-01:00": 400, "soon": 400,
	} {
		s.send("POST /keygate/explain", `{"key":"`+id+`","method":"GET","path":"/","at":"`+at+`"}`).want(t, status)
	}
}

// An import is at most a gibibyte. A line of zero bytes is one that is too long.
func TestAPIImportOfAGibibyte(t *testing.T) {
	store := serveAPI(t).store
	for size, want := range map[int64]string{
		1 << 30:   `{"error":"line 1: is longer than 1048576 bytes; nothing was imported"`,
		1<<30 + 1: `{"error":"the body is larger than 1073741824 bytes"}`,
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, ImportPath, io.LimitReader(zeros{}, size))
		r.Header.Set("Content-Type", "application/jsonl")
		w := httptest.NewRecorder()
		New(Options{Store: store, Brand: "patra", Now: func() time.Time { return apiStart }}).ServeHTTP(w, r)
		if w.Code != http.StatusRequestEntityTooLarge || !strings.HasPrefix(w.Body.String(), want) {
			t.Errorf("%d bytes: %d %s", size, w.Code, w.Body)
		}
	}
}

// A member that is of another kind than its own is refused by its name, with the
// kind that it has to have; nothing is changed.
func TestAPIKindsOfMembers(t *testing.T) {
	const (
		text   = "a string"
		number = "a whole number"
		texts  = "an array of strings"
		object = "an object"
		yes    = "true or false"
	)
	kinds := map[string]string{`"x"`: text, `7`: number, `["x"]`: texts, `{}`: object, `true`: yes}
	s := serveAPI(t)
	id, _, _ := s.create()
	const creation = "POST /keygate/keys"
	operations := map[string]map[string]string{
		creation: {
			"workspace": text, "name": text, "description": text, "scopes": texts, "expires_in_days": number, "limits": object,
			"limits.per_minute": number, "limits.per_day": number, "limits.burst": number,
			"allowed_origins": texts, "allowed_ips": texts, "allow_unknown_scope": yes,
		},
		keyURL("PATCH", id):            {"name": text, "scopes": texts, "limits": object, "limits.burst": number, "allow_unknown_scope": yes},
		keyURL("POST", id, "/rotate"):  {"overlap": text},
		"POST /keygate/explain":        {"key": text, "token": text, "method": text, "path": text, "origin": text, "ip": text, "at": text},
		"PATCH /keygate/workspaces/zz": {"limits": object},
		"POST /keygate/import": {
			"workspace": text, "name": text, "scopes": texts, "disabled": yes, "hash": text, "limits.burst": number, "limits": object, "status": text, "allowed_ips": texts,
		},
	}
	for _, name := range requestMembers(reflect.TypeFor[KeyRequest](), "") {
		if operations[creation][name] == "" && name != "expires_at" { // which may be of two kinds
			t.Errorf("no kind to try for %s", name)
		}
	}
	for operation, members := range operations {
		for member, accepted := range members {
			for value, kind := range kinds {
				if kind == accepted {
					continue
				}
				body := `{"` + member + `":` + value + `}`
				if outer, inner, nested := strings.Cut(member, "."); nested {
					body = `{"` + outer + `":{"` + inner + `":` + value + `}}`
				}
				jsonName := map[string]string{text: "string", number: "number", texts: "array", object: "object", yes: "bool"}[kind]
				s.send(operation, body).want(t, 400, `"error":"`+strings.Repeat("line 1: ", strings.Count(operation, "import"))+member+": a JSON "+jsonName+" is not accepted; accepted: "+accepted)
			}
		}
	}
	for _, body := range []string{"", " ", "\n\t "} {
		s.send("POST /keygate/keys", body, "Content-Type", "application/json").want(t, 400, "the body is empty; send a JSON object")
	}
	for _, sent := range []string{"", "text/plain", "application/jsonl", "application/json-patch", "json", "application/json; charset", ";"} {
		if sent != "" {
			s.send("POST /keygate/keys", "{}", "Content-Type", sent).want(t, 415, "Content-Type: application/json")
		}
		if sent != "application/jsonl" {
			s.send("POST /keygate/import", "{}", "Content-Type", sent).want(t, 415, "Content-Type: application/jsonl")
		}
	}
	s.send("POST /keygate/keys", `{"workspace":"a","name":"n","scopes":["posts:read"]}`, "Content-Type", "Application/JSON ; charset=utf-8").want(t, 201)
}

// A name that is not a member is shown unquoted if it is a plain word of at most
// 64 characters, and quoted otherwise. A token is not shown.
func TestAPIShowsNamesOfMembers(t *testing.T) {
	s := serveAPI(t)
	long := strings.Repeat("a", 63)
	for name, want := range map[string]string{
		"NAME": "NAME", "Name_09AZaz": "Name_09AZaz", long + "z": long + "z",
		long + "zz": `"` + long + `z"…`, "": `""`, "a/b": `"a/b"`, "a:b": `"a:b"`, "a@b": `"a@b"`, "a[b": `"a[b"`, "a^b": `"a^b"`,
		"a`b": "\"a`b\"", "a{b": `"a{b"`, "a-b": `"a-b"`, "a b": `"a b"`, "é": `"\u00e9"`, wholeToken: "<a token>",
	} {
		// What is in an object that is none of the API's own is not known, but is
		// there once.
		got := s.send("POST /keygate/keys", `{"expires_at":{"x":{"`+name+`":1},"y":[{"`+name+`":1,"`+name+`":1}]}}`).want(t, 400)
		var answer struct{ Error string }
		if err := json.Unmarshal([]byte(got.body), &answer); err != nil || answer.Error != "expires_at.y."+want+": is given more than once; accepted: once" {
			t.Errorf("%q: %s, want %s", name, answer.Error, want)
		}
		s.send("POST /keygate/keys", `{"expires_at":{"x":{"`+name+`":1},"y":{"`+name+`":1}}}`).want(t, 400, "expires_at: is not a string")
	}
}
