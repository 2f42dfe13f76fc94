//go:build backends

package plugin_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// reader is a backend that serves the mapped routes, and says in X-Served
// which one it takes a request for. It has its own way of reading paths.
type reader struct {
	name string
	addr string // "127.0.0.1:34567"

	// A request that only this way of reading takes for a route, and that
	// route: without it the backend would be no test of anything.
	peculiar, servedAs string
}

func startReaders(t *testing.T) []reader {
	t.Helper()
	routes, err := json.Marshal(mapped)
	if err != nil {
		t.Fatal(err)
	}
	return []reader{
		{"nginx", startNginx(t), "/v1//posts/%2e/drafts", "GET /v1/posts/drafts"},
		{"ServeMux", startServeMux(t), "/v1/p%6Fsts/drafts", "GET /v1/posts/drafts"},
		{"Express", startExpress(t, routes), "/V1/Posts/DRAFTS/", "GET /v1/posts/drafts"},
		{"http.server", startPython(t, routes), "//v1/users/x%2f..%2fM%45", "GET /v1/users/me"},
	}
}

var paramPattern = regexp.MustCompile(`\{\w+\}`)

// startServeMux serves the routes with the patterns of net/http, which are
// written in nearly the same way.
func startServeMux(t *testing.T) string {
	t.Helper()
	mux := http.NewServeMux()
	for _, r := range mapped {
		pattern := r.Pattern
		switch {
		case strings.HasSuffix(pattern, "/*"):
			pattern = strings.TrimSuffix(pattern, "*") + "{rest...}"
		case strings.HasSuffix(pattern, "/"):
			pattern += "{$}"
		}
		mux.HandleFunc(r.Method+" "+pattern, func(w http.ResponseWriter, req *http.Request) {
			w.Header().Set("X-Served", r.Name)
			fmt.Fprintf(w, "%s %s: path %q", req.Method, req.RequestURI, req.URL.Path)
		})
	}
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

// nginxConf has a location for each path. Slashes are merged, escapes decoded
// and dot segments resolved before it is chosen, which is nginx's default.
func nginxConf(port string) string {
	var conf strings.Builder
	fmt.Fprintf(&conf, `daemon off; master_process off; pid nginx.pid; error_log nginx.log;
events {}
http {
	access_log off; client_body_temp_path t; proxy_temp_path t; fastcgi_temp_path t; uwsgi_temp_path t; scgi_temp_path t;
	keepalive_requests 1000000;
	server {
		listen 127.0.0.1:%s;
`, port)
	methods := make(map[string]string) // by pattern, as alternatives
	for _, r := range mapped {
		methods[r.Pattern] += strings.Replace(r.Method, "GET", "GET|HEAD", 1) + "|"
	}
	for _, r := range mapped {
		alternatives := strings.TrimSuffix(methods[r.Pattern], "|")
		if delete(methods, r.Pattern); alternatives == "" {
			continue
		}
		location := "= " + r.Pattern
		if prefix, ok := strings.CutSuffix(r.Pattern, "*"); ok {
			location = prefix
		} else if strings.Contains(r.Pattern, "{") {
			location = `~ "^` + paramPattern.ReplaceAllString(r.Pattern, "[^/]+") + `$"`
		}
		fmt.Fprintf(&conf, `		location %s {
			if ($request_method !~ "^(%s)$") { return 405; }
			add_header X-Served "$request_method %s";
			return 200 "$request_method $request_uri: path $uri";
		}
`, location, alternatives, r.Pattern)
	}
	conf.WriteString("\t\tlocation / { return 404; }\n\t}\n}\n")
	return conf.String()
}

func startNginx(t *testing.T) string {
	t.Helper()
	dir, port := t.TempDir(), freePort(t)
	conf := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(conf, []byte(nginxConf(port)), 0o600); err != nil {
		t.Fatal(err)
	}
	runBackend(t, dir, "nginx", "-p", dir, "-e", "nginx.log", "-c", conf)
	awaitListener(t, "127.0.0.1:"+port)
	return "127.0.0.1:" + port
}

// startExpress installs what package-lock.json pins, in a folder of the test.
func startExpress(t *testing.T, routes []byte) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("testdata/express")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "routes.json"), routes, 0o600); err != nil {
		t.Fatal(err)
	}
	install := exec.CommandContext(t.Context(), "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	install.Dir = dir
	if out, err := install.CombinedOutput(); err != nil {
		t.Fatalf("npm ci: %v\n%s", err, out)
	}
	return "127.0.0.1:" + runBackendWithPort(t, dir, "node", "server.js")
}

func startPython(t *testing.T, routes []byte) string {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "routes.json")
	if err := os.WriteFile(file, routes, 0o600); err != nil {
		t.Fatal(err)
	}
	return "127.0.0.1:" + runBackendWithPort(t, "", "python3", "testdata/python/server.py", file)
}

// runBackendWithPort is runBackend for those that print their port first.
func runBackendWithPort(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	t.Cleanup(func() { r.Close() })
	runBackendTo(t, w, dir, name, args...)
	w.Close()
	r.SetReadDeadline(time.Now().Add(patience))
	port, err := bufio.NewReader(r).ReadString('\n')
	if err != nil {
		t.Fatalf("%s does not start: %v", name, err)
	}
	return strings.TrimSpace(port)
}
