package caddymodule

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	dto "github.com/prometheus/client_model/go"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/socialpatra/keygate/access"
)

// handlerOf makes a handler of its JSON, under an app with the JSON app, in which
// DIR is a folder of the test. It ends with the test.
func handlerOf(t *testing.T, app, handler string) (*Handler, error) {
	t.Helper()
	if !strings.Contains(app, `"store"`) {
		app = strings.Replace(app, "{", `{"store":{"module":"bbolt","path":"DIR/keys.db"},`, 1)
		app = strings.Replace(app, ",}", "}", 1)
	}
	app = strings.ReplaceAll(app, "DIR", filepath.Join(t.TempDir(), "data"))
	ctx, err := caddy.ProvisionContext(&caddy.Config{AppsRaw: caddy.ModuleMap{"keygate": json.RawMessage(app)}})
	if err != nil {
		return nil, err
	}
	h := new(Handler)
	if err := caddy.StrictUnmarshalJSON([]byte(handler), h); err != nil {
		return nil, err
	}
	if err := h.Provision(ctx); err != nil {
		return nil, err
	}
	t.Cleanup(func() {
		if err := h.app.Cleanup(); err != nil {
			t.Error(err)
		}
	})
	return h, nil
}

// loggedRequest is a request as a site's server with access logs hands it on.
func loggedRequest(method, path string, header http.Header) *http.Request {
	r := httptest.NewRequest(method, path, nil)
	r.Header = header
	r = caddyhttp.PrepareRequest(r, caddy.NewReplacer(), httptest.NewRecorder(), &caddyhttp.Server{Logs: new(caddyhttp.ServerLogConfig)})
	caddyhttp.SetVar(r.Context(), caddyhttp.ClientIPVarKey, "203.0.113.7")
	return r
}

// exchange is one request through a handler, and what all who watch see of it.
type exchange struct {
	status int
	header http.Header
	body   string
	err    error // for Caddy's error routes

	seen  *http.Request // by the handlers behind; nil: it did not get there
	after http.Header   // of the request, when Keygate is done with it

	counted      map[string]float64 // metrics that have moved, and by how much
	placeholders map[string]string
	accessLog    map[string]any // the field keygate
	span         map[string]string
	denials      []map[string]any // in the log at debug
	errors       []string         // in the log
}

// send puts a request through a handler whose backend answers 200.
func send(t *testing.T, h *Handler, r *http.Request) (x exchange) {
	t.Helper()
	core, logged := observer.New(zap.DebugLevel)
	h.logger = zap.New(core)
	span := &recordedSpan{attributes: make(map[string]string)}
	r = r.WithContext(trace.ContextWithSpan(r.Context(), span))
	before := counters(t)
	w := httptest.NewRecorder()
	x.err = h.ServeHTTP(w, r, caddyhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		x.seen = r.Clone(r.Context())
		_, err := w.Write([]byte("served"))
		return err
	}))
	x.status, x.header, x.body, x.after = w.Code, w.Result().Header, w.Body.String(), r.Header
	x.counted = counters(t)
	for name, n := range before {
		if x.counted[name] -= n; x.counted[name] == 0 {
			delete(x.counted, name)
		}
	}
	repl, _ := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	x.placeholders = make(map[string]string)
	for _, name := range []string{"user.id", "user.workspace", "user.scopes", "keygate.reason", "keygate.would_deny", "keygate.instance", "user.name"} {
		if value, ok := repl.GetString("http.auth." + name); ok {
			x.placeholders[name] = value
		}
	}
	x.accessLog, x.span = accessLogField(t, r), span.attributes
	for _, entry := range logged.All() {
		switch {
		case strings.HasPrefix(entry.Message, "request ") && entry.Level == zap.DebugLevel:
			x.denials = append(x.denials, entry.ContextMap())
		default:
			x.errors = append(x.errors, entry.Message)
		}
	}
	return x
}

// recordedSpan is a span that is recorded.
type recordedSpan struct {
	noop.Span
	attributes map[string]string
}

func (*recordedSpan) IsRecording() bool { return true }

func (s *recordedSpan) SetAttributes(attributes ...attribute.KeyValue) {
	for _, a := range attributes {
		s.attributes[string(a.Key)] = a.Value.AsString()
	}
}

