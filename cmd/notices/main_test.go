package main

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"
)

func TestPlaceOf(t *testing.T) {
	for _, test := range []struct {
		module       debug.Module
		name, folder string
	}{
		{debug.Module{Path: "go.etcd.io/bbolt", Version: "v1.5.0"}, "go.etcd.io/bbolt@v1.5.0", "cache/go.etcd.io/bbolt@v1.5.0"},
		{debug.Module{Path: "github.com/BurntSushi/toml", Version: "v1.0.0-RC"}, "github.com/BurntSushi/toml@v1.0.0-RC", "cache/github.com/!burnt!sushi/toml@v1.0.0-!r!c"},
		{debug.Module{Path: "a.example/b", Version: "v1.0.0", Replace: &debug.Module{Path: "c.example/d", Version: "v2.0.0"}}, "c.example/d@v2.0.0", "cache/c.example/d@v2.0.0"},
		{debug.Module{Path: "github.com/socialpatra/keygate", Version: "v0.0.0", Replace: &debug.Module{Path: "/src"}}, "", ""},
		{debug.Module{Path: "github.com/socialpatra/keygate", Version: "v0.0.0"}, "", ""},
	} {
		name, folder := placeOf(&test.module, "cache")
		if name != test.name || filepath.ToSlash(folder) != test.folder {
			t.Errorf("%v: %s in %s", test.module, name, folder)
		}
	}
}

func TestPrintLicences(t *testing.T) {
	folder := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("README.md", "readme")
	write("license.go", "package license")
	var out bytes.Buffer
	if err := printLicences(&out, "m@v1", folder); err == nil || !strings.Contains(err.Error(), "m@v1 has no licence") || out.Len() > 0 {
		t.Errorf("without a licence: %v, %s", err, &out)
	}
	for _, name := range []string{"LICENSE", "LICENCE.md", "COPYING", "NOTICE.txt", "License-MIT", "PATENTS"} {
		write(name, "text of "+name+"\n")
	}
	if err := printLicences(&out, "m@v1", folder); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"LICENSE", "LICENCE.md", "COPYING", "NOTICE.txt", "License-MIT", "PATENTS"} {
		if !strings.Contains(out.String(), "m@v1, "+name+"\n\ntext of "+name+"\n") {
			t.Errorf("%s is not in\n%s", name, &out)
		}
	}
	if strings.Contains(out.String(), "readme") || strings.Contains(out.String(), "package") {
		t.Errorf("printed\n%s", &out)
	}
}
