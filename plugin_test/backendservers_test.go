//go:build backends

package plugin_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
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
	in := install(t, routes)
	const drafts = "GET /v1/posts/drafts"
	return []reader{
		{"nginx", startNginx(t), "/v1//posts/%2e/drafts", drafts},
		{"http.server", in.pythonReader(t, "python3", "server.py"), "//v1/users/x%2f..%2fM%45", "GET /v1/users/me"},
		{"ServeMux", in.goReader(t, "mux"), "/v1/p%6Fsts/drafts", drafts},
		{"gin", in.goReader(t, "gin"), "/v1///posts/draft%73", drafts},
		{"Echo", in.goReader(t, "echo"), "/v1/posts/drafts/", drafts},
		{"chi", in.goReader(t, "chi"), "/v1/posts/drafts.any.thing/", "GET /v1/posts/{id}"},
		{"Fiber", in.goReader(t, "fiber"), "/V1/Posts/DRAFT%53/", drafts},
		{"gorilla/mux", in.goReader(t, "gorilla"), "/v1/posts/a%2fb", "GET /v1/posts/{id}"},
		{"Express", in.nodeReader(t, "express.js"), "/V1/Posts/DRAFTS/", drafts},
		{"Fastify", in.nodeReader(t, "fastify.js"), "/v1//posts/Drafts/;.json", drafts},
		{"hapi", in.nodeReader(t, "hapi.js"), "/V1/p%6fsts/DRAFTS/", drafts},
		{"Django REST framework", in.pythonReader(t, debianPython, "rest_framework_server.py"), "/v1/posts/draft%73.json", drafts},
		{"Rails", in.rubyReader(t, "rails_server.rb"), "//v1/posts/drafts.any%20thing/", drafts},
		{"any combination", startSynthetic(t), "/v1/posts/drafts%20.json", "GET /v1/posts/{id}, " + drafts},
	}
}

var paramPattern = regexp.MustCompile(`\\\{\w+\\\}`) // quoted

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
			location = "^~ " + prefix // or expressions would come first
		} else if strings.Contains(r.Pattern, "{") {
			location = `~ "^` + paramPattern.ReplaceAllString(regexp.QuoteMeta(r.Pattern), "[^/]+") + `$"`
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
