// Command notices prints the licences of all that is linked into Go programs, as
// those licences ask of whoever passes the programs on:
//
//	go run ./cmd/notices ./caddy > THIRD_PARTY_NOTICES
//
// It reads from the programs which modules those are, and takes their files from
// the module cache, where the build has left them.
package main

import (
	"bytes"
	"debug/buildinfo"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
)

func main() {
	out := new(bytes.Buffer) // nothing is printed of what is not whole
	err := run(os.Args[1:], out)
	if err == nil {
		_, err = out.WriteTo(os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "notices:", err)
		os.Exit(1)
	}
}

func run(programs []string, out io.Writer) error {
	if len(programs) == 0 {
		return errors.New("name the programs")
	}
	env, err := exec.Command("go", "env", "GOROOT", "GOMODCACHE").Output()
	if err != nil {
		return fmt.Errorf("asking go for its folders: %w", err)
	}
	folders := strings.Split(strings.TrimSpace(string(env)), "\n")
	if len(folders) != 2 {
		return fmt.Errorf("go has the folders %q", folders)
	}
	linked := make(map[string]string) // folder by module and version
	for _, program := range programs {
		info, err := buildinfo.ReadFile(program)
		if err != nil {
			return fmt.Errorf("%s: %w", program, err)
		}
		for _, m := range info.Deps {
			if name, folder := placeOf(m, folders[1]); name != "" {
				linked[name] = folder
			}
		}
	}
	if err := printLicences(out, "Go and its standard library", folders[0]); err != nil {
		return err
	}
	var names []string
	for name := range linked {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if err := printLicences(out, name, linked[name]); err != nil {
			return err
		}
	}
	return nil
}

// placeOf returns the name of a module with its version, and its folder in the
// cache. What a folder replaces has no name: it is this module.
func placeOf(m *debug.Module, cache string) (name, folder string) {
	if m.Replace != nil {
		m = m.Replace
	}
	if strings.HasPrefix(m.Path, ".") || filepath.IsAbs(m.Path) || m.Path == "github.com/socialpatra/keygate" {
		return "", ""
	}
	name = m.Path + "@" + m.Version
	return name, filepath.Join(cache, filepath.FromSlash(escape(name)))
}

var capital = regexp.MustCompile(`[A-Z]`)

// escape spells a name as the module cache does: some file systems do not tell
// capital letters from others.
func escape(name string) string {
	return capital.ReplaceAllStringFunc(name, func(letter string) string { return "!" + strings.ToLower(letter) })
}

var licence = regexp.MustCompile(`(?i)^(licen[cs]e|copying|notice|copyright|patents|unlicense)([-._].*)?$`)

// printLicences prints the licences and notices in a folder. That there is none is
// an error, because then the program may not be passed on.
func printLicences(out io.Writer, name, folder string) error {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	found := false
	for _, e := range entries {
		if !e.Type().IsRegular() || !licence.MatchString(e.Name()) || strings.HasSuffix(e.Name(), ".go") {
			continue
		}
		text, err := os.ReadFile(filepath.Join(folder, e.Name()))
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		found = true
		if _, err := fmt.Fprintf(out, "%s\n%s, %s\n\n%s\n\n", strings.Repeat("=", 80), name, e.Name(), bytes.TrimSpace(text)); err != nil {
			return err
		}
	}
	if !found {
		return fmt.Errorf("%s has no licence in %s", name, folder)
	}
	return nil
}
