package caddymodule

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/socialpatra/keygate/apikey"
)

// oddBackend answers in a way that is legal and not usual. Before it, the answer
// has whatever theirs says, which is ours to replace.
type oddBackend struct {
	name    string
	serve   func(http.ResponseWriter, *http.Request) error
	status  int      // of the final answer; 0: there is none, as the connection ends
	hints   []string // Link of each 1xx that the client gets
	body    string
	trailer string // X-Sum
}

func hint(w http.ResponseWriter, link string) {
	w.Header().Set("Link", link)
	w.WriteHeader(http.StatusEarlyHints)
	w.Header().Del("Link")
}

var oddBackends = []oddBackend{
	{"the header, then a body", func(w http.ResponseWriter, _ *http.Request) error {
		w.WriteHeader(201)
		_, err := io.WriteString(w, "made")
		return err
	}, 201, nil, "made", ""},
	{"a body alone", func(w http.ResponseWriter, _ *http.Request) error {
		_, err := io.WriteString(w, "served")
		return err
	}, 200, nil, "served", ""},
	{"a body that is copied", func(w http.ResponseWriter, _ *http.Request) error {
		_, err := io.Copy(w, io.LimitReader(strings.NewReader("copied, and more"), 6)) // by ReadFrom
		return err
	}, 200, nil, "copied", ""},
	{"nothing at all", func(http.ResponseWriter, *http.Request) error { return nil }, 200, nil, "", ""},
	{"an empty body", func(w http.ResponseWriter, _ *http.Request) error {
		_, err := w.Write(nil)
		return err
	}, 200, nil, "", ""},
	{"two headers, of which the first counts", func(w http.ResponseWriter, _ *http.Request) error {
		w.WriteHeader(202)
		w.Header().Set("Cache-Control", "public")
		w.WriteHeader(500)
		return nil
	}, 202, nil, "", ""},
	{"204", func(w http.ResponseWriter, _ *http.Request) error { w.WriteHeader(204); return nil }, 204, nil, "", ""},
	{"304", func(w http.ResponseWriter, _ *http.Request) error { w.WriteHeader(304); return nil }, 304, nil, "", ""},
	{"early hints", func(w http.ResponseWriter, _ *http.Request) error {
		hint(w, "</a>")
		_, err := io.WriteString(w, "served")
		return err
	}, 200, []string{"</a>"}, "served", ""},
	{"several early hints, and an error", func(w http.ResponseWriter, _ *http.Request) error {
		hint(w, "</a>")
		w.WriteHeader(http.StatusProcessing)
		hint(w, "</b>")
		w.WriteHeader(404)
		return nil
	}, 404, []string{"</a>", "", "</b>"}, "", ""},
	{"early hints and nothing else", func(w http.ResponseWriter, _ *http.Request) error {
		hint(w, "</a>")
		return nil
	}, 200, []string{"</a>"}, "", ""},
	{"early hints, then dead", func(w http.ResponseWriter, _ *http.Request) error {
		hint(w, "</a>")
		return caddyhttp.Error(502, errors.New("connection refused"))
	}, 502, []string{"</a>"}, "", ""},
	{"dead", func(http.ResponseWriter, *http.Request) error {
		return caddyhttp.Error(502, errors.New("connection refused"))
	}, 502, nil, "", ""},
	{"a flush first", func(w http.ResponseWriter, _ *http.Request) error {
		if err := http.NewResponseController(w).Flush(); err != nil {
			return err
		}
		w.Header().Set("Cache-Control", "public") // too late
		_, err := io.WriteString(w, "streamed")
		return err
	}, 200, nil, "streamed", ""},
	{"a flush of what was written", func(w http.ResponseWriter, _ *http.Request) error {
		w.WriteHeader(203)
		if err := http.NewResponseController(w).Flush(); err != nil {
			return err
		}
		_, err := io.WriteString(w, "streamed")
		return errors.Join(err, http.NewResponseController(w).Flush())
	}, 203, nil, "streamed", ""},
	{"a hijack that is refused", func(w http.ResponseWriter, _ *http.Request) error {
		if _, _, err := http.NewResponseController(w).Hijack(); !errors.Is(err, http.ErrNotSupported) {
			return fmt.Errorf("hijacked: %w", err)
		}
		w.WriteHeader(501)
		return nil
	}, 501, nil, "", ""},
	{"a deadline, which goes through", func(w http.ResponseWriter, _ *http.Request) error {
		if err := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(time.Hour)); err != nil {
			return err
		}
		w.WriteHeader(200)
		return nil
	}, 200, nil, "", ""},
	{"a trailer", func(w http.ResponseWriter, _ *http.Request) error {
		w.Header().Set("Trailer", "X-Sum")
		_, err := io.WriteString(w, "summed")
		w.Header().Set("X-Sum", "42")
		return err
	}, 200, nil, "summed", "42"},
	{"a trailer that nobody announced", func(w http.ResponseWriter, _ *http.Request) error {
		_, err := io.WriteString(w, "summed")
		w.Header().Set(http.TrailerPrefix+"X-Sum", "42")
		return errors.Join(err, http.NewResponseController(w).Flush())
	}, 200, nil, "summed", "42"},
	{"a panic before", func(http.ResponseWriter, *http.Request) error { panic(http.ErrAbortHandler) }, 0, nil, "", ""},
	{"a panic in the middle", func(w http.ResponseWriter, _ *http.Request) error {
		hint(w, "</a>")
		panic(http.ErrAbortHandler)
	}, 0, []string{"</a>"}, "", ""},
}

