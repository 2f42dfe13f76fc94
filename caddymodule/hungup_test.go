package caddymodule

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// Where the client hangs up, a handler behind may come back at once and have a
// goroutine of its own read the request for longer, as Souin does. Then nothing
// changes in the header that it reads: maps
// that are read and written at once end the process. Nor do error routes get what
// was for the backend: there is nobody to answer.
func TestRequestsOfClientsThatHungUp(t *testing.T) {
	h := provisioned(t, &Handler{Header: "X-Key"})
	_, token := storeKey(t, h, nil)
	for name, test := range map[string]struct {
		err    error
		wrote  bool
		status int
	}{
		"answered":          {nil, true, 200},
		"not answered":      {nil, false, 200},
		"an error":          {context.Canceled, false, 499},
		"one with a status": {caddyhttp.Error(504, errors.New("too late")), false, 504},
		"without a status":  {caddyhttp.HandlerError{Err: errors.New("late")}, false, 499},
		"one in the middle": {context.Canceled, true, 200},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, hangUp := context.WithCancel(t.Context())
			r := httpRequest("GET", "/v1/posts", http.Header{"X-Key": {token}, "X-Real-Ip": {"203.0.113.9"}})
			r = r.WithContext(mergedContext{r.Context(), ctx})
			var seen http.Header
			next := caddyhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
				seen = r.Header.Clone()
				if test.wrote {
					w.WriteHeader(200)
				}
				hangUp()
				return test.err
			})
			w := &countingWriter{ResponseRecorder: httptest.NewRecorder()}
			if err := h.ServeHTTP(w, r, next); err != nil || w.Code != test.status {
				t.Errorf("%d and %v for the error routes, want %d alone", w.Code, err, test.status)
			}
			if want := test.wrote || test.err != nil; w.headers > 1 || (w.headers == 1) != want {
				t.Errorf("a header is written %d times", w.headers)
			}
			if !maps.EqualFunc(seen, r.Header, slices.Equal) || seen.Get("SocialPatra-Workspace") == "" {
				t.Errorf("the header was %v, and is %v", seen, r.Header)
			}
		})
	}
}

// countingWriter counts how often a header is written.
type countingWriter struct {
	*httptest.ResponseRecorder
	headers int
}

func (w *countingWriter) WriteHeader(status int) {
	w.headers++
	w.ResponseRecorder.WriteHeader(status)
}

// mergedContext has the values of one context and the end of another.
type mergedContext struct {
	context.Context
	end context.Context
}

func (c mergedContext) Done() <-chan struct{} { return c.end.Done() }
func (c mergedContext) Err() error            { return c.end.Err() }
