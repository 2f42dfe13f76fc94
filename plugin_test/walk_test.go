package plugin_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// firstDay is what docs/openapi.md shows of the first day with a document.
type firstDay struct {
	document, config, block string // the block as it is in the config, with its indent

	lint, start, create, call, without, routes command
}

// readFirstDay takes the page apart. The commands are used as they are written
// there, with the document, the scopes and the operations of others in the place
// of the page's.
func readFirstDay(t testing.TB) (day firstDay) {
	t.Helper()
	_, text, ok := strings.Cut(readFile(t, "docs/openapi.md"), "\n## The first day\n")
	if !ok {
		t.Fatal("the page has no first day")
	}
	text, _, _ = strings.Cut(text, "\n## ")
	block := func(language string) string {
		_, code, ok := strings.Cut(text, "```"+language+"\n")
		code, _, closed := strings.Cut(code, "\n```\n")
		if !ok || !closed {
			t.Fatalf("the first day shows no %s", language)
		}
		return code + "\n"
	}
	day.document, day.config = block("yaml"), block("caddyfile")
	day.block = regexp.MustCompile(`(?s)\t\topenapi .*?\n\t\t}\n`).FindString(day.config)
	commands := consoleCommands(text)
	for i, prefix := range []string{"caddy keygate lint ", "caddy start ", "TOKEN=$(caddy keygate create ", "curl ", "curl ", "curl ", "caddy keygate routes"} {
		if i >= len(commands) || !strings.HasPrefix(commands[i].line, prefix) {
			t.Fatalf("command %d of the first day is not %s: %q", i+1, prefix, commands)
		}
	}
	day.lint, day.start, day.create, day.call, day.without, day.routes = commands[0], commands[1], commands[2], commands[3], commands[4], commands[6]
	if day.block == "" || !strings.Contains(day.lint.output, unindented(day.block)) {
		t.Fatalf("what lint prints on the page is not what the Caddyfile there has: %q", day.block)
	}
	return day
}

func unindented(block string) string { return strings.ReplaceAll("\n"+block, "\n\t\t", "\n")[1:] }

// shell runs a command line of the page in the gateway's folder, where caddy is
// the binary.
func (g *gateway) shell(t testing.TB, line string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-c", line)
	cmd.Dir, cmd.Env = g.Dir, append(slices.Clone(g.env), "PATH="+g.Dir+":"+os.Getenv("PATH"))
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && (!errors.As(err, &exit) || ctx.Err() != nil) {
		t.Fatalf("%s: %v", line, errors.Join(err, ctx.Err()))
	}
	return result{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// walkFolder is a gateway with a first config, in a folder with the documents.
func walkFolder(t *testing.T, documents string) (g *gateway, b *backend) {
	t.Helper()
	b = new(backend)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { b.record(r) }))
	t.Cleanup(server.Close)
	b.Addr = server.Listener.Addr().String()
	g = startCaddy(t, "{\n\tkeygate {\n\t\t"+bboltStore+"\n\t}\n}\n:{$PORT} {\n\tkeygate {\n\t\tscope posts:read GET /\n\t}\n\treverse_proxy {$BACKEND}\n}\n", "BACKEND="+b.Addr)
	binary, err := caddyBinary()
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Symlink(binary, filepath.Join(g.Dir, "caddy")), os.CopyFS(g.Dir, os.DirFS(documents))); err != nil {
		t.Fatal(err)
	}
	return g, b
}

// load runs the Caddyfile of the page, with another block in it.
func (g *gateway) loadFirstDay(t *testing.T, day firstDay, block string) result {
	t.Helper()
	config := strings.NewReplacer(day.block, block, "\n:8080 {", "\n:{$PORT} {", "127.0.0.1:9000", "{$BACKEND}").Replace(day.config)
	if strings.Count(config, "{$") < 2 || !strings.Contains(config, block) {
		t.Fatalf("the page's Caddyfile is of another form:\n%s", config)
	}
	return g.reload(t, config)
}

