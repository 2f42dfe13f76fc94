package plugin_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// anchors returns the headings of a page in the form in which links name them.
func anchors(page string) map[string]bool {
	found := make(map[string]bool)
	for _, h := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(page, -1) {
		name := regexp.MustCompile(`[^\w\- ]`).ReplaceAllString(strings.ToLower(h[1]), "")
		found[strings.ReplaceAll(name, " ", "-")] = true
	}
	return found
}

// The commands that docs/operators.md shows after a $ work, in that order, on
// the config that it tells to install.
func TestOperatorsTranscript(t *testing.T) {
	t.Parallel()
	commands := consoleCommands(readFile(t, "docs/operators.md"))
	if len(commands) < 20 {
		t.Fatalf("the page lost its commands: %q", commands)
	}
	g, metrics := startDeployed(t)
	doctored := false
	for i := range commands {
		c := &commands[i]
		c.line = strings.NewReplacer("https://api.example.com", g.URL, "http://127.0.0.1:9180/metrics", metrics, "/etc/keygate/Caddyfile", "Caddyfile").Replace(c.line)
		if strings.HasPrefix(c.line, "caddy keygate doctor ") {
			// All is well there, but that this gateway has no TLS.
			c.line, c.output = c.line+" | grep -v ^ok", "skipped  redirects    :… speaks plain HTTP, so TLS ends before the gateway. Do: …\n"
			doctored = true
		}
	}
	if !doctored {
		t.Error("the page does not run caddy keygate doctor")
	}
	g.replay(t, commands)
}

// Every subcommand and flag of caddy keygate that the pages for operators name
// exists, also in commands that need another machine.
func TestOperatorsCommandsExist(t *testing.T) {
	t.Parallel()
	page := regexp.MustCompile(`\$\((echo|date)[^)]*\)`).ReplaceAllString(readFile(t, "docs/operators.md")+readFile(t, "docs/store.md"), "…")
	g := idleGateway(t)
	help := make(map[string]string)
	uses := regexp.MustCompile("caddy keygate ([a-z]+)([^\n`|)&]*)").FindAllStringSubmatch(page, -1)
	for _, use := range uses {
		name := use[1]
		if _, ok := help[name]; !ok {
			help[name] = g.cli(t, "keygate", name, "--help").Stdout
			if !strings.Contains(help[name], "caddy keygate "+name) {
				t.Errorf("there is no caddy keygate %s", name)
			}
		}
		for _, flag := range regexp.MustCompile(`\s(--?[a-z][a-z-]*)`).FindAllStringSubmatch(use[2], -1) {
			if !regexp.MustCompile(`(?m)^ +(-\w, )?([^\n]*\s)?` + flag[1] + `[ ,]`).MatchString(help[name]) {
				t.Errorf("caddy keygate %s has no flag %s", name, flag[1])
			}
		}
	}
	for _, name := range []string{"health", "backup", "restore", "check", "compact", "audit", "usage", "rotate", "revoke"} {
		if help[name] == "" {
			t.Errorf("the pages do not use caddy keygate %s", name)
		}
	}
}

// What the page says that the log says is in the code, word by word, or is a word
// of the system.
func TestOperatorsQuoteTheLog(t *testing.T) {
	t.Parallel()
	var code strings.Builder
	if err := filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		switch name := entry.Name(); {
		case err != nil:
			return err
		case entry.IsDir() && (name == "plugin_test" || name == "bench" || strings.HasPrefix(name, ".") && name != ".."):
			return filepath.SkipDir
		case strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go"):
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			code.Write(text)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	system := []string{"no space left on device", "too many open files", "Accept error"}
	quoted := 0
	for _, table := range strings.Split(readFile(t, "docs/operators.md"), "| the log says | do |\n|---|---|\n")[1:] {
		for row := range strings.Lines(table) {
			said, _, ok := strings.Cut(strings.TrimPrefix(row, "| "), " | ")
			if !strings.HasPrefix(row, "| ") || !ok {
				break
			}
			for _, quote := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(said, -1) {
				for words := range strings.SplitSeq(quote[1], "…") {
					if words = strings.TrimSpace(words); !slices.Contains(system, words) && !strings.Contains(code.String(), words) {
						t.Errorf("nothing in the code says %q", words)
					}
					quoted++
				}
			}
		}
	}
	if quoted < 15 {
		t.Errorf("only %d quotes of the log are found", quoted)
	}
}

func TestOperatorsLinks(t *testing.T) {
	t.Parallel()
	page := readFile(t, "docs/operators.md")
	for _, link := range regexp.MustCompile(`\]\(([^)]+)\)`).FindAllStringSubmatch(page, -1) {
		file, anchor, _ := strings.Cut(link[1], "#")
		switch {
		case file == "" && !anchors(page)[anchor]:
			t.Errorf("there is no heading for %s", link[1])
		case file != "" && !strings.Contains(file, "://"):
			if _, err := os.Stat(filepath.Join("../docs", file)); err != nil {
				t.Error(err)
			}
		}
	}
}
