package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

const module = "github.com/socialpatra/keygate/"

// longest bounds one build, so that one that hangs ends.
const longest = 30 * time.Minute

// build makes a binary of a command of the module, guided by the profile pgo, or
// by none where that is "off". The other flags are those of xcaddy and
// xcaddy.json, so that what is measured is what users run.
func build(ctx context.Context, output, command, pgo string) error {
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", "build", "-o", output, "-pgo="+pgo,
		"-trimpath", "-ldflags", "-s -w", "-tags", "nobadger,nomysql,nopgx", module+command)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build ./%s: %w\n%s", command, err, out)
	}
	return nil
}

// releaseProfile returns the path of the profile that xcaddy.json names, or ""
// if there is none yet.
func releaseProfile(ctx context.Context) (string, error) {
	dir, err := exec.CommandContext(ctx, "go", "list", "-f", "{{.Dir}}", module+"cmd/caddy").Output()
	if err != nil {
		return "", fmt.Errorf("go list ./cmd/caddy: %w", err)
	}
	path := filepath.Join(strings.TrimSpace(string(dir)), "caddy.pgo")
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return "", nil
	} else if err != nil {
		return "", err
	}
	return path, nil
}
