package plugin_test

import (
	"net"
	"net/http"
	"net/http/fcgi"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// phpSites serve a front controller, as most PHP frameworks have. It is told
// the path in REQUEST_URI, which to Caddy is the one that the client sent.
const phpSites = `
{
	keygate {
		store bbolt ./data/keygate.db
	}
}
(app) {
	keygate {
		scope posts:read {
			GET /v1/posts
			GET /v1/posts/{id}
		}
	}
}
http://plain:{$PORT} {
	root {$ROOT}
	import app
	php_fastcgi {$FASTCGI}
}
http://stripped:{$PORT} {
	root {$ROOT}
	handle_path /api/* {
		import app
		php_fastcgi {$FASTCGI}
	}
}
http://told:{$PORT} {
	root {$ROOT}
	handle_path /api/* {
		vars judged {uri}
		import app
		php_fastcgi {$FASTCGI} {
			env REQUEST_URI {vars.judged}
		}
	}
}
`

// fastCGI is a FastCGI responder that records what it is told, as php-fpm would
// hand it to a script.
type fastCGI struct {
	addr string

	mu   sync.Mutex
	seen []map[string]string
	head []http.Header
}

func startFastCGI(t *testing.T) *fastCGI {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &fastCGI{addr: l.Addr().String()}
	served := make(chan struct{})
	go func() {
		defer close(served)
		fcgi.Serve(l, f)
	}()
	t.Cleanup(func() {
		l.Close()
		<-served
	})
	return f
}

func (f *fastCGI) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	env := fcgi.ProcessEnv(r)
	f.seen = append(f.seen, map[string]string{"REQUEST_URI": r.URL.RequestURI(), "SCRIPT_FILENAME": env["SCRIPT_FILENAME"]})
	f.head = append(f.head, r.Header.Clone())
}

// takeOne returns the one request since the last call, and whether there was one.
func (f *fastCGI) takeOne(t *testing.T) (env map[string]string, header http.Header, ok bool) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.seen) > 1 {
		t.Fatalf("%d requests reached the script", len(f.seen))
	}
	if len(f.seen) == 1 {
		env, header, ok = f.seen[0], f.head[0], true
	}
	f.seen, f.head = nil, nil
	return env, header, ok
}

// What is judged is the path before php_fastcgi finds a script for it.
func TestPHP(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	for _, name := range []string{"index.php", "admin.php"} {
		if err := os.WriteFile(filepath.Join(root, name), []byte("<?php"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	app := startFastCGI(t)
	g := startCaddy(t, phpSites, "ROOT="+root, "FASTCGI="+app.addr)
	reader, token := g.createKey(t, "--scope", "posts:read")

	tests := []struct {
		host, path string
		told       string // REQUEST_URI; "": denied
		status     int
	}{
		{"plain", "/v1/posts?page=2", "/v1/posts?page=2", 200},
		{"plain", "/v1/posts/a%20b", "/v1/posts/a%20b", 200},
		{"plain", "/v1/posts/x.php", "/v1/posts/x.php", 200}, // there is no such file
		{"plain", "/index.php", "", 403},
		{"plain", "/index.php/v1/posts", "", 403},
		{"plain", "/admin.php", "", 403},
		{"plain", "/v1/posts/../../admin.php", "", 400},
		{"plain", "/v1//posts", "", 400},

		// handle_path cleans what is judged, and not what the script is told.
		{"stripped", "/api/v1/posts", "/api/v1/posts", 200},
		{"stripped", "/api//v1/x/../posts", "/api//v1/x/../posts", 200},
		{"stripped", "/api/admin.php", "", 403},

		{"told", "/api/v1/posts?page=2", "/v1/posts?page=2", 200},
		{"told", "/api//v1/x/../posts", "/v1/posts", 200},
		{"told", "/api/v1/posts/a%20b", "/v1/posts/a%20b", 200},
		{"told", "/api/v1/posts/%7Benv.ROOT%7D", "/v1/posts/%7Benv.ROOT%7D", 200},
	}
	for _, test := range tests {
		t.Run(test.host+" "+test.path, func(t *testing.T) {
			resp := g.onHost(t, test.host, "GET", test.path, bearer(token), "Socialpatra-Workspace: forged")
			if resp.Status != test.status {
				t.Errorf("answered %d %s, want %d", resp.Status, resp.Body, test.status)
			}
			env, header, ok := app.takeOne(t)
			if ok != (test.told != "") {
				t.Fatalf("the script ran: %t", ok)
			}
			if !ok {
				return
			}
			if env["REQUEST_URI"] != test.told {
				t.Errorf("the script was told %s, want %s", env["REQUEST_URI"], test.told)
			}
			if want := filepath.Join(root, "index.php"); env["SCRIPT_FILENAME"] != want {
				t.Errorf("%s ran, want %s", env["SCRIPT_FILENAME"], want)
			}
			wantIdentity(t, header, reader)
			if resp.Header.Get("RateLimit") == "" {
				t.Errorf("answered with %v", resp.Header)
			}
		})
	}
}
