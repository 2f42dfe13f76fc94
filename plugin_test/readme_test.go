package plugin_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// exampleSite is Caddyfile.example on ports that are free.
func exampleSite(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile("../Caddyfile.example")
	if err != nil {
		t.Fatal(err)
	}
	backend, settings := freePort(t), freePort(t)
	config := strings.NewReplacer("\n:8080 {", "\n:{$PORT} {", "\n:8081 {", "\n:"+settings+" {", "\n:9000 {", "\n:"+backend+" {", "127.0.0.1:9000", "127.0.0.1:"+backend).Replace(string(text))
	if strings.Count(config, backend) != 2 || !strings.Contains(config, "{$PORT}") || !strings.Contains(config, settings) {
		t.Fatal("Caddyfile.example does not listen on :8080, :8081 and :9000 any more")
	}
	return config
}

// command is one line after a $ in the README, with the output shown below it.
type command struct {
	line, output string
}

// transcript returns the commands of the console blocks of a section.
func transcript(t testing.TB, readme, section string) []command {
	t.Helper()
	_, text, ok := strings.Cut(readme, "\n## "+section+"\n")
	if !ok {
		t.Fatalf("the README has no section %q", section)
	}
	text, _, _ = strings.Cut(text, "\n## ")
	return consoleCommands(text)
}

// consoleCommands returns the commands of all console blocks of a text. A
// block in a list is indented as a whole.
func consoleCommands(text string) (commands []command) {
	for _, block := range regexp.MustCompile("(?ms)^( *)```console\n(.*?)^ *```").FindAllStringSubmatch(text, -1) {
		for line := range strings.Lines(block[2]) {
			line = strings.TrimPrefix(line, block[1])
			if rest, ok := strings.CutPrefix(line, "$ "); ok {
				commands = append(commands, command{line: strings.TrimSuffix(rest, "\n")})
				continue
			}
			commands[len(commands)-1].output += line
		}
	}
	return commands
}

// The commands with which a newcomer begins share what they compile: a flag such
// as -race or -pgo in one of them would compile all of Caddy twice.
func TestReadmeCompilesOnce(t *testing.T) {
	t.Parallel()
	_, text, _ := strings.Cut(readFile(t, "README.md"), "\n## Run it, test it\n")
	text, _, _ = strings.Cut(text, "\n## Build it into your Caddy\n")
	var lines []string
	for _, m := range regexp.MustCompile(`(?m)^(?:\$ )?(go \w.*?) *(?:#.*)?$`).FindAllStringSubmatch(text, -1) {
		lines = append(lines, m[1])
	}
	want := []string{"go run ./cmd/caddy run --config Caddyfile.example", "go test ./...", "go build -o caddy ./cmd/caddy"}
	if !slices.Equal(lines, want) {
		t.Errorf("the README begins with %q, want %q", lines, want)
	}
}

// What the README shows a new user is what happens: the commands run in one
// shell against the example, and print what is written there, where … stands
// for anything on a line. Output that is not shown may be anything.
func TestReadmeTranscript(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	commands := transcript(t, string(readme), "The first five minutes")
	if len(commands) < 8 || commands[0].line != "go build -o caddy ./cmd/caddy" {
		t.Fatalf("the transcript does not begin with the build, or lost its commands: %q", commands)
	}
	commands = commands[1:] // the harness has built that

	g := startCaddy(t, exampleSite(t))
	for i := range commands {
		commands[i].line = strings.ReplaceAll(commands[i].line, "localhost:8080", strings.TrimPrefix(g.URL, "http://"))
	}
	// The bucket of the page's key regains one every 15 seconds: whoever needs longer
	// from its first request to the one that is refused does not see what the page shows.
	first := slices.IndexFunc(commands, func(c command) bool { return strings.HasPrefix(c.line, "curl ") })
	refused := slices.IndexFunc(commands, func(c command) bool { return strings.HasPrefix(c.line, "curl -si ") })
	if first < 1 || refused < first {
		t.Fatalf("the transcript has no request that is refused: %q", commands)
	}
	ran := g.run(t, commands)
	for range 5 {
		if ran[refused].ended.Sub(ran[first-1].ended) < 15*time.Second {
			break
		}
		ran = g.run(t, commands) // with a key of its own
	}
	compare(t, commands, ran)
}

