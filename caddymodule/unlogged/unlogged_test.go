package unlogged

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	_ "github.com/caddyserver/caddy/v2/modules/standard" // the handlers of the config
)

func init() { caddy.RegisterModule(standIn{}) }

// standIn serves by Serve what the path asks for.
type standIn struct{ logger *zap.Logger }

func (standIn) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.unlogged_stand_in", New: func() caddy.Module { return new(standIn) }}
}

func (s *standIn) Provision(ctx caddy.Context) error {
	s.logger = ctx.Logger()
	return nil
}

func (s *standIn) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	Serve(w, r, s.logger, func(w http.ResponseWriter) (zapcore.ObjectMarshaler, error) {
		more := zapcore.ObjectMarshalerFunc(func(enc zapcore.ObjectEncoder) error {
			enc.AddString("key_id", "k1")
			return nil
		})
		switch r.URL.Path {
		case "/nothing_more":
			return nil, next.ServeHTTP(w, r)
		case "/refused":
			return more, caddyhttp.Error(http.StatusTeapot, errors.New("no coffee"))
		case "/failed":
			return more, errors.New("no backend")
		case "/failed_late":
			w.WriteHeader(http.StatusAccepted)
			return more, errors.New("no backend")
		case "/broken_off":
			_, _ = io.WriteString(w, "the first")
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}
		return more, next.ServeHTTP(w, r)
	})
	return nil
}

// config has every log of Caddy in one file, and the same routes on a server with
// access logs and on one without.
const config = `{"admin":{"disabled":true},
	"logging":{"logs":{"default":{"level":"DEBUG","writer":{"output":"file","filename":%q},"encoder":{"format":"json"}}}},
	"apps":{"http":{"servers":{
		"logged":{"listen":["unix/%s"],"automatic_https":{"disable":true},"logs":{},"routes":%s},
		"quiet":{"listen":["unix/%s"],"automatic_https":{"disable":true},"routes":%s}}}}}`

const routes = `[
	{"match":[{"path":["/skipped"]}],"handle":[{"handler":"vars","log_skip":true}]},
	{"handle":[{"handler":"unlogged_stand_in"},{"handler":"static_response","status_code":201,"body":"made"}]}]`

const secret = "a-secret-that-nobody-may-read"

// line is one of the log, as far as the tests read it.
type line struct {
	Level, Msg, Error string
	Status, Size      int
	Duration          *float64
	Keygate           map[string]string
	Request           map[string]any
}

// gateway is a running Caddy.
type gateway struct{ dir string }

func start(t *testing.T) gateway {
	t.Helper()
	g := gateway{t.TempDir()}
	text := fmt.Sprintf(config, g.path("log"), g.path("logged"), routes, g.path("quiet"), routes)
	if err := caddy.Load([]byte(text), true); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = caddy.Stop() })
	return g
}

func (g gateway) path(name string) string { return filepath.Join(g.dir, name) }

// get asks a server for a path with the secret in headers, and returns the status
// and what came of the body. Both are there when the request has ended: the log
// of it is written then.
func (g gateway) get(t *testing.T, server, path string) (int, string) {
	t.Helper()
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", g.path(server))
	}}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://api.example"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Sec-WebSocket-Protocol", "v1, "+secret)
	r.Header.Set("X-Anything", secret)
	resp, err := transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(resp.Body) // it may break off
	_ = resp.Body.Close()
	return resp.StatusCode, string(body)
}

// lines stops Caddy, which writes the rest of its log, and returns the lines of
// requests. No line of any kind has the secret.
func (g gateway) lines(t *testing.T) []line {
	t.Helper()
	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(g.path("log"))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), secret) {
		t.Errorf("a log has the secret:\n%s", text)
	}
	var lines []line
	for row := range strings.Lines(string(text)) {
		var l line
		if err := json.Unmarshal([]byte(row), &l); err != nil {
			t.Fatal(err)
		}
		if l.Request != nil {
			lines = append(lines, l)
		}
	}
	return lines
}

// One request has one line, with what an access log has of it except the headers,
// whichever way it ends.
func TestServe(t *testing.T) {
	tests := map[string]struct {
		status      int // of the answer
		body        string
		level, told string
		more        bool
	}{
		"/answered":     {201, "made", "info", "", true},
		"/nothing_more": {201, "made", "info", "", false},
		"/refused":      {418, "", "info", "no coffee", true},
		"/failed":       {500, "", "error", "no backend", true},
		"/failed_late":  {202, "", "info", "no backend", true},
		"/broken_off":   {200, "the first", "info", "", false},
	}
	for path, test := range tests {
		t.Run(path, func(t *testing.T) {
			g := start(t)
			status, body := g.get(t, "logged", path+"?a=b")
			if status != test.status || body != test.body {
				t.Errorf("answered %d %q", status, body)
			}
			lines := g.lines(t)
			if len(lines) != 1 {
				t.Fatalf("%d lines of one request: %+v", len(lines), lines)
			}
			l := lines[0]
			if l.Msg != "handled request" || l.Level != test.level || l.Status != test.status || l.Size != len(test.body) || l.Duration == nil {
				t.Errorf("logged %+v", l)
			}
			if !strings.Contains(l.Error, test.told) || (l.Error == "") != (test.told == "") {
				t.Errorf("the error is told as %q", l.Error)
			}
			if (l.Keygate["key_id"] == "k1") != test.more {
				t.Errorf("more of the request: %v", l.Keygate)
			}
			want := map[string]string{"proto": "HTTP/1.1", "method": "GET", "host": "api.example", "uri": path + "?a=b"}
			for field, value := range want {
				if l.Request[field] != value {
					t.Errorf("%s of the request is %v", field, l.Request[field])
				}
			}
			if _, told := l.Request["client_ip"]; !told || len(l.Request) != len(want)+1 {
				t.Errorf("the request is told as %v", l.Request)
			}
		})
	}
}

// Where Caddy would log no request, neither does Serve.
func TestServeWithoutAccessLog(t *testing.T) {
	g := start(t)
	for _, ask := range [][2]string{{"quiet", "/answered"}, {"quiet", "/refused"}, {"quiet", "/failed"}, {"logged", "/skipped"}} {
		g.get(t, ask[0], ask[1])
	}
	if lines := g.lines(t); len(lines) > 0 {
		t.Errorf("logged %+v", lines)
	}
}
