package command

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/socialpatra/keygate/adminapi"
	"github.com/socialpatra/keygate/command/doctor"
	"github.com/socialpatra/keygate/internal/apitest"
	"github.com/socialpatra/keygate/keystore/storetest"
)

// examine runs the doctor, and returns its lines.
func examine(t *testing.T, args ...string) []doctor.Line {
	t.Helper()
	o := person{}.run(append([]string{"doctor", "--json"}, args...)...)
	var answer struct{ Checks []doctor.Line }
	if err := json.Unmarshal([]byte(o.stdout), &answer); err != nil {
		t.Fatalf("%v: %+v", err, o)
	}
	if o.failed != (doctor.Failed(answer.Checks) > 0) || o.failed == (o.stderr == "") {
		t.Errorf("failed %t with %q: %s", o.failed, o.stderr, o.stdout)
	}
	return answer.Checks
}

func wantLine(t *testing.T, lines []doctor.Line, check string, outcome doctor.Outcome, words string) {
	t.Helper()
	if !slices.ContainsFunc(lines, func(l doctor.Line) bool {
		return l.Check == check && l.Outcome == outcome && strings.Contains(l.Found+" "+l.Do, words)
	}) {
		t.Errorf("%s is not %s with %q: %+v", check, outcome, words, lines)
	}
}

// Whichever call to the store fails, a line says so, and is not ok.
func TestDoctorOverAStoreThatFailsOnce(t *testing.T) {
	f := apitest.NewFailures(t, func(f *apitest.Failures) http.Handler {
		return adminapi.New(adminapi.Options{Store: f.Store, Brand: "patra", Now: func() time.Time { return cliNow }, Failed: func(_ *http.Request, _ int, err error) { f.Fail(err) }})
	})
	t.Chdir(t.TempDir())
	// The store is named by the config of the folder, as this API tells of none.
	writeDoctored(t, "keygate {\n store bbolt "+f.File+".copy\n}\n")
	calls := 0
	at := strings.TrimPrefix(f.URL, "http://")
	// A config that happens to be in the folder is none of a gateway that is named.
	f.Store = &storetest.Failing{Store: f.Open()}
	wantLine(t, examine(t, "--address", at), "config", doctor.Skipped, "--config")
	f.Store.Close()
	f.Each(true, func(n int) {
		lines := examine(t, "--address", at, "--config", "Caddyfile")
		told := slices.ContainsFunc(lines, func(l doctor.Line) bool {
			return l.Outcome != doctor.OK && strings.Contains(l.Found, apitest.ErrPlug.Error())
		})
		if told != (f.Store.Failed != "") {
			t.Errorf("call %d, %s, failing: %+v", n, f.Store.Failed, lines)
		}
		calls = n
	})
	if calls < 4 {
		t.Errorf("it asks only %d times", calls)
	}
}

func writeDoctored(t *testing.T, options string) {
	t.Helper()
	if err := os.WriteFile("Caddyfile", []byte("{\n"+options+"}\n:1 {\n keygate {\n public GET /\n }\n}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}

// What is in the config shows nowhere, whatever is wrong with it, and whatever a
// message of Caddy's quotes.
func TestDoctorShowsNoSecret(t *testing.T) {
	const secret = "hunter2"
	t.Chdir(t.TempDir())
	t.Setenv("HUNTER", secret)
	for name, config := range map[string]string{
		"directive":   ":1 {\n hunter2:1234\n}\n",
		"argument":    "{\n keygate {\n store redis localhost:6379 {\n password hunter2:1234\n }\n }\n}\n",
		"placeholder": "{\n keygate {\n store redis localhost:6379 {\n password {env.HUNTER}\n }\n }\n}\n:1 {\n keygate {\n public GET /\n }\n}\n",
		"address":     "{\n keygate {\n store redis redis://user:hunter2@localhost:6379\n }\n}\n",
		"brace":       ":1 {\n basic_auth {\n hunter2 hunter2\n",
		"import":      "import hunter2-{$HUNTER}\n",
		"JSON":        `{"hunter2": "hunter2`,
		"header":      ":1 {\n header X hunter2\n keygate {\n public GET /\n }\n}\n",
		"path":        ":1 {\n keygate {\n openapi hunter2.yaml\n }\n}\n",
	} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile("Caddyfile", []byte(config), 0o600); err != nil {
				t.Fatal(err)
			}
			for _, flags := range [][]string{{"--address", "127.0.0.1:1", "--config", "Caddyfile"}, {"--config", "Caddyfile"}, nil} {
				o := person{}.run(append([]string{"doctor"}, flags...)...)
				if strings.Contains(o.stdout+o.stderr, secret) {
					t.Errorf("%q: %s%s", flags, o.stdout, o.stderr)
				}
				if !o.failed || !strings.Contains(o.stdout, "socket") {
					t.Errorf("%q: %+v", flags, o)
				}
			}
		})
	}
}

// A token in a path is not shown.
func TestDoctorShowsNoToken(t *testing.T) {
	t.Chdir(t.TempDir())
	writeDoctored(t, "keygate {\n store bbolt ./"+someToken+".db\n}\n")
	o := person{}.run("doctor", "--address", "127.0.0.1:1", "--config", "Caddyfile")
	if strings.Contains(o.stdout+o.stderr, someToken[len(someToken)-20:]) || !strings.Contains(o.stdout, "(a token)") {
		t.Error(o.stdout, o.stderr)
	}
}

