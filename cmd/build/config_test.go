package main

import (
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/xcaddy"
)

const root = "../.."

func TestShippedConfig(t *testing.T) {
	b, err := load(filepath.Join(root, "xcaddy.json"))
	if err != nil {
		t.Fatal(err)
	}
	mod := readGoMod(t)
	if want := mod.require("github.com/caddyserver/caddy/v2"); b.CaddyVersion != want {
		t.Errorf("xcaddy.json builds Caddy %q, go.mod requires %q", b.CaddyVersion, want)
	}
	if len(b.Plugins) != 1 || b.Plugins[0].PackagePath != mod.Module.Path {
		t.Errorf("plugins are %v, want %s alone", b.Plugins, mod.Module.Path)
	}
	dir, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	if want := xcaddy.NewReplace(mod.Module.Path, dir); len(b.Replacements) != 1 || b.Replacements[0] != want {
		t.Errorf("replacements are %v, want %v alone", b.Replacements, want)
	}
	if want := filepath.Join(dir, "cmd", "caddy", "caddy.pgo"); b.PgoProfile != want {
		t.Errorf("the profile is %q, want %q", b.PgoProfile, want)
	}
}

// The go command takes a default.pgo by itself, and then compiles all of Caddy
// once more for go run, go build, go vet and go test. Only releases are worth it.
func TestProfileIsAskedFor(t *testing.T) {
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Name() == "default.pgo" {
			t.Errorf("%s: the go command takes this profile without being told to", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestLoadRefuses(t *testing.T) {
	tests := map[string]struct{ text, want string }{
		"unknown field":        {`{"caddy_version":"v2.11.9","plugin":[]}`, `unknown field "plugin"`},
		"unknown nested field": {`{"caddy_version":"v2.11.9","plugins":[{"path":"x"}]}`, `unknown field "path"`},
		"no version":           {`{"plugins":[]}`, "caddy_version is missing"},
		"no plugin version":    {`{"caddy_version":"v2.11.9","plugins":[{"module_path":"x"}]}`, `plugin "x": version is missing`},
		"profile missing":      {`{"caddy_version":"v2.11.9","pgo_profile":"gone.pgo"}`, "gone.pgo: no such file"},
		"profile a folder":     {`{"caddy_version":"v2.11.9","pgo_profile":"."}`, "is not a file"},
		"second value":         {`{"caddy_version":"v2.11.9"} {}`, "more follows"},
		"not JSON":             {`caddy_version: v2.11.9`, "invalid character"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "xcaddy.json")
			if err := os.WriteFile(file, []byte(test.text), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := load(file)
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), file) {
				t.Errorf("load: %v; want the file's name and %q", err, test.want)
			}
		})
	}
}

func TestLoadResolvesReplacements(t *testing.T) {
	dir := t.TempDir()
	tests := map[string]string{
		".":                     dir,
		"./sub":                 filepath.Join(dir, "sub"),
		"../other":              filepath.Join(filepath.Dir(dir), "other"),
		"/elsewhere":            "/elsewhere",
		"example.com/fork":      "example.com/fork",
		"example.com/fork v1.2": "example.com/fork v1.2",
	}
	for written, want := range tests {
		t.Run(written, func(t *testing.T) {
			file := filepath.Join(dir, "xcaddy.json")
			text, err := json.Marshal(xcaddy.Builder{
				CaddyVersion: "v2.11.9",
				Replacements: []xcaddy.Replace{xcaddy.NewReplace("example.com/mod", written)},
			})
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, text, 0o600); err != nil {
				t.Fatal(err)
			}
			b, err := load(file)
			if err != nil {
				t.Fatal(err)
			}
			if got := string(b.Replacements[0].New); got != want {
				t.Errorf("%q became %q, want %q", written, got, want)
			}
		})
	}
}

func TestLoadResolvesProfile(t *testing.T) {
	dir := t.TempDir()
	want := filepath.Join(dir, "sub", "a.pgo")
	if err := os.Mkdir(filepath.Dir(want), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(want, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for written, want := range map[string]string{
		"sub/a.pgo":   want,
		"./sub/a.pgo": want,
		want:          want,
		"":            "",
	} {
		t.Run(written, func(t *testing.T) {
			file := filepath.Join(dir, "xcaddy.json")
			text, err := json.Marshal(xcaddy.Builder{CaddyVersion: "v2.11.9", PgoProfile: written})
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, text, 0o600); err != nil {
				t.Fatal(err)
			}
			b, err := load(file)
			if err != nil {
				t.Fatal(err)
			}
			if b.PgoProfile != want {
				t.Errorf("%q became %q, want %q", written, b.PgoProfile, want)
			}
		})
	}
}

// goMod is the part of `go mod edit -json` that the test compares.
type goMod struct {
	Module  struct{ Path string }
	Require []struct{ Path, Version string }
}

func readGoMod(t *testing.T) goMod {
	t.Helper()
	out, err := exec.Command("go", "mod", "edit", "-json", filepath.Join(root, "go.mod")).Output()
	if err != nil {
		t.Fatal(err)
	}
	var mod goMod
	if err := json.Unmarshal(out, &mod); err != nil {
		t.Fatal(err)
	}
	return mod
}

func (m goMod) require(path string) string {
	for _, r := range m.Require {
		if r.Path == path {
			return r.Version
		}
	}
	return ""
}
