//go:build backends

package plugin_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// installed is where the frameworks are, and the file with the routes that they
// serve.
type installed struct{ goBinary, node, routes string }

// install builds and installs what go.sum and package-lock.json pin, in a folder
// of the test. Django and Rails come from Debian.
func install(t *testing.T, routes []byte) installed {
	t.Helper()
	dir := t.TempDir()
	in := installed{filepath.Join(dir, "frameworks"), filepath.Join(dir, "node"), filepath.Join(dir, "node", "routes.json")}
	if err := os.CopyFS(in.node, os.DirFS("testdata/node")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(in.routes, routes, 0o600); err != nil {
		t.Fatal(err)
	}
	ci := exec.CommandContext(t.Context(), "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	ci.Dir = in.node
	if out, err := ci.CombinedOutput(); err != nil {
		t.Fatalf("npm ci: %v\n%s", err, out)
	}
	build := exec.CommandContext(t.Context(), "go", "build", "-o", in.goBinary, ".")
	build.Dir = "frameworks"
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build in frameworks: %v\n%s", err, out)
	}
	return in
}

// goReader runs one of plugin_test/frameworks.
func (in *installed) goReader(t *testing.T, framework string) string {
	t.Helper()
	return "127.0.0.1:" + runBackendWithPort(t, "", in.goBinary, framework, in.routes)
}

func (in *installed) nodeReader(t *testing.T, file string) string {
	t.Helper()
	return "127.0.0.1:" + runBackendWithPort(t, in.node, "node", file)
}

func (in *installed) pythonReader(t *testing.T, python, file string) string {
	t.Helper()
	return "127.0.0.1:" + runBackendWithPort(t, "", python, "testdata/python/"+file, in.routes)
}

func (in *installed) rubyReader(t *testing.T, file string) string {
	t.Helper()
	return "127.0.0.1:" + runBackendWithPort(t, "", debianRuby, "testdata/ruby/"+file, in.routes)
}

// The interpreters that Debian's packages are for. Others may come first in
// PATH.
const (
	debianPython = "/usr/bin/python3"
	debianRuby   = "/usr/bin/ruby"
)
