package adminapi

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// bodyless are the operations that have no members, each about a key of its own.
func bodyless(s *apiServer) (operations []string) {
	for _, operation := range s.doc.operations() {
		if s.doc.at(s.doc.operation(operation), "requestBody") != nil {
			continue
		}
		id, _, _ := s.create()
		operations = append(operations, strings.NewReplacer("{id}", id, "{workspace}", "acme").Replace(operation))
	}
	return operations
}

// An operation without members takes an empty body, or an object without
// members. Any other body says something that would be ignored.
func TestAPIBodyless(t *testing.T) {
	for _, tt := range []struct {
		body, contentType string
		status            int // 0: as without a body
		want              string
	}{
		{"", "", 0, ""},
		{"", "text/plain", 0, ""},
		{"{}", "application/json", 0, ""},
		{" {\n}\n", "application/json; charset=utf-8", 0, ""},
		{"{}", "", 415, "Content-Type: application/json"},
		{"{}", "text/plain", 415, "Content-Type: application/json"},
		{"reason=leaked", "application/x-www-form-urlencoded", 415, "Content-Type: application/json"},
		{`{"reason":"leaked"}`, "application/json", 400, "reason: is not a member; accepted: no members"},
		{"nonsense", "application/json", 400, "the body is not the JSON"},
		{"null", "application/json", 400, "not a JSON object"},
		{"[]", "application/json", 400, "a JSON array is not accepted"},
		{" ", "application/json", 400, "the body is empty"},
		{"{}{}", "application/json", 400, "something follows"},
		{`{"a":"` + strings.Repeat("x", maxBody) + `"}`, "application/json", 413, "the body is larger"},
	} {
		s := serveAPI(t)
		for _, operation := range bodyless(s) {
			for _, whole := range []bool{true, false} {
				status, answer := sendBody(t, s, operation, tt.body, tt.contentType, whole)
				if tt.status == 0 && status >= 400 || tt.status != 0 && status != tt.status || !strings.Contains(answer, tt.want) {
					t.Errorf("%s with %.30q as %q, length known: %v: %d %s", operation, tt.body, tt.contentType, whole, status, answer)
				}
				if tt.status == 0 && strings.HasPrefix(operation, "DELETE "+KeysPath) {
					break // it is gone
				}
			}
		}
	}
}

// sendBody sends a body of which the server knows the length, or not.
func sendBody(t *testing.T, s *apiServer, operation, body, contentType string, whole bool) (int, string) {
	t.Helper()
	method, target, _ := strings.Cut(operation, " ")
	var reader io.Reader = strings.NewReader(body)
	if !whole {
		reader = io.MultiReader(reader)
	}
	r, err := http.NewRequestWithContext(t.Context(), method, s.url+target, reader)
	if err != nil {
		t.Fatal(err)
	}
	if !whole {
		r.TransferEncoding = []string{"chunked"} // also of an empty body
	}
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(answer)
}

// The body of a rotation may be left out, also where its length is not known.
func TestAPIRotationWithoutBody(t *testing.T) {
	s := serveAPI(t)
	for _, whole := range []bool{true, false} {
		id, _, _ := s.create()
		if status, answer := sendBody(t, s, keyURL("POST", id, "/rotate"), "", "", whole); status != 201 {
			t.Errorf("length known: %v: %d %s", whole, status, answer)
		}
	}
}

// The server and the document agree on which operations have a body.
func TestAPIKnowsItsBodies(t *testing.T) {
	doc := readOpenAPI(t)
	for path, methods := range resources {
		for method, op := range methods {
			if documented := doc.at(doc.operation(method+" "+path), "requestBody") != nil; op.body != documented {
				t.Errorf("%s %s: a body is %v, documented %v", method, path, op.body, documented)
			}
		}
	}
}
