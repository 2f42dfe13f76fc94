package plugin_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// doctorSite is the gateway that the accidents happen to.
const doctorSite = `{
	persist_config off
	skip_install_trust
	auto_https disable_redirects
	keygate {
		store bbolt ./data/keygate.db
	}
	log default {
		output stderr
		format filter {
			request>headers>X-Api-Key replace REDACTED
		}
	}
}
http://127.0.0.1:{$PORT} {
	bind 127.0.0.1
	log
	keygate {
		scope posts:read GET /v1/posts
		header X-API-Key
	}
	respond "fine"
}
`

// startOnSocket is startCaddy with the admin endpoint on a Unix socket, as deploy
// has it.
func startOnSocket(t testing.TB, caddyfile string) (g *gateway, socket string) {
	t.Helper()
	run, err := os.MkdirTemp("", "keygate") //nolint:usetesting // the path of a socket has 107 bytes at most
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(run) })
	socket = filepath.Join(run, "admin.sock")
	g = idleGateway(t)
	// Folders of tests may be open to the group.
	if err := os.Chmod(g.Dir, 0o755); err != nil {
		t.Fatal(err)
	}
	port := freePort(t)
	g.URL, g.Log, g.Admin = "http://127.0.0.1:"+port, filepath.Join(t.TempDir(), "caddy.log"), "127.0.0.1"
	g.env = append(g.env, "CADDY_ADMIN=unix/"+socket+"|0600", "PORT="+port)
	g.client, g.admin = newClient(t), newClient(t)
	g.admin.Transport.(*http.Transport).DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}
	g.writeConfig(t, caddyfile)
	g.start(t)
	t.Cleanup(func() { g.stop(t) })
	return g, socket
}

// examination is what the doctor says, by check.
type examination map[string][]examined

type examined struct{ Check, Outcome, Found, Do string }

// doctor runs it, and sees that it changes nothing, prints the same in both forms,
// and has the exit status 1 exactly if something fails.
func (g *gateway) doctor(t testing.TB, args ...string) examination {
	t.Helper()
	before := g.snapshot(t)
	r := g.cli(t, append([]string{"keygate", "doctor", "--json"}, args...)...)
	text := g.cli(t, append([]string{"keygate", "doctor"}, args...)...)
	if after := g.snapshot(t); after != before {
		t.Errorf("the doctor changed something:\n%s\nis now\n%s", before, after)
	}
	var answer struct{ Checks []examined }
	if err := json.Unmarshal([]byte(r.Stdout), &answer); err != nil {
		t.Fatalf("%v: %s%s", err, r.Stdout, r.Stderr)
	}
	found := make(examination)
	failed := 0
	for _, f := range answer.Checks {
		found[f.Check] = append(found[f.Check], f)
		if f.Outcome == "fail" {
			failed = 1
		}
		if f.Found == "" || (f.Outcome == "ok") != (f.Do == "") {
			t.Errorf("a line without what is, or what to do: %+v", f)
		}
	}
	if r.Code != failed || text.Code != failed || strings.Count(text.Stdout, "\n") != len(answer.Checks) {
		t.Errorf("status %d and %d, want %d:\n%s\n%s%s", r.Code, text.Code, failed, r.Stdout, text.Stdout, text.Stderr)
	}
	return found
}

