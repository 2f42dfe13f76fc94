package plugin_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// readFile returns a file of the repository as text.
func readFile(t testing.TB, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", path))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// substitute replaces each text by another, and fails the test where one is
// not there exactly once.
func substitute(t testing.TB, text string, pairs ...string) string {
	t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		if n := strings.Count(text, pairs[i]); n != 1 {
			t.Fatalf("%q is there %d times, want it once", pairs[i], n)
		}
		text = strings.Replace(text, pairs[i], pairs[i+1], 1)
	}
	return text
}

// idleGateway is a folder to run commands in, with nothing that serves.
func idleGateway(t testing.TB) *gateway {
	t.Helper()
	dir, home := t.TempDir(), t.TempDir()
	return &gateway{Dir: dir, env: []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "XDG_CONFIG_HOME=" + home, "XDG_DATA_HOME=" + home}}
}

// madeStore makes an empty store, as deploy/Caddyfile wants there to be one, and
// returns its path.
func madeStore(t testing.TB) string {
	t.Helper()
	store := filepath.Join(t.TempDir(), "data", "keys.db")
	idleGateway(t).mustCLI(t, "init", "--db", store)
	return store
}

// startDeployed runs deploy/Caddyfile on other ports, with the usual backend
// behind it. The metrics are at the URL that is returned.
func startDeployed(t testing.TB) (g *gateway, metrics string) {
	t.Helper()
	return startDeployedBefore(t, startBackend(t).Addr)
}

func startDeployedBefore(t testing.TB, backend string) (g *gateway, metrics string) {
	t.Helper()
	port := freePort(t)
	config := substitute(t, readFile(t, "deploy/Caddyfile"),
		"\tadmin unix//run/keygate/admin.sock|0600\n", "", // the harness has its own
		"/var/lib/keygate/keys.db", madeStore(t),
		"\napi.example.com {", "\nhttp://:{$PORT} {",
		"\nhttp://api.example.com {", "\nhttp://api.example.com:"+freePort(t)+" {",
		"\nhttp://:9180 {", "\nhttp://:"+port+" {",
		"127.0.0.1:9000", backend)
	g = startCaddy(t, config)
	if err := os.Chmod(g.Dir, 0o755); err != nil { // folders of tests may be open to the group
		t.Fatal(err)
	}
	return g, "http://127.0.0.1:" + port + "/metrics"
}

func TestDeployedCaddyfiles(t *testing.T) {
	t.Parallel()
	for name, config := range map[string]string{
		"Caddyfile":       readFile(t, "deploy/Caddyfile"),
		"kubernetes.yaml": readManifest(t).caddyfile(t),
	} {
		t.Run(name, func(t *testing.T) {
			g := idleGateway(t)
			g.writeConfig(t, config)
			for _, args := range [][]string{
				{"fmt", "--diff", "Caddyfile"},
				{"adapt", "--config", "Caddyfile"},
				{"validate", "--config", "Caddyfile"},
			} {
				if r := g.cli(t, args...); r.Code != 0 {
					t.Errorf("caddy %v: %d %s%s", args, r.Code, r.Stdout, r.Stderr)
				}
			}
			if files, _ := os.ReadDir(g.Dir); len(files) != 1 {
				t.Errorf("something was created: %v", files)
			}
			for _, want := range []string{"admin unix//run/keygate/admin.sock|0600\n", "persist_config off", "store bbolt /var/lib/keygate/keys.db"} {
				if !strings.Contains(config, want) {
					t.Errorf("lacks %q, which the unit, the image and the manifest rely on", want)
				}
			}
		})
	}
}

// What is deployed serves, and takes a token out of a URL in its logs.
func TestDeployedGateway(t *testing.T) {
	t.Parallel()
	g, metrics := startDeployed(t)
	_, token := g.createKey(t, "--scope", "posts:read")
	if resp := g.do(t, "GET", "/v1/posts?api_key="+token, "", bearer(token)); resp.Status != 200 {
		t.Errorf("%d %s", resp.Status, resp.Body)
	}
	if resp := send(t, g.client, "GET", metrics, "", nil); resp.Status != 200 {
		t.Errorf("metrics: %d", resp.Status)
	}
	await(t, "line of the request", func() bool { return len(g.logged(t, withMessage("handled request"))) > 0 })
	scanForSecret(t, token, g.Dir)
}

