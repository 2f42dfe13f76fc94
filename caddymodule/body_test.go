package caddymodule

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/socialpatra/keygate/apikey"
)

// A connection of HTTP/1 is closed after the answer where the body was not read to
// its end, and only there: what is left of it might be taken for a request.
func TestConnectionsCloseAfterUnreadBodies(t *testing.T) {
	h, err := handlerOf(t, "{}", `{`+plainRoutes+`}`)
	if err != nil {
		t.Fatal(err)
	}
	_, token := storeKey(t, h, func(k *apikey.Key) { k.Limits = plenty })
	const text = "0123456789"
	for _, test := range []struct {
		name   string
		proto  int
		length int64 // -1: chunked
		read   int   // how much the backend reads; -1: nobody comes to it
		fails  bool
		closes bool
	}{
		{"refused", 1, 10, -1, false, true},
		{"refused, chunked", 1, -1, -1, false, true},
		{"refused, larger than what is drained", 1, 256<<10 + 1, -1, false, true},
		{"refused, of HTTP/2", 2, 10, -1, false, false},
		{"refused, of HTTP/3", 3, -1, -1, false, false},
		{"refused, without one", 1, 0, -1, false, false},
		{"not read", 1, 10, 0, false, true},
		{"not read, and failed", 1, 10, 0, true, true},
		{"read in part", 1, 10, 9, false, true},
		{"read", 1, 10, 10, false, false},
		{"read, and failed", 1, 10, 10, true, false},
		{"chunked, not read", 1, -1, 0, false, true},
		{"chunked, read but for its end", 1, -1, 10, false, true},
		{"chunked, read", 1, -1, 11, false, false},
		{"HTTP/2, not read", 2, -1, 0, false, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			header := http.Header{}
			if test.read >= 0 {
				header["Authorization"] = bearer(token)
			}
			r := httpRequest("POST", "/v1/posts", header)
			r.ProtoMajor, r.ContentLength = test.proto, test.length
			if r.Body = io.NopCloser(strings.NewReader(text)); test.length == 0 {
				r.Body = http.NoBody
			}
			var got []byte
			w := httptest.NewRecorder()
			err := h.ServeHTTP(w, r, caddyhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
				if test.read > len(text) {
					got, _ = io.ReadAll(r.Body)
				} else {
					got = make([]byte, test.read)
					_, _ = io.ReadFull(r.Body, got)
				}
				if test.fails {
					return caddyhttp.Error(502, io.ErrUnexpectedEOF)
				}
				w.WriteHeader(200)
				return nil
			}))
			if (err != nil) != test.fails {
				t.Fatal(err)
			}
			if want := text[:min(max(test.read, 0), len(text))]; string(got) != want {
				t.Errorf("the backend read %q, want %q", got, want)
			}
			if closes := slices.Equal(w.Header()["Connection"], []string{"close"}); closes != test.closes {
				t.Errorf("Connection: %q, want close: %v", w.Header()["Connection"], test.closes)
			}
		})
	}
}

// A client that still writes a large body is given its answer, and an end of the
// connection that does not take it away again.
func TestAnswersOutliveUnreadBodies(t *testing.T) {
	h, err := handlerOf(t, "{}", `{`+plainRoutes+`}`)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = struct{ io.ReadCloser }{r.Body} // as Caddy's own
		r = caddyhttp.PrepareRequest(r, caddy.NewReplacer(), w, nil)
		if err := h.ServeHTTP(&caddyhttp.ResponseWriterWrapper{ResponseWriter: w}, r, okBackend); err != nil {
			t.Error(err)
		}
	}))
	defer server.Close()
	for _, method := range []string{"POST", "OPTIONS"} { // a refusal, and a preflight
		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		_, err = fmt.Fprintf(conn, "%s /v1/posts HTTP/1.1\r\nHost: x\r\nOrigin: %s\r\nAccess-Control-Request-Method: GET\r\nContent-Length: %d\r\n\r\n%s",
			method, page, 256<<10+1, strings.Repeat("x", 100_000))
		if err != nil {
			t.Fatal(err)
		}
		reader := bufio.NewReader(conn)
		resp, err := http.ReadResponse(reader, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadAll(resp.Body); err != nil || !resp.Close {
			t.Errorf("%s: the body ends with %v, the connection is closed: %v", method, err, resp.Close)
		}
		if _, err := reader.ReadByte(); err != io.EOF {
			t.Errorf("%s: the connection ends with %v", method, err)
		}
	}
}

// Where the client has hung up in the middle of its body, nothing else may come on
// the connection.
func TestHangingUpInABody(t *testing.T) {
	h, err := handlerOf(t, "{}", `{`+plainRoutes+`}`)
	if err != nil {
		t.Fatal(err)
	}
	_, token := storeKey(t, h, nil)
	for _, whole := range []bool{false, true} {
		ended, end := context.WithCancel(t.Context())
		end()
		r := httpRequest("POST", "/v1/posts", http.Header{"Authorization": bearer(token)})
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader("0123456789")), 10
		r = r.WithContext(mergedContext{r.Context(), ended})
		aborted := func() (aborted bool) {
			defer func() {
				err, _ := recover().(error)
				aborted = errors.Is(err, http.ErrAbortHandler)
			}()
			err := h.ServeHTTP(httptest.NewRecorder(), r, caddyhttp.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) error {
				if whole {
					_, err := io.ReadAll(r.Body)
					return err
				}
				return nil
			}))
			if err != nil {
				t.Error(err)
			}
			return false
		}()
		if aborted == whole {
			t.Errorf("of a body that was read: %v, the connection is aborted: %v", whole, aborted)
		}
	}
}