// accessLogField returns the field keygate that Caddy's access log would have.
// Caddy lets only its server read what handlers add.
func accessLogField(t *testing.T, r *http.Request) map[string]any {
	t.Helper()
	fields := reflect.ValueOf(r.Context().Value(caddyhttp.ExtraLogFieldsCtxKey)).Elem().FieldByName("fields")
	if fields.Len() == 0 {
		return nil
	}
	field := fields.Index(0)
	if name := field.FieldByName("Key").String(); fields.Len() > 1 || name != "keygate" {
		t.Fatalf("%d fields in the access log, the first is %q", fields.Len(), name)
	}
	encoder := zapcore.NewMapObjectEncoder()
	v := (*verdict)(field.FieldByName("Interface").Elem().UnsafePointer())
	if err := v.MarshalLogObject(encoder); err != nil {
		t.Fatal(err)
	}
	return encoder.Fields
}

// counters returns what the metrics of requests have counted so far.
func counters(t *testing.T) map[string]float64 {
	t.Helper()
	read := func(m interface{ Write(*dto.Metric) error }) *dto.Metric {
		var got dto.Metric
		if err := m.Write(&got); err != nil {
			t.Fatal(err)
		}
		return &got
	}
	counted := map[string]float64{
		"store_errors": read(metrics.storeErrors).GetCounter().GetValue(),
		"decisions":    float64(read(metrics.seconds).GetHistogram().GetSampleCount()),
	}
	counted["foreign"] = read(metrics.foreign).GetCounter().GetValue()
	for _, reason := range access.Reasons() {
		if reason != access.Allowed {
			counted["would "+reason.String()] = read(metrics.wouldDeny.WithLabelValues(reason.String())).GetCounter().GetValue()
		}
		counted[reason.String()] = read(metrics.requests.WithLabelValues(reason.String())).GetCounter().GetValue()
	}
	return counted
}

// String is the exchange as golden files have it: names in the place of what is
// random.
func (x *exchange) String() string {
	var b strings.Builder
	if handled, ok := errors.AsType[caddyhttp.HandlerError](x.err); ok { // its text is random
		fmt.Fprintf(&b, "for the error routes: %d %v\n", handled.StatusCode, handled.Err)
	} else {
		fmt.Fprintf(&b, "%d\n", x.status)
	}
	writeHeader(&b, "  ", x.header)
	if x.body != "" {
		fmt.Fprintf(&b, "  > %s\n", strings.TrimSuffix(x.body, "\n"))
	}
	if x.seen != nil {
		fmt.Fprintf(&b, "the backend sees %s %s\n", x.seen.Method, x.seen.URL.RequestURI())
		writeHeader(&b, "  ", x.seen.Header)
	}
	fmt.Fprintf(&b, "afterwards the request has %v\n", slices.Sorted(maps.Keys(x.after)))
	fmt.Fprintf(&b, "counted      %v\nplaceholders %v\naccess log   %v\nspan         %v\n", x.counted, x.placeholders, x.accessLog, x.span)
	for _, denial := range x.denials {
		fmt.Fprintf(&b, "logged       %v\n", denial)
	}
	for _, message := range x.errors {
		fmt.Fprintf(&b, "logged error %s\n", message)
	}
	text := b.String()
	if instance := x.header.Get("Request-Id"); instance != "" {
		text = strings.ReplaceAll(text, instance, "INSTANCE")
	}
	return text
}

func writeHeader(b *strings.Builder, indent string, h http.Header) {
	for _, name := range slices.Sorted(maps.Keys(h)) {
		for _, value := range h[name] {
			fmt.Fprintf(b, "%s%s: %s\n", indent, name, value)
		}
	}
}

// wantSound checks what holds of every answer of Keygate's own.
func (x *exchange) wantSound(t *testing.T) {
	t.Helper()
	if x.body != "" && x.seen == nil {
		var p struct{ Status int }
		if err := json.Unmarshal([]byte(x.body), &p); err != nil || p.Status != x.status {
			t.Errorf("%d is answered %s: %v", x.status, x.body, err)
		}
		if got := x.header.Get("Content-Length"); got != strconv.Itoa(len(x.body)) {
			t.Errorf("Content-Length is %s of a body of %d", got, len(x.body))
		}
	}
	if n := x.counted["decisions"]; n > 1 || len(x.counted) > 3 {
		t.Errorf("counted %v for one request", x.counted)
	}
}
