package caddymodule

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	dto "github.com/prometheus/client_model/go"
	"go.uber.org/zap"

	"github.com/socialpatra/keygate/keystore"
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

func countedFailures(t *testing.T) float64 {
	t.Helper()
	var m dto.Metric
	if err := metrics.storeErrors.Write(&m); err != nil {
		t.Fatal(err)
	}
	return m.GetCounter().GetValue()
}

// What the store cannot do is counted; what a request is refused for is not.
func TestFailuresOfTheStoreAreCounted(t *testing.T) {
	for err, counted := range map[error]float64{
		keystore.ErrClosed:     1,
		keystore.ErrNotWritten: 1,
		fmt.Errorf("key X: %w", keystore.Unavailable(errors.New("input/output error"))): 1,
		keystore.ErrNotFound:          0,
		errors.New("a fault of ours"): 0,
	} {
		before := countedFailures(t)
		reportFailure(zap.NewNop(), "/keygate/keys", http.StatusServiceUnavailable, err)
		if got := countedFailures(t) - before; got != counted {
			t.Errorf("%v: counted %v, want %v", err, got, counted)
		}
	}
}
