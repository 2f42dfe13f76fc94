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

// build makes a binary of a command of the module, guided by the profile that
// is beside it, if any, with pgo "auto", and by none with "off". All else is as
// xcaddy has it unless it is told otherwise, and as xcaddy.json says: what is
// measured is what users run.
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

// hasProfile tells whether there is one that the go command takes by itself.
func hasProfile(ctx context.Context) (bool, error) {
	dir, err := exec.CommandContext(ctx, "go", "list", "-f", "{{.Dir}}", module+"cmd/caddy").Output()
	if err != nil {
		return false, fmt.Errorf("go list ./cmd/caddy: %w", err)
	}
	_, err = os.Stat(filepath.Join(strings.TrimSpace(string(dir)), "default.pgo"))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}
