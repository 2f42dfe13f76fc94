//go:build browser

package plugin_test

import (
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// fetch is one call of fetch() by a page, and what the page got to see of it.
type fetch struct {
	Path    string            `json:"path"`
	Options map[string]any    `json:"options"`
	Failed  string            `json:"failed"` // the exception
	Type    string            `json:"type"`
	Status  int               `json:"status"`
	Body    string            `json:"body"`
	Headers map[string]string `json:"headers"`
}

// with makes a fetch that sends a key.
func with(token, path string, options ...any) *fetch {
	f := &fetch{Path: path, Options: map[string]any{"cache": "no-store"}}
	if token != "" {
		f.Options["headers"] = map[string]string{"Authorization": "Bearer " + token}
	}
	for i := 0; i < len(options); i += 2 {
		f.Options[options[i].(string)] = options[i+1]
	}
	return f
}

// page makes its fetches one after the other. It reports without CORS, so that
// a sandboxed one can do so too.
var page = template.Must(template.New("").Parse(`<!doctype html><script>
(async () => {
	const fetches = {{.Fetches}};
	for (const f of fetches) {
		try {
			const resp = await fetch({{.Gateway}} + f.path, f.options);
			Object.assign(f, {type: resp.type, status: resp.status, headers: Object.fromEntries(resp.headers), body: await resp.text()});
		} catch (e) {
			f.failed = String(e);
		}
	}
	await fetch({{.Report}}, {method: "POST", mode: "no-cors", body: JSON.stringify(fetches)});
})();
</script>`))

// pages serves one page under two origins.
type pages struct {
	port    string
	gateway string
	html    strings.Builder
	sandbox bool // the page's origin is null
	reports chan []byte
}

func startPages(t *testing.T, gateway string) *pages {
	t.Helper()
	p := &pages{gateway: gateway, reports: make(chan []byte, 1)}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/page":
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			if p.sandbox {
				w.Header().Set("Content-Security-Policy", "sandbox allow-scripts")
			}
			fmt.Fprint(w, p.html.String())
		case "/client.mjs":
			http.ServeFile(w, r, "../docs/clients/client.mjs")
		case "/report":
			body, _ := io.ReadAll(r.Body)
			p.reports <- body
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(server.Close)
	_, p.port, _ = strings.Cut(server.Listener.Addr().String(), ":")
	return p
}

// visit opens the page in a browser of its own and returns when its fetches
// are made.
func (p *pages) visit(t *testing.T, origin string, sandbox bool, fetches ...*fetch) {
	t.Helper()
	p.sandbox = sandbox
	p.html.Reset()
	if err := page.Execute(&p.html, map[string]any{"Fetches": fetches, "Gateway": p.gateway, "Report": origin + "/report"}); err != nil {
		t.Fatal(err)
	}
	report := p.open(t, origin)
	var seen []fetch
	if err := json.Unmarshal(report, &seen); err != nil || len(seen) != len(fetches) {
		t.Fatalf("the page reported %s (%v)", report, err)
	}
	for i := range seen {
		*fetches[i] = seen[i]
	}
}

// open shows the page to a browser, with more flags, and returns what it reports.
func (p *pages) open(t *testing.T, origin string, flags ...string) []byte {
	t.Helper()
	home, err := os.MkdirTemp("", "keygate-browser-") //nolint:usetesting // Chromium may still write there when the test ends
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	cmd := exec.Command("chromium", append(flags, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions", "--no-proxy-server",
		"--remote-debugging-port=0", "--user-data-dir="+home, origin+"/page")...)
	cmd.Env = append(os.Environ(), "HOME="+home)
	cmd.Stderr = &log
	cmd.WaitDelay = time.Second
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(home)
	end := func() {
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // with the renderers
		cmd.Wait()
	}
	select {
	case report := <-p.reports:
		end()
		return report
	case <-time.After(2 * patience):
		end()
		t.Fatalf("the page reported nothing\n%s", log.String())
		return nil
	}
}

// read checks that the page could read an answer, and all its parts.
func (f *fetch) read(t *testing.T, status int, part string, headers ...string) {
	t.Helper()
	if f.Failed != "" || f.Type != "cors" || f.Status != status || !strings.Contains(f.Body, part) {
		t.Errorf("%s: %s %s %d %s; want %d with %s", f.Path, f.Failed, f.Type, f.Status, f.Body, status, part)
	}
	for _, name := range headers {
		if f.Headers[name] == "" {
			t.Errorf("%s: the page cannot read %s; it has %v", f.Path, name, f.Headers)
		}
	}
}

// unread checks that the page got an exception and nothing else.
func (f *fetch) unread(t *testing.T) {
	t.Helper()
	if f.Failed == "" || f.Status != 0 || f.Body != "" || len(f.Headers) > 0 {
		t.Errorf("%s %v: the page read %s %d %v %s", f.Path, f.Options, f.Type, f.Status, f.Headers, f.Body)
	}
}

func TestPagesInABrowser(t *testing.T) {
	g, b := startSite(t)
	p := startPages(t, g.URL)
	shop, foreign := "http://localhost:"+p.port, "http://127.0.0.1:"+p.port
	bound := g.token(t, "--scope", "posts:read", "--origin", shop)
	scarce := g.token(t, "--scope", "posts:read", "--origin", shop, "--per-minute", "1")
	free := g.token(t, "--scope", "posts:read")
	limits := []string{"ratelimit", "ratelimit-policy"}

	t.Run("allowed page", func(t *testing.T) {
		data, lacking, invalid := with(bound, "/v1/posts"), with(bound, "/v1/posts", "method", "POST"), with("abc", "/v1/posts")
		ambiguous, unmapped, missing := with("", "/v1/posts%2f1"), with(bound, "/v1/nothing", "method", "DELETE"), with("", "/v1/posts")
		first, limited, public := with(scarce, "/v1/posts"), with(scarce, "/v1/posts"), with("", "/v1/status")
		inHeader := with("", "/v1/posts", "headers", map[string]string{"X-API-Key": bound})
		preflighted := with(bound, "/v1/posts%2f1")
		p.visit(t, shop, false, data, lacking, invalid, ambiguous, preflighted, unmapped, missing, first, limited, public, inHeader)
		data.read(t, 200, `"method": "GET"`, limits...)
		inHeader.read(t, 200, `"method": "GET"`, limits...)
		public.read(t, 200, `"method": "GET"`)
		lacking.read(t, 403, `"insufficient_scope"`, append(limits, "www-authenticate")...)
		unmapped.read(t, 403, `"route_not_mapped"`, limits...)
		invalid.read(t, 401, `"invalid_key"`, "www-authenticate")
		missing.read(t, 401, `"missing_key"`, "www-authenticate")
		ambiguous.read(t, 400, `"ambiguous_path"`)
		preflighted.unread(t) // the path is looked at before the preflight, which is refused
		first.read(t, 200, `"method": "GET"`, limits...)
		limited.read(t, 429, `"rate_limited"`, append(limits, "retry-after")...)
		if seen := b.take(); len(seen) != 4 {
			t.Errorf("the backend saw %+v, want the four that passed", seen)
		}
	})

	// The backend answers with Access-Control-Allow-Credentials, and cookies
	// are wanted by the page: neither helps.
	t.Run("cookies and unknown headers", func(t *testing.T) {
		withCookies, simple := with(bound, "/v1/posts", "credentials", "include"), with("", "/v1/status", "credentials", "include")
		unknown := with("", "/v1/posts", "headers", map[string]string{"Authorization": "Bearer " + bound, "X-Other": "1"})
		p.visit(t, shop, false, withCookies, simple, unknown)
		withCookies.unread(t)
		simple.unread(t)
		unknown.unread(t)
		if seen := b.take(); len(seen) != 1 || seen[0].URI != "/v1/status" {
			t.Errorf("the backend saw %+v, want the public request alone, which needs no preflight", seen)
		}
	})

	// That the refusals are read shows that the preflights were answered as
	// those of the allowed page are.
	t.Run("foreign page", func(t *testing.T) {
		data, write, unmapped := with(bound, "/v1/posts"), with(bound, "/v1/posts", "method", "POST"), with(bound, "/v1/nothing", "method", "PUT")
		opaque := with(bound, "/v1/posts", "mode", "no-cors")
		p.visit(t, foreign, false, data, write, unmapped, opaque)
		for _, f := range []*fetch{data, write, unmapped} {
			f.read(t, 403, `"origin_not_allowed"`, limits...)
		}
		if opaque.Type != "opaque" || opaque.Status != 0 || opaque.Body != "" || len(opaque.Headers) > 0 {
			t.Errorf("without CORS the page read %+v", opaque)
		}
		if seen := b.take(); len(seen) > 0 {
			t.Errorf("the backend saw %+v", seen)
		}
	})

	t.Run("key without origins", func(t *testing.T) {
		data := with(free, "/v1/posts")
		p.visit(t, foreign, false, data)
		data.read(t, 200, `"method": "GET"`, limits...)
		b.take()
	})

	t.Run("page without an origin", func(t *testing.T) {
		data, unbound, public := with(bound, "/v1/posts"), with(free, "/v1/posts"), with("", "/v1/status")
		p.visit(t, foreign, true, data, unbound, public)
		data.unread(t)
		unbound.unread(t)
		public.unread(t)
		if seen := b.take(); len(seen) != 1 || seen[0].URI != "/v1/status" {
			t.Errorf("the backend saw %+v, want the public request alone, which needs no preflight", seen)
		}
	})
}
