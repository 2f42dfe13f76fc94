package plugin_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/socialpatra/keygate/apikey"
)

// scanForSecret fails the test where a token's secret is to be found: in a
// file under dirs (a gateway's Dir holds its store, logs and config), or in
// the command line of any process.
func scanForSecret(t testing.TB, token string, dirs ...string) {
	t.Helper()
	places, err := findSecret(token, dirs...)
	if err != nil {
		t.Error(err)
	}
	for _, place := range places {
		t.Errorf("the secret is in %s", place)
	}
}

// findSecret looks for what follows the last underscore, so that a token that
// was cut in front is found too.
func findSecret(token string, dirs ...string) (places []string, err error) {
	secret := []byte(token[strings.LastIndexByte(token, '_')+1:])
	look := func(path string) error {
		text, err := os.ReadFile(path)
		if bytes.Contains(text, secret) {
			places = append(places, path)
		}
		return err
	}
	for _, dir := range dirs {
		err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
			if err == nil && entry.Type().IsRegular() {
				err = look(path)
			}
			if path != dir && errors.Is(err, fs.ErrNotExist) {
				return nil // a gateway that runs has removed it since, as it does with its locks
			}
			return err
		})
		if err != nil {
			return places, err
		}
	}
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, line := range lines {
		_ = look(line) // the process may have ended since
	}
	return places, err
}

func TestFindSecret(t *testing.T) {
	t.Parallel()
	token, _, _ := apikey.Generate("patra") // of which no other command line has anything
	tests := map[string]struct {
		text  string
		found bool
	}{
		"whole token":          {"x" + token + "y", true},
		"secret without brand": {"\x00" + token[19:], true},
		"prefix alone":         {token[:18], false},
		"other token":          {"patra_7Hk2Qp9aX3bC_0123456789ABCDEFGHIJKLMNOPQRSTUV2YI9hn", false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			file := filepath.Join(dir, "sub", "file")
			if err := os.Mkdir(filepath.Dir(file), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(test.text), 0o600); err != nil {
				t.Fatal(err)
			}
			places, err := findSecret(token, dir)
			if err != nil {
				t.Fatal(err)
			}
			if found := len(places) == 1 && places[0] == file; found != test.found || len(places) > 1 {
				t.Errorf("found in %v, want found: %v", places, test.found)
			}
		})
	}
	if _, err := findSecret(token, filepath.Join(t.TempDir(), "missing")); err == nil {
		t.Error("a folder that is not there was searched without an error")
	}
}