// theirs are fields that a backend sets and that are ours. Those of CORS and of
// limits are replaced, others are added to.
var theirs = map[string]http.Header{
	"none": {},
	"all": {
		"Access-Control-Allow-Origin": {"*", "null"}, "Access-Control-Allow-Credentials": {"true"}, "Access-Control-Expose-Headers": {"X-Sum"},
		"Access-Control-Max-Age": {"5"}, "Ratelimit": {"a", "b"}, "Ratelimit-Policy": {"a", "b"}, "Vary": {"Accept", "origin"}, "Cache-Control": {"max-age=1"},
	},
}

// oddServer is an HTTP server whose requests come to Keygate, and then to the
// backend of that number. Errors are answered as Caddy's server does.
func oddServer(t *testing.T, h *Handler, http2 bool) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		backend, headers := &oddBackends[0], r.URL.Query().Get("theirs")
		for i := range oddBackends {
			if oddBackends[i].name == r.URL.Query().Get("backend") {
				backend = &oddBackends[i]
			}
		}
		r = caddyhttp.PrepareRequest(r, caddy.NewReplacer(), w, nil)
		r.URL.RawQuery = "" // no backend needs it
		err := h.ServeHTTP(w, r, caddyhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
			for name, values := range theirs[headers] {
				w.Header()[name] = slices.Clone(values)
			}
			return backend.serve(w, r)
		}))
		if handled, ok := errors.AsType[caddyhttp.HandlerError](err); ok {
			w.WriteHeader(handled.StatusCode)
		} else if err != nil {
			t.Errorf("%s: %v", backend.name, err)
		}
	}))
	server.EnableHTTP2 = http2
	server.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	server.StartTLS()
	t.Cleanup(server.Close)
	return server
}

// Whatever a backend does, what is ours is on the final answer once, and in
// the place of what it set itself; nothing of it is on a 1xx.
func TestOddBackends(t *testing.T) {
	h, err := handlerOf(t, "{}", `{`+plainRoutes+`}`)
	if err != nil {
		t.Fatal(err)
	}
	_, token := storeKey(t, h, func(k *apikey.Key) { k.Limits = plenty })
	for _, http2 := range []bool{false, true} {
		server := oddServer(t, h, http2)
		for _, b := range oddBackends {
			for headers := range theirs {
				for _, asked := range []struct{ method, path, origin, token string }{
					{"GET", "/v1/posts", page, token},
					{"GET", "/v1/posts", "", token},
					{"HEAD", "/v1/posts", page, token},
					{"GET", "/v1/status", page, ""},
				} {
					name := fmt.Sprint(b.name, "/", headers, "/", asked.method, asked.path, asked.origin, http2)
					t.Run(name, func(t *testing.T) {
						a := askOdd(t, server, asked.method, asked.path, b.name, headers, asked.origin, asked.token)
						if a.status != b.status || asked.method != "HEAD" && a.body != b.body {
							t.Fatalf("%d %q, want %d %q", a.status, a.body, b.status, b.body)
						}
						if asked.method != "HEAD" && a.trailer != b.trailer {
							t.Errorf("the trailer is %q, want %q", a.trailer, b.trailer)
						}
						var links []string
						for _, hint := range a.hints {
							links = append(links, strings.Join(hint["Link"], "|"))
							for name := range hint {
								if strings.HasPrefix(name, "Ratelimit") && theirs[headers][name] == nil || name == "Request-Id" || name == "Retry-After" {
									t.Errorf("a 1xx has %v", hint)
								}
							}
						}
						if !slices.Equal(links, b.hints) {
							t.Errorf("the early hints are %q, want %q", links, b.hints)
						}
						if b.status > 0 {
							wantOurs(t, a.header, theirs[headers], asked.origin, asked.token != "")
						}
					})
				}
			}
		}
	}
}

