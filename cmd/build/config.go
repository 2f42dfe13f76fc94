package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/caddyserver/xcaddy"
)

// load reads a strict JSON form of [xcaddy.Builder]: a field that it does not
// know is an error rather than a build that silently lacks something, and the
// versions of Caddy and of every plugin must be given, so that two builds of
// one tree are alike. A plugin that is replaced by a folder needs one too, such
// as v0.0.0: without it Go asks a registry which is the newest.
// Relative paths in replacements, and of the profile, are made absolute.
func load(file string) (xcaddy.Builder, error) {
	var b xcaddy.Builder
	text, err := os.ReadFile(file)
	if err != nil {
		return b, err
	}
	if err := decode(text, &b); err != nil {
		return b, fmt.Errorf("%s: %w", file, err)
	}
	if b.CaddyVersion == "" {
		return b, fmt.Errorf("%s: caddy_version is missing; give one such as \"v2.11.9\"", file)
	}
	for _, p := range b.Plugins {
		if p.Version == "" {
			return b, fmt.Errorf("%s: plugin %q: version is missing; give one such as \"v0.1.0\"", file, p.PackagePath)
		}
	}
	for i, r := range b.Replacements {
		if !isRelative(string(r.New)) {
			continue
		}
		path, err := under(filepath.Dir(file), string(r.New))
		if err != nil {
			return b, fmt.Errorf("%s: replacement of %s: %w", file, r.Old, err)
		}
		b.Replacements[i].New = xcaddy.ReplacementPath(path)
	}
	if b.PgoProfile != "" {
		if b.PgoProfile, err = profile(filepath.Dir(file), b.PgoProfile); err != nil {
			return b, fmt.Errorf("%s: pgo_profile: %w", file, err)
		}
	}
	return b, nil
}

// profile returns the absolute path of a profile, which has to be there: go
// build would say so only after xcaddy has made its module.
func profile(dir, path string) (string, error) {
	path, err := under(dir, path)
	if err != nil {
		return "", err
	}
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() {
		return "", fmt.Errorf("%s is not a file", path)
	}
	return path, nil
}

func decode(text []byte, b *xcaddy.Builder) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(b); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more follows the JSON object")
	}
	return nil
}

// isRelative reports whether go.mod would take the right side of a replacement
// for a path, and a relative one. Anything else is a module or absolute.
func isRelative(path string) bool {
	return path == "." || path == ".." || strings.HasPrefix(path, "./") || strings.HasPrefix(path, "../")
}

func under(dir, path string) (string, error) {
	if filepath.IsAbs(path) {
		return path, nil
	}
	return filepath.Abs(filepath.Join(dir, path))
}
