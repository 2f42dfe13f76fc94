package plugin_test

import (
	"os"
	"path/filepath"
	"testing"
)

// A file is a resource as any other.
func TestFileServer(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	for name, text := range map[string]string{"files/report.txt": "0123456789", "secret.txt": "secret"} {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	g := startCaddy(t, `:{$PORT} {
	root {$ROOT}
	keygate {
		scope feeds:read GET /files/*
	}
	file_server
}
`, "ROOT="+root)
	k := bearer(g.token(t, "--scope", "feeds:read"))
	other := bearer(g.token(t, "--scope", "posts:read"))

	got := g.do(t, "GET", "/files/report.txt", "", k)
	if got.Status != 200 || got.Body != "0123456789" || got.Header.Get("RateLimit") == "" {
		t.Errorf("GET: %d %q with %v", got.Status, got.Body, got.Header)
	}
	if r := g.do(t, "HEAD", "/files/report.txt", "", k); r.Status != 200 || r.Body != "" || r.Header.Get("Content-Length") != "10" {
		t.Errorf("HEAD: %d %q with %v", r.Status, r.Body, r.Header)
	}
	if r := g.do(t, "GET", "/files/report.txt", "", k, "Range: bytes=2-4"); r.Status != 206 || r.Body != "234" || r.Header.Get("RateLimit") == "" {
		t.Errorf("range: %d %q with %v", r.Status, r.Body, r.Header)
	}
	if r := g.do(t, "GET", "/files/report.txt", "", k, "If-None-Match: "+got.Header.Get("Etag")); r.Status != 304 || r.Header.Get("RateLimit") == "" {
		t.Errorf("not modified: %d with %v", r.Status, r.Header)
	}
	if r := g.do(t, "GET", "/files/none.txt", "", k, "Origin: https://shop.example"); r.Status != 404 || r.Header.Get("RateLimit") == "" || r.Header.Get("Access-Control-Allow-Origin") == "" {
		t.Errorf("no file: %d with %v", r.Status, r.Header)
	}
	denied(t, g.do(t, "GET", "/files/report.txt", ""), 401, "missing_key")
	denied(t, g.do(t, "GET", "/files/report.txt", "", other, "Range: bytes=2-4"), 403, "insufficient_scope")
	denied(t, g.do(t, "GET", "/secret.txt", "", k), 403, "route_not_mapped")
	denied(t, g.do(t, "GET", "/files/../secret.txt", "", k), 400, "ambiguous_path")
	denied(t, g.do(t, "GET", "/files/%2e%2e/secret.txt", "", k), 400, "ambiguous_path")
}