// The first day is as the page shows it.
func TestFirstDay(t *testing.T) {
	t.Parallel()
	day := readFirstDay(t)
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "media.yaml"), []byte(day.document), 0o600); err != nil {
		t.Fatal(err)
	}
	g, _ := walkFolder(t, folder)
	printed := g.shell(t, day.lint.line)
	compareColumns(t, printed.Stdout, strings.TrimSuffix(day.lint.output, "\n")+"\n")
	if r := g.loadFirstDay(t, day, day.block); r.Code != 0 {
		t.Fatal(r.Stderr)
	}
	_, text, _ := strings.Cut(readFile(t, "docs/openapi.md"), "\n## The first day\n")
	text, _, _ = strings.Cut(text, "\n## ")
	commands := consoleCommands(text)[2:]
	script := ""
	for _, c := range commands {
		script += strings.ReplaceAll(c.line, "http://localhost:8080", g.URL) + "\n"
	}
	want := ""
	for _, c := range commands {
		want += c.output
	}
	compareColumns(t, g.shell(t, script).Stdout, want)
}

// walkDocuments are documents of ten shapes, and who may call each of their
// operations once the block that lint prints is in a Caddyfile. A path of the
// document follows where it is not that of the request.
var walkDocuments = map[string][]string{
	"dotted.yaml": {
		"GET /v1/posts posts:read", "POST /v1/posts posts:write | drafts:write posts:read", "GET /v1/posts/7 posts:read /v1/posts/{id}", "DELETE /v1/posts/7 posts:write /v1/posts/{id}",
	},
	"urls.yaml": {"GET /v2/jobs api:jobs | jobs:readonly", "POST /v2/jobs api:jobs"},
	"silent.yaml": {
		"GET /things authenticated", "POST /things authenticated", "GET /things/7 authenticated /things/{id}", "GET /status public",
	},
	"schemes.yaml": {"GET /v1/me authenticated", "GET /v1/pages pages:read", "PUT /v1/pages pages:write", "POST /v1/tokens denied"},
	"query.yaml":   {"QUERY /search api:search", "GET /search api:search", "COPY /search denied"},
	"fragments.yaml": {
		"POST /jobs denied", "GET /jobs api:jobs", "POST /jobs denied /jobs#cancel", "GET /search denied /search?type=user", "GET /jobs/7 api:jobs /jobs/{id}",
	},
	"partial.yaml": {
		"GET /files/a.pdf read:files /files/{name}.{ext}", "POST /jobs/7:cancel api:admin /jobs/{id}:cancel", "GET /compare/1.0...2.0 read:files /compare/{base}...{head}", "GET /tiles/12 denied /tiles/{x}{y}",
	},
	"split/openapi.yaml": {
		"GET /v1/posts api:reader", "POST /v1/posts api:writer", "GET /v1/posts/7 api:reader /v1/posts/{id}", "DELETE /v1/posts/7 api:admin api:writer /v1/posts/{id}", "GET /v1/media media:read",
	},
	"oneline.json": {"GET /a read:all", "PUT /a authenticated", "GET /b/7 a:read | read:all /b/{id}", "TRACE /b/7 denied /b/{id}"},
	"none.yaml":    {"GET /accounts api:read", "POST /accounts api:write", "GET /accounts/7 api:read /accounts/{id}", "DELETE /accounts/7 authenticated /accounts/{id}"},
}

// walkCall is an operation to call.
type walkCall struct {
	method, request, path string
	sets                  []string // of scopes, separated by commas
	access                string   // authenticated, public, denied; "": scopes
}

func parseWalkCall(line string) walkCall {
	words := strings.Fields(line)
	c := walkCall{method: words[0], request: words[1], path: words[1]}
	words = words[2:]
	if last := words[len(words)-1]; strings.HasPrefix(last, "/") {
		c.path, words = last, words[:len(words)-1]
	}
	if len(words) == 1 && !strings.Contains(words[0], ":") {
		c.access = words[0]
		return c
	}
	for set := range strings.SplitSeq(strings.Join(words, " "), " | ") {
		c.sets = append(c.sets, strings.ReplaceAll(set, " ", ","))
	}
	return c
}

