package main

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// get asks as the gateway does for a key of acme.
func get(path string, more ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", path, nil)
	r.Header.Set("SocialPatra-Workspace", "acme")
	r.Header.Set("SocialPatra-Key-Id", "7Hk2Qp9aX3bC")
	r.Header.Set("SocialPatra-Scopes", "posts:read")
	for _, name := range more {
		r.Header.Add(name, "evil")
	}
	w := httptest.NewRecorder()
	handler().ServeHTTP(w, r)
	return w
}

func TestWorkspacesSeeTheirOwn(t *testing.T) {
	if w := get("/v1/posts/1"); w.Code != http.StatusOK {
		t.Errorf("acme's own post: %d", w.Code)
	}
	if w := get("/v1/posts/2"); w.Code != http.StatusNotFound {
		t.Errorf("another's post: %d, want 404", w.Code)
	}
}

func TestOnlyTheGatewayMayCall(t *testing.T) {
	if w := get("/v1/me", "SocialPatra-Workspace"); w.Code != http.StatusForbidden {
		t.Errorf("two workspaces: %d, want 403", w.Code)
	}
	w := httptest.NewRecorder()
	handler().ServeHTTP(w, httptest.NewRequest("GET", "/v1/me", nil))
	if w.Code != http.StatusForbidden {
		t.Errorf("no identity: %d, want 403", w.Code)
	}
}