// snapshot is all that there is in the gateway's folder, but for its log.
func (g *gateway) snapshot(t testing.TB) string {
	t.Helper()
	var seen strings.Builder
	err := filepath.WalkDir(g.Dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && path != g.Log {
			fmt.Fprintln(&seen, path, info.Mode(), info.Size(), info.ModTime().UnixNano())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return seen.String()
}

// says fails the test unless a check came to an outcome, in a line with words. It
// returns what the line says to do.
func (e examination) says(t testing.TB, check, outcome string, words ...string) (do string) {
	t.Helper()
	for _, f := range e[check] {
		all := f.Outcome == outcome
		for _, word := range words {
			all = all && strings.Contains(f.Found+" "+f.Do, word)
		}
		if all {
			return f.Do
		}
	}
	t.Errorf("%s is %+v, want %s with %q", check, e[check], outcome, words)
	return ""
}

// follow does what a line says, as somebody at a terminal does: those parts of it
// that are commands.
func (g *gateway) follow(t testing.TB, do string) {
	t.Helper()
	commands := regexp.MustCompile(`\b(chmod|kill|mkdir|mv|caddy) [^;]*`).FindAllString(do, -1)
	if len(commands) == 0 {
		t.Fatalf("%q has nothing to type", do)
	}
	binary, err := caddyBinary()
	if err != nil {
		t.Fatal(err)
	}
	shell := exec.CommandContext(t.Context(), "sh", "-ec", strings.ReplaceAll(strings.Join(commands, "\n"), "caddy ", binary+" "))
	shell.Dir, shell.Env = g.Dir, g.env
	if out, err := shell.CombinedOutput(); err != nil {
		t.Errorf("%q: %v\n%s", commands, err, out)
	}
}

// A gateway in good order has a line for each check, and none of them fails.
func TestDoctorOfAHealthyGateway(t *testing.T) {
	t.Parallel()
	g, socket := startOnSocket(t, doctorSite)
	g.createKey(t, "--scope", "posts:read")
	g.mustCLI(t, "backup", "keys.db")
	if err := os.Mkdir(filepath.Join(g.Dir, "backups"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(g.Dir, "keys.db"), filepath.Join(g.Dir, "backups", "keys.db")); err != nil {
		t.Fatal(err)
	}
	g.doctor(t, "--backups", "backups")
	got := g.mustCLI(t, "doctor", "--backups", "backups")
	got = strings.NewReplacer(g.Dir, "DIR", socket, "SOCKET", fmt.Sprint(g.cmd.Process.Pid), "PID", strings.TrimPrefix(g.URL, "http://127.0.0.1:"), "PORT").Replace(got)
	got = regexp.MustCompile(`\d+\.\d MB are free at DIR/data( and room for \d+ files)?`).ReplaceAllString(got, "N MB are free at DIR/data")
	got = regexp.MustCompile(`is \dm?s? ?old|is \dm\ds old`).ReplaceAllString(got, "is N old")
	const want = `ok       health       requests are decided, and changes are taken
ok       store        DIR/data/keygate.db, with 1 key, and every record verifies
ok       owner        process PID (caddy) holds DIR/data/keygate.db and answers at SOCKET
ok       lock         DIR/data/keygate.db is locked
ok       socket       a gateway answers at SOCKET, for those alone who may write to it
ok       ports        process PID (caddy) alone listens on port PORT
ok       permissions  nobody else can read or change the 7 files and folders that count
ok       disk         N MB are free at DIR/data
ok       clock        the clocks of this machine and of the gateway agree; nothing in the store is from the future
ok       config       what runs is what is in DIR/Caddyfile
ok       redirects    no site with keys is redirected from http://
ok       log_filter   every log hides the header that keys come in
ok       backups      the newest backup, backups/keys.db, is N old and can be restored
`
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

// Of a gateway in which everything is broken, each thing is told.
func TestDoctorOfABrokenGateway(t *testing.T) {
	t.Parallel()
	g, socket := startOnSocket(t, strings.NewReplacer("X-Api-Key replace", "X-Other replace", "auto_https disable_redirects", "http_port {$PORT}\n\thttps_port "+freePort(t), "http://127.0.0.1:{$PORT} {\n\tbind 127.0.0.1", "api.example.test {\n\ttls internal").Replace(doctorSite))
	g.writeConfig(t, strings.Replace(readFile(t, "Caddyfile.example"), "keygate.db", "other.db", 1))
	for path, mode := range map[string]fs.FileMode{"data/keygate.db": 0o666, "data": 0o777, "Caddyfile": 0o666} {
		if err := os.Chmod(filepath.Join(g.Dir, path), mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(g.Dir, "backups"), 0o700); err != nil {
		t.Fatal(err)
	}
	e := g.doctor(t, "--backups", "backups")
	r := g.cli(t, "keygate", "doctor", "--backups", "backups")
	got := strings.NewReplacer(g.Dir, "DIR", socket, "SOCKET", fmt.Sprint(g.cmd.Process.Pid), "PID").Replace(r.Stdout)
	got = regexp.MustCompile(`(?m)^ok .*\n`).ReplaceAllString(got, "")
	got = regexp.MustCompile(`ports \d+`).ReplaceAllString(got, "ports N")
	const want = `fail     health       requests are decided, but something else fails: made a new key store at DIR/data/keygate.db, which has no keys: if there should be some, correct the path or mount the volume, then restart. Do: see "The store is new and empty" in docs/operators.md
fail     store        DIR/data/keygate.db has no keys, so every key is 401. Do: if there were keys, mount the volume that has them, or restore a backup; if not: caddy keygate create --help
fail     permissions  DIR/data/keygate.db, the store, can be changed by others (mode 0666). Do: see that nobody changed it, then chmod 600 DIR/data/keygate.db
fail     permissions  others can replace what is in DIR/data, the folder of the store (mode 0777). Do: chmod go-w DIR/data
fail     permissions  DIR/Caddyfile can be changed by others (mode 0666), and with it who needs which key. Do: see that nobody changed it, then chmod go-w DIR/Caddyfile
fail     config       DIR/Caddyfile is not what runs (admin, apps.http.grace_period, apps.http.http_port, and more). Do: caddy reload --config DIR/Caddyfile
fail     redirects    http://api.example.test is redirected to https: a key that is sent there has gone in the clear, and nobody notices. Do: in the config: a site http://api.example.test with keygate_plaintext revoke, or auto_https disable_redirects; then caddy reload --config DIR/Caddyfile
fail     log_filter   the log default shows tokens that come in X-Api-Key. Do: in the config: log default { format filter { request>headers>X-Api-Key replace REDACTED } }, as in Caddyfile.example; then caddy reload --config DIR/Caddyfile
fail     backups      there is no backup in backups. Do: caddy keygate backup backups/keys-$(date +%FT%H%M).db
`
	if got != want || r.Code != 1 || !strings.HasSuffix(strings.TrimSpace(r.Stderr), "9 things are wrong") {
		t.Errorf("status %d, got\n%s%swant\n%s%v", r.Code, got, r.Stderr, want, e)
	}
}

// What this user may not see is skipped, with how to see it, and never ok.
func TestDoctorOfAnotherUser(t *testing.T) {
	t.Parallel()
	g, _ := startSite(t)
	g.createKey(t, "--scope", "posts:read")
	if os.Getuid() != 0 {
		return // the gateway runs as this user
	}
	elsewhere := idleGateway(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := g.command(t, ctx, "keygate", "doctor", "--json", "--address", g.Admin)
	cmd.Dir = elsewhere.Dir
	asOrdinaryUser(t, cmd, elsewhere.Dir)
	out, err := cmd.Output()
	var answer struct{ Checks []examined }
	if json.Unmarshal(out, &answer) != nil {
		t.Fatalf("%v: %s", err, out)
	}
	found := make(examination)
	for _, f := range answer.Checks {
		found[f.Check] = append(found[f.Check], f)
	}
	for _, check := range []string{"store", "owner", "lock", "disk", "ports"} {
		found.says(t, check, "skipped", "as root")
	}
	found.says(t, "permissions", "skipped")
	found.says(t, "health", "ok")
}

// What is shipped stands up to the checks of a config.
func TestDoctorOfShippedConfigs(t *testing.T) {
	t.Parallel()
	for _, config := range []string{readFile(t, "deploy/Caddyfile"), readFile(t, "Caddyfile.example"), readManifest(t).caddyfile(t)} {
		g := idleGateway(t)
		g.writeConfig(t, config)
		e := g.doctor(t, "--config", "Caddyfile", "--address", "127.0.0.1:1")
		for _, check := range []string{"redirects", "log_filter"} {
			for _, f := range e[check] {
				if f.Outcome == "fail" {
					t.Errorf("%+v of\n%s", f, config)
				}
			}
		}
	}
}