// A folder of things that are broken stays as it is, to the mode and the time.
func TestDoctorChangesNothing(t *testing.T) {
	folder := t.TempDir()
	t.Chdir(folder)
	writeDoctored(t, "keygate {\n store bbolt ./none/keys.db\n}\n")
	if err := errors.Join(os.Mkdir("backups", 0o700), os.WriteFile("backups/keys.db", []byte("cut short"), 0o666), os.WriteFile("empty.db", nil, 0o600), os.Symlink("nowhere", "link.db")); err != nil {
		t.Fatal(err)
	}
	before := tree(t, folder)
	for _, args := range [][]string{nil, {"--backups", "backups"}, {"--db", "empty.db"}, {"--db", "link.db"}, {"--db", "none/keys.db"}, {"--db", "backups"}, {"--backups", "none"}, {"--config", "none"}} {
		lines := examine(t, args...)
		if len(lines) < len(doctor.Names()) {
			t.Errorf("%q: %+v", args, lines)
		}
		if after := tree(t, folder); after != before {
			t.Errorf("%q: before\n%safter\n%s", args, before, after)
		}
	}
	wantLine(t, examine(t, "--db", "empty.db"), "store", doctor.Fail, "is empty")
	wantLine(t, examine(t, "--db", "link.db"), "store", doctor.Fail, "symbolic link")
	wantLine(t, examine(t, "--backups", "backups"), "backups", doctor.Fail, "cannot be restored")
	wantLine(t, examine(t, "--config", "none"), "config", doctor.Fail, "cannot be loaded")
	wantRefusal(t, person{}.run("doctor", "--db", "empty.db", "--config", "Caddyfile"), "--db excludes")
}

// The files that a config relies on are looked at, wherever it names them.
func TestDoctorLooksAtNamedFiles(t *testing.T) {
	folder := t.TempDir()
	t.Chdir(folder)
	const document = "openapi: 3.0.3\ninfo: {title: t, version: '1'}\npaths: {}\n"
	for _, name := range []string{"user", "password", "sentinel_user", "sentinel_password", "client.key", "api.yaml"} {
		if err := errors.Join(os.WriteFile(name, []byte(document), 0o600), os.Chmod(name, 0o666)); err != nil {
			t.Fatal(err)
		}
	}
	config := strings.ReplaceAll(`{
	keygate {
		store redis localhost:1 {
			sentinel mymaster
			username {file.DIR/user}
			password {file.DIR/password}
			sentinel_username {file.DIR/sentinel_user}
			sentinel_password {file.DIR/sentinel_password}
			tls {
				cert DIR/client.pem
				key DIR/client.key
			}
		}
	}
}
:1 {
	keygate {
		public GET /
		openapi api.yaml
	}
}
`, "DIR", folder)
	if err := os.WriteFile("Caddyfile", []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	lines := examine(t, "--config", "Caddyfile", "--address", "127.0.0.1:1")
	for _, name := range []string{"user", "password", "sentinel_user", "sentinel_password", "client.key"} {
		wantLine(t, lines, "permissions", doctor.Fail, "chmod 600 "+filepath.Join(folder, name))
	}
	wantLine(t, lines, "permissions", doctor.Fail, "chmod go-w "+filepath.Join(folder, "api.yaml"))
	if slices.ContainsFunc(lines, func(l doctor.Line) bool { return l.Check == "store" || l.Check == "disk" }) {
		t.Errorf("a fleet has no file: %+v", lines)
	}
}

func tree(t *testing.T, folder string) string {
	t.Helper()
	var seen strings.Builder
	err := filepath.Walk(folder, func(path string, info os.FileInfo, err error) error {
		if err == nil {
			seen.WriteString(path + " " + info.Mode().String() + " " + info.ModTime().String() + "\n")
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return seen.String()
}

// A document that a config in JSON names may change where the config does not.
func TestDoctorComparesRoutes(t *testing.T) {
	folder := t.TempDir()
	t.Chdir(folder)
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	document := func(path string) string {
		return "openapi: 3.0.3\ninfo: {title: t, version: '1'}\nsecurity: [{key: [posts:read]}]\npaths:\n  " + path + ":\n    get: {responses: {'200': {description: fine}}}\n" +
			"components: {securitySchemes: {key: {type: oauth2, flows: {clientCredentials: {tokenUrl: /t, scopes: {'posts:read': read}}}}}}\n"
	}
	write("api.yaml", document("/v1/posts"))
	config := `{"apps":{"http":{"servers":{"s":{"listen":["127.0.0.1:1"],"routes":[{"handle":[{"handler":"keygate","openapi":[{"file":"` + filepath.Join(folder, "api.yaml") + `"}]}]}]}}}}}`
	write("caddy.json", config)
	mappings, err := readConfig("caddy.json", "")
	if err != nil {
		t.Fatal(err)
	}
	api := adminapi.New(adminapi.Options{Store: openStore(t), Brand: "patra", Mappings: mappings, Now: func() time.Time { return cliNow }})
	silent := false
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/config/":
			w.Write([]byte(config))
		case r.URL.Path == adminapi.RoutesPath && silent:
			adminapi.Refuse(w, http.StatusServiceUnavailable, errors.New("somebody pulled the plug"))
		default:
			api.ServeHTTP(w, r)
		}
	}))
	defer server.Close()
	args := []string{"--config", "caddy.json", "--address", server.Listener.Addr().String()}
	wantLine(t, examine(t, args...), "config", doctor.OK, "what runs is what is in "+filepath.Join(folder, "caddy.json"))
	write("api.yaml", document("/v1/queue"))
	wantLine(t, examine(t, args...), "config", doctor.Fail, "caddy reload --config "+filepath.Join(folder, "caddy.json")+" --address "+args[3]+" --force")
	silent = true
	wantLine(t, examine(t, args...), "config", doctor.Skipped, "somebody pulled the plug")
	if err := os.Remove("api.yaml"); err != nil {
		t.Fatal(err)
	}
	wantLine(t, examine(t, args...), "config", doctor.Fail, "cannot be loaded any more")
}
