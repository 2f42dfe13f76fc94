package caddymodule

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/socialpatra/keygate/internal/logthrottle"
)

// A store that cannot answer lets public routes through and nothing else, with
// one error in the log for many requests, and in it no token.
func TestStoreUnavailable(t *testing.T) {
	for name, open := range map[string]bool{"never opened": false, "closed": true} {
		t.Run(name, func(t *testing.T) {
			h := provisioned(t, &Handler{})
			core, logged := observer.New(zap.DebugLevel)
			h.logger = zap.New(core)
			unavailable = logthrottle.Throttle{}
			token := "patra_7Hk2Qp9aX3bC_0123456789ABCDEFGHIJKLMNOPQRSTUV2YI9hn"
			if open {
				_, token = storeKey(t, h, nil)
			}
			if err := h.app.Cleanup(); err != nil { // as for a request that is late for its config
				t.Fatal(err)
			}
			serve := func(h *Handler, path string) (*httptest.ResponseRecorder, bool, error) {
				var backend backendFunc
				w := httptest.NewRecorder()
				err := h.ServeHTTP(w, httpRequest("GET", path, http.Header{"Authorization": bearer(token)}), &backend)
				return w, backend.seen != nil, err
			}
			for range 3 {
				w, passed, err := serve(h, "/v1/posts")
				if err != nil || passed || w.Code != 503 || !strings.Contains(w.Body.String(), `"code":"store_unavailable"`) {
					t.Errorf("%v, passed: %v, %d %s", err, passed, w.Code, w.Body)
				}
				if strings.Contains(fmt.Sprint(w.Header(), w.Body), token[19:]) {
					t.Errorf("the token is in the answer: %v %s", w.Header(), w.Body)
				}
			}
			if w, passed, err := serve(h, "/v1/status"); err != nil || !passed {
				t.Errorf("a public route: %v %d %s", err, w.Code, w.Body)
			}
			h.Errors = "caddy"
			_, passed, err := serve(h, "/v1/posts")
			var handled caddyhttp.HandlerError
			if !errors.As(err, &handled) || passed || handled.StatusCode != 503 || strings.Contains(err.Error(), token[19:]) {
				t.Errorf("to handle_errors goes %v", err)
			}

			if n := logged.FilterLevelExact(zap.ErrorLevel).Len(); n != 1 {
				t.Errorf("%d errors are logged, want one", n)
			}
			for _, entry := range logged.All() {
				if strings.Contains(fmt.Sprint(entry.Message, entry.ContextMap()), token[19:]) {
					t.Errorf("the token is in the log: %v", entry)
				}
			}
		})
	}
}
