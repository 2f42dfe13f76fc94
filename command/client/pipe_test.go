package client

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func piped(t *testing.T, handle func(http.ResponseWriter) error) *http.Response {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	w := newPipedResponse(r)
	go w.serve(http.HandlerFunc(func(hw http.ResponseWriter, r *http.Request) {
		if err := handle(hw); err != nil {
			w.failed(r, 0, err)
			panic(http.ErrAbortHandler)
		}
	}), r)
	resp := w.response(r)
	t.Cleanup(func() { resp.Body.Close() })
	return resp
}

func TestPipedResponse(t *testing.T) {
	broken := errors.New("the disk is broken")
	tests := []struct {
		name   string
		handle func(http.ResponseWriter) error
		status int
		body   string
		err    error
	}{
		{"nothing", func(http.ResponseWriter) error { return nil }, 200, "", nil},
		{"whole", func(w http.ResponseWriter) error {
			w.WriteHeader(201)
			_, err := io.WriteString(w, "abc")
			return err
		}, 201, "abc", nil},
		{"failed", func(http.ResponseWriter) error { return broken }, 500, "", broken},
		{"cut short", func(w http.ResponseWriter) error {
			io.WriteString(w, "abc")
			return broken
		}, 200, "abc", broken},
		{"aborted", func(w http.ResponseWriter) error {
			io.WriteString(w, "abc")
			panic(http.ErrAbortHandler)
		}, 200, "abc", io.ErrUnexpectedEOF},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			resp := piped(t, test.handle)
			body, err := io.ReadAll(resp.Body)
			if resp.StatusCode != test.status || string(body) != test.body || !errors.Is(err, test.err) {
				t.Errorf("%d %q, %v", resp.StatusCode, body, err)
			}
		})
	}
}

// Nothing is kept in memory: a handler that never ends is read as it writes,
// and ends when its reader has enough.
func TestPipedResponseStreams(t *testing.T) {
	ended := make(chan struct{})
	resp := piped(t, func(w http.ResponseWriter) error {
		defer close(ended)
		for {
			if _, err := io.WriteString(w, strings.Repeat("x", 1000)); err != nil {
				return err
			}
		}
	})
	if _, err := io.ReadFull(resp.Body, make([]byte, 1<<20)); err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	select {
	case <-ended:
	default:
		t.Error("the handler runs on after its body was closed")
	}
}

func TestStallWatch(t *testing.T) {
	t.Run("nothing moves", func(t *testing.T) {
		watch := watchStalls(t.Context(), time.Nanosecond)
		defer watch.stop()
		<-watch.ctx.Done()
		if err := watch.cause(context.Canceled); !errors.Is(err, errStalled) {
			t.Errorf("%v", err)
		}
	})
	t.Run("all is read", func(t *testing.T) {
		watch := watchStalls(t.Context(), time.Hour)
		body := watch.answer(io.NopCloser(strings.NewReader("abc")))
		if text, err := io.ReadAll(body); string(text) != "abc" || err != nil {
			t.Errorf("%q, %v", text, err)
		}
		body.Close()
		if cause := context.Cause(watch.ctx); !errors.Is(cause, context.Canceled) {
			t.Errorf("the call goes on after its answer was closed: %v", cause)
		}
	})
}