// The log that is deployed leaves out the proxy's lines. That a backend is down is
// told all the same, and so is each request.
func TestDeployedLog(t *testing.T) {
	t.Parallel()
	g, _ := startDeployedBefore(t, "127.0.0.1:"+freePort(t))
	if resp := g.do(t, "GET", "/v1/status", ""); resp.Status != 502 {
		t.Fatalf("%d %s", resp.Status, resp.Body)
	}
	logged := func() string {
		text, err := os.ReadFile(g.Log)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	for what, line := range map[string]string{
		"the failure": `"level":"error".*"logger":"http.log.error.*connection refused.*"status":502`,
		"the request": `"logger":"http.log.access.*"uri":"/v1/status".*"status":502`,
	} {
		told := regexp.MustCompile(line)
		await(t, "line of "+what, func() bool { return told.MatchString(logged()) })
	}
}

// instruction is one of a Dockerfile, with its continued lines joined.
type instruction struct{ name, args string }

func readDockerfile(t testing.TB, path string) (instructions []instruction) {
	t.Helper()
	text := regexp.MustCompile(`(?m)^\s*#.*\n`).ReplaceAllString(readFile(t, path), "")
	for line := range strings.Lines(strings.ReplaceAll(text, "\\\n", "")) {
		if name, args, _ := strings.Cut(strings.TrimSpace(line), " "); name != "" {
			instructions = append(instructions, instruction{name, strings.Join(strings.Fields(args), " ")})
		}
	}
	return instructions
}

func TestDockerfile(t *testing.T) {
	t.Parallel()
	var last []instruction // the stage that is shipped
	stages := 0
	for _, in := range readDockerfile(t, "deploy/Dockerfile") {
		if in.name == "FROM" {
			stages++
			last = nil
			if !regexp.MustCompile(`^\S+:[\w.-]+( AS \w+)?$`).MatchString(in.args) || strings.Contains(in.args, ":latest") {
				t.Errorf("FROM %s is not pinned", in.args)
			}
		}
		last = append(last, in)
	}
	if stages != 2 {
		t.Fatalf("%d stages, want the build and what is shipped", stages)
	}
	for _, want := range []instruction{
		{"COPY", "--from=build /out/caddy /usr/local/bin/caddy"},
		{"USER", "65532:65532"},
		{"VOLUME", `["/var/lib/keygate", "/run/keygate"]`},
		{"ENTRYPOINT", `["/usr/local/bin/caddy"]`},
		{"CMD", `["run", "--config", "/etc/keygate/Caddyfile"]`},
	} {
		if !slices.Contains(last, want) {
			t.Errorf("the stage that is shipped lacks %s %s", want.name, want.args)
		}
	}
	for _, in := range last {
		switch in.name {
		case "RUN":
			t.Errorf("RUN %s: the image has no shell", in.args)
		case "HEALTHCHECK":
			if !strings.HasSuffix(in.args, ` CMD ["/usr/local/bin/caddy", "keygate", "health"]`) {
				t.Errorf("HEALTHCHECK %s", in.args)
			}
		case "ENV":
			if !strings.Contains(in.args, "CADDY_ADMIN=unix//run/keygate/admin.sock|0600 ") {
				t.Errorf("ENV %s: the health check does not find the socket of deploy/Caddyfile", in.args)
			}
		}
	}
	// The build is the one that .ci/run does, with the Go that tests it.
	build := readDockerfile(t, "deploy/Dockerfile")
	if !slices.Contains(build, instruction{"RUN", "go run -C cmd/build . -output /out/caddy"}) {
		t.Error("the image is not built from xcaddy.json")
	}
	version := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(readFile(t, "go.mod"))[1]
	if !strings.HasPrefix(build[0].args, "golang:"+version+".") {
		t.Errorf("the image is built by %s, go.mod asks for Go %s", build[0].args, version)
	}
	caddy := regexp.MustCompile(`caddyserver/caddy/v2 (v\S+)`).FindStringSubmatch(readFile(t, "go.mod"))[1]
	if !strings.Contains(readFile(t, "xcaddy.json"), `"`+caddy+`"`) || !strings.Contains(readFile(t, "deploy/Dockerfile"), "("+caddy+")") {
		t.Errorf("the image is not built with Caddy %s, which is what is tested", caddy)
	}
	// What is made here and must not be in an image that is passed on.
	for _, private := range []string{".git", "data", "**/*.db"} {
		if !strings.Contains(readFile(t, "deploy/Dockerfile.dockerignore"), "\n"+private+"\n") {
			t.Errorf("the build sees %s", private)
		}
	}
}