// A backend that writes in pieces, by whichever way, writes one header.
func TestHeadersAreWrittenOnce(t *testing.T) {
	h := provisioned(t, new(Handler))
	ways := map[string]func(http.ResponseWriter){
		"WriteHeader": func(w http.ResponseWriter) { w.WriteHeader(200) },
		"Write":       func(w http.ResponseWriter) { _, _ = w.Write([]byte("a")) },
		"ReadFrom":    func(w http.ResponseWriter) { _, _ = io.Copy(w, io.LimitReader(strings.NewReader("ab"), 1)) },
		"Flush":       func(w http.ResponseWriter) { _ = http.NewResponseController(w).Flush() },
	}
	for first, begin := range ways {
		for second, goOn := range ways {
			w := &countingWriter{ResponseRecorder: httptest.NewRecorder()}
			if err := h.ServeHTTP(w, httpRequest("GET", "/v1/status", http.Header{}), caddyhttp.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
				begin(w)
				if second != "WriteHeader" { // who calls that twice gets it twice
					goOn(w)
				}
				return nil
			})); err != nil || w.headers != 1 || w.Header().Get("Vary") != "Origin" {
				t.Errorf("%s and %s: %v, %d headers, %v", first, second, err, w.headers, w.Header())
			}
		}
	}
}

// wantOurs checks what is ours on an answer: each once, and nothing that the
// backend said in its place.
func wantOurs(t *testing.T, h, theirs http.Header, origin string, keyed bool) {
	t.Helper()
	want := map[string]string{"Access-Control-Allow-Origin": origin, "Access-Control-Expose-Headers": ""}
	if origin != "" {
		want["Access-Control-Expose-Headers"] = strings.Join(append([]string{ourExposed}, theirs["Access-Control-Expose-Headers"]...), ", ")
	}
	vary, private := []string{"Origin"}, ""
	if keyed {
		want["Ratelimit-Policy"] = `"minute";q=1000000;w=60, "day";q=1000000000;w=86400`
		vary, private = append(vary, "Authorization"), "private"
		if n := len(h["Ratelimit"]); n != 1 || !strings.HasPrefix(h["Ratelimit"][0], `"minute";r=`) {
			t.Errorf("Ratelimit: %q", h["Ratelimit"])
		}
	} else if got := h["Ratelimit"]; !slices.Equal(got, theirs["Ratelimit"]) {
		t.Errorf("of a public route Ratelimit is %q", got)
	}
	if said := theirs["Cache-Control"]; said != nil {
		private = strings.TrimPrefix(strings.Join(append([]string{private}, said...), ", "), ", ")
	}
	want["Cache-Control"] = private
	for name, value := range want {
		if got := h[name]; value == "" && len(got) > 0 || value != "" && !slices.Equal(got, []string{value}) {
			t.Errorf("%s: %q, want %q", name, got, value)
		}
	}
	for name := range h {
		if _, ours := want[name]; strings.HasPrefix(name, "Access-Control-") && !ours {
			t.Errorf("%s: %q", name, h[name])
		}
	}
	var varies []string
	for name := range strings.SplitSeq(strings.Join(h["Vary"], ","), ",") {
		varies = append(varies, strings.ToLower(strings.TrimSpace(name)))
	}
	slices.Sort(varies)
	for _, name := range theirs["Vary"] {
		if !slices.ContainsFunc(vary, func(have string) bool { return strings.EqualFold(have, name) }) {
			vary = append(vary, name)
		}
	}
	slices.Sort(vary)
	if got := strings.Join(varies, ","); got != strings.ToLower(strings.Join(vary, ",")) {
		t.Errorf("Vary names %q, want %q", got, vary)
	}
}

// oddAnswer is what a client gets of an odd backend. Its status is 0 where the
// connection ends without one.
type oddAnswer struct {
	status  int
	header  http.Header
	body    string
	trailer string
	hints   []http.Header
}

func askOdd(t *testing.T, server *httptest.Server, method, path, backend, headers, origin, token string) (a oddAnswer) {
	t.Helper()
	ctx := httptrace.WithClientTrace(context.WithoutCancel(t.Context()), &httptrace.ClientTrace{
		Got1xxResponse: func(_ int, h textproto.MIMEHeader) error {
			a.hints = append(a.hints, http.Header(maps.Clone(h)))
			return nil
		},
	})
	r, err := http.NewRequestWithContext(ctx, method, server.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.URL.RawQuery = "backend=" + strings.ReplaceAll(backend, " ", "+") + "&theirs=" + headers
	if origin != "" {
		r.Header.Set("Origin", origin)
	}
	if token != "" {
		r.Header["Authorization"] = bearer(token)
	}
	resp, err := server.Client().Do(r)
	if err != nil {
		return a
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Errorf("reading the body: %v", err)
	}
	a.status, a.header, a.body, a.trailer = resp.StatusCode, resp.Header, string(body), resp.Trailer.Get("X-Sum")
	return a
}