// For documents of all shapes the first day works as the page shows it: lint,
// paste, run, make keys with the scopes of the block, and call every operation.
func TestFirstDayOfEveryShape(t *testing.T) {
	t.Parallel()
	if len(walkDocuments) != 10 {
		t.Errorf("%d documents", len(walkDocuments))
	}
	day := readFirstDay(t)
	for document, lines := range walkDocuments {
		t.Run(strings.ReplaceAll(document, "/", " "), func(t *testing.T) {
			t.Parallel()
			g, b := walkFolder(t, "testdata/walk")
			printed := g.shell(t, strings.Replace(day.lint.line, "media.yaml", document, 1))
			_, block, ok := strings.Cut(printed.Stdout, "# In keygate { … }:\n")
			if !ok || printed.Code != 1 {
				t.Fatalf("status %d: %s%s", printed.Code, printed.Stdout, printed.Stderr)
			}
			bare := g.loadFirstDay(t, day, "\t\topenapi ./"+document+"\n")
			if document == "none.yaml" && (bare.Code == 0 || !strings.Contains(bare.Stderr, "none of the 4 operations can be mapped (3 unmappable, 1 no_security), such as none.yaml:6: GET /accounts: ")) {
				t.Errorf("as it is it loads with status %d: %s", bare.Code, bare.Stderr)
			}
			pasted := strings.ReplaceAll("\n"+strings.TrimSuffix(block, "\n"), "\n", "\n\t\t")[1:] + "\n"
			if r := g.loadFirstDay(t, day, pasted); r.Code != 0 {
				t.Fatalf("%s\n%s", r.Stderr, pasted)
			}
			g.checkCovered(t, lines)
			for _, line := range lines {
				g.walk(t, day, parseWalkCall(line), b)
			}
		})
	}
}

// checkCovered checks that the lines are of all operations, and that what is
// denied is in routes.
func (g *gateway) checkCovered(t *testing.T, lines []string) {
	t.Helper()
	var table struct {
		Routes, Denied []struct {
			Methods      []string
			Method, Path string
		}
	}
	if r := g.cli(t, "keygate", "routes", "--json"); json.Unmarshal([]byte(r.Stdout), &table) != nil {
		t.Fatalf("routes: %s%s", r.Stdout, r.Stderr)
	}
	var got, want []string
	for _, r := range table.Routes {
		got = append(got, r.Methods[0]+" "+r.Path)
	}
	for _, d := range table.Denied {
		got = append(got, d.Method+" "+d.Path+" denied")
	}
	for _, line := range lines {
		c := parseWalkCall(line)
		if c.access == "denied" {
			c.path += " denied"
		}
		want = append(want, c.method+" "+c.path)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("routes has\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// walk calls an operation with keys that may, with one that may not, and without.
func (g *gateway) walk(t *testing.T, day firstDay, c walkCall, b *backend) {
	t.Helper()
	call := func(scopes string) string {
		t.Helper()
		line := day.without.line
		if scopes != "" {
			line = strings.Replace(day.create.line, "media:read", scopes, 1) + " && " + day.call.line
		}
		line = strings.NewReplacer("-X GET", "-X "+c.method, "http://localhost:8080/media", g.URL+c.request).Replace(line)
		r := g.shell(t, line)
		if r.Code != 0 || strings.Contains(line, "localhost") {
			t.Fatalf("%s: status %d: %s", line, r.Code, r.Stderr)
		}
		status := strings.TrimSpace(r.Stdout)
		if passed := len(b.take()); (passed == 1) != (status == "200") {
			t.Errorf("%s %s is answered %s, and the backend saw %d requests", c.method, c.request, status, passed)
		}
		return status
	}
	check := func(who, got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("%s %s with %s: %s, want %s", c.method, c.request, who, got, want)
		}
	}
	const other = "feeds:read"
	switch c.access {
	case "public":
		check("nothing", call(""), "200")
	case "authenticated":
		check("any key", call(other), "200")
		check("nothing", call(""), "401")
	case "denied":
		denied := map[bool]string{true: "405", false: "403"}[c.method == "TRACE" || c.method == "COPY"]
		check("a key", call(other), denied)
		check("nothing", call(""), denied)
	default:
		for _, set := range c.sets {
			check(set, call(set), "200")
			if first, rest, several := strings.Cut(set, ","); several {
				for _, part := range []string{first, rest} {
					if !slices.Contains(c.sets, part) {
						check(part, call(part), "403")
					}
				}
			}
		}
		check("another scope", call(other), "403")
		check("nothing", call(""), "401")
	}
}
