package plugin_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The five steps lead where docs/adopt.md says: each config is loaded as printed,
// and each command prints what is shown.
func TestAdoptTranscript(t *testing.T) {
	t.Parallel()
	text := readFile(t, "docs/adopt.md")
	steps := strings.Split(text, "\n## ")[1:6]
	g := startCaddy(t, ":{$PORT} {\n\trespond 200\n}\n")
	backend := "127.0.0.1:" + freePort(t)
	names := strings.NewReplacer("localhost:2019", g.Admin, "localhost:8080", strings.TrimPrefix(g.URL, "http://"), ":8080", ":{$PORT}", "127.0.0.1:9000", backend)
	binary, err := caddyBinary()
	if err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile(`(?m)^caddy (respond .*) &\ncaddy start$`).FindStringSubmatch(text)
	if line == nil {
		t.Fatal("the page does not start a backend and Caddy")
	}
	responder := exec.CommandContext(t.Context(), "sh", "-c", "exec "+binary+" "+names.Replace(line[1]))
	responder.Dir, responder.Env = g.Dir, g.env
	if err := responder.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { responder.Wait() }) // its context has ended then
	await(t, "backend", func() bool {
		conn, err := net.Dial("tcp", backend)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	var commands []command
	for i, step := range steps {
		if !strings.HasPrefix(step, fmt.Sprintf("%d. ", i+1)) {
			t.Fatalf("step %d is %.20q", i+1, step)
		}
		if m := regexp.MustCompile("(?s)```caddyfile\n(.*?)```").FindStringSubmatch(step); m != nil {
			file := fmt.Sprintf("step%d", i+1)
			if err := os.WriteFile(filepath.Join(g.Dir, file), []byte(names.Replace(m[1])), 0o600); err != nil {
				t.Fatal(err)
			}
			commands = append(commands, command{line: "cp " + file + " Caddyfile"})
		}
		for _, c := range consoleCommands(step) {
			commands = append(commands, command{names.Replace(c.line), c.output})
		}
	}
	if len(commands) < 15 {
		t.Fatalf("only %d commands: %q", len(commands), commands)
	}
	g.replay(t, commands)
}