// replay runs commands and compares what they print with what is shown.
func (g *gateway) replay(t testing.TB, commands []command) {
	t.Helper()
	compare(t, commands, g.run(t, commands))
}

// commandRun is what a command did.
type commandRun struct {
	output, status string
	ended          time.Time
	stderr         string // of all of them
}

// run runs commands in one shell in the gateway's folder, where both caddy and
// ./caddy are the binary.
func (g *gateway) run(t testing.TB, commands []command) (ran []commandRun) {
	t.Helper()
	binary, err := caddyBinary()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(binary, filepath.Join(g.Dir, "caddy")); err != nil && !errors.Is(err, fs.ErrExist) {
		t.Fatal(err)
	}
	const end = "\x1e" // ends the output of a command, before its status and when it ended
	var script strings.Builder
	script.WriteString("PATH=$PWD:$PATH\n")
	for _, c := range commands {
		fmt.Fprintf(&script, "%s\nprintf '\\n%s%%d%s%%s%s' $? $EPOCHREALTIME\n", c.line, end, end, end)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Duration(len(commands))*patience)
	defer cancel()
	shell := exec.CommandContext(ctx, "bash")
	shell.Dir, shell.Env = g.Dir, g.env
	shell.Stdin = strings.NewReader(script.String())
	var out, stderr bytes.Buffer
	shell.Stdout, shell.Stderr = &out, &stderr
	if err := shell.Run(); err != nil {
		t.Fatalf("%v: %s", err, stderr.String())
	}
	parts := strings.Split(out.String(), end)
	if len(parts) != 3*len(commands)+1 {
		t.Fatalf("%d commands gave %q", len(commands), out.String())
	}
	for some := range slices.Chunk(parts[:3*len(commands)], 3) {
		seconds, err := strconv.ParseFloat(some[2], 64)
		if err != nil {
			t.Fatal(err)
		}
		ran = append(ran, commandRun{some[0], some[1], time.UnixMicro(int64(seconds * 1e6)), stderr.String()})
	}
	return ran
}

// compare wants that commands went well and printed what is shown.
func compare(t testing.TB, commands []command, ran []commandRun) {
	t.Helper()
	for i, c := range commands {
		got := strings.ReplaceAll(ran[i].output, "\r\n", "\n")
		if ran[i].status != "0" {
			t.Errorf("$ %s\nended with status %s: %s", c.line, ran[i].status, ran[i].stderr)
		}
		want := strings.ReplaceAll(regexp.QuoteMeta(strings.TrimSpace(c.output)), "…", ".+")
		if c.output != "" && !regexp.MustCompile("^"+want+"$").MatchString(strings.TrimSpace(got)) {
			t.Errorf("$ %s\nprinted\n%s\nthe page says\n%s", c.line, got, c.output)
		}
	}
}

// Every scope of the catalogue opens something in the example.
func TestExampleMapsEveryScope(t *testing.T) {
	t.Parallel()
	g := startCaddy(t, exampleSite(t))
	r := g.cli(t, "keygate", "scopes", "--json")
	if r.Code != 0 || strings.Count(r.Stdout, `"scope"`) != 15 || strings.Contains(strings.Join(strings.Fields(r.Stdout), ""), `"routes":[]`) {
		t.Errorf("scopes: %d %s%s", r.Code, r.Stdout, r.Stderr)
	}
	if resp := g.do(t, "GET", "/v1/status", "", "SocialPatra-Workspace: forged"); resp.Status != 200 || strings.Contains(resp.Body, "forged") {
		t.Errorf("the public route: %d %s", resp.Status, resp.Body)
	}
	_, log := g.createKey(t, "--scope", "posts:read")
	g.do(t, "GET", "/v1/posts?api_key="+log, "", "X-API-Key: "+log)
	g.do(t, "GET", "/v1/posts?api_key="+log, "")
	g.stop(t) // all is logged
	scanForSecret(t, log, g.Dir)
}
