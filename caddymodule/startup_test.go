package caddymodule

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
)

// A Caddy that has not loaded its config yet is not one without keygate.
func TestAPIBeforeTheFirstConfig(t *testing.T) {
	ask := func() error {
		return serveAdmin(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/keygate/keys", nil))
	}
	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
	before := countedFailures(t)
	if err := ask(); err == nil || !strings.Contains(err.Error(), "has not loaded its config yet") || strings.Contains(err.Error(), "without keygate") {
		t.Errorf("while it starts: %v", err)
	}
	if err := caddy.Load([]byte(`{"admin":{"disabled":true}}`), true); err != nil {
		t.Fatal(err)
	}
	defer caddy.Stop()
	if err := ask(); err == nil || !strings.Contains(err.Error(), "without keygate") {
		t.Errorf("with another config: %v", err)
	}
	if countedFailures(t) != before {
		t.Error("it is counted as a failure of the store")
	}
}
