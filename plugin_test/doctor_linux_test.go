package plugin_test

import (
	"bufio"
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
	"syscall"
	"testing"
	"time"
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
	run, err := os.MkdirTemp("", "keygate") // the path of a socket has 107 bytes at most
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
		t.Errorf("status %d and %d, want %d:\n%s%s", r.Code, text.Code, failed, text.Stdout, text.Stderr)
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

// Each accident is told by its check, and what the line says mends it.
func TestDoctorTellsAccidents(t *testing.T) {
	g, socket := startOnSocket(t, doctorSite)
	_, token := g.createKey(t, "--scope", "posts:read")
	in := func(path ...string) string { return filepath.Join(append([]string{g.Dir}, path...)...) }
	chmod := func(t *testing.T, path string, mode fs.FileMode) {
		t.Helper()
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	mended := func(t *testing.T, check string, args ...string) {
		t.Helper()
		g.doctor(t, args...).says(t, check, "ok")
	}
	restart := func(t *testing.T) {
		t.Helper()
		g.stop(t)
		g.start(t)
	}

	for path, mode := range map[string]fs.FileMode{
		in("data", "keygate.db"): 0o666,
		in("data"):               0o777,
		in("Caddyfile"):          0o646,
		filepath.Dir(socket):     0o777,
	} {
		t.Run("others may write to "+filepath.Base(path), func(t *testing.T) {
			chmod(t, path, mode)
			g.follow(t, g.doctor(t).says(t, "permissions", "fail", path, "chmod"))
			mended(t, "permissions")
		})
	}
	t.Run("others may read a copy", func(t *testing.T) {
		copied := in("data", "keygate.db.old")
		if err := os.WriteFile(copied, []byte("keys"), 0o644); err != nil {
			t.Fatal(err)
		}
		chmod(t, in("data"), 0o755)
		chmod(t, filepath.Dir(g.Dir), 0o755)
		chmod(t, copied, 0o644)
		g.follow(t, g.doctor(t).says(t, "permissions", "fail", copied, "read by every user"))
		mended(t, "permissions")
	})
	t.Run("others may connect", func(t *testing.T) {
		chmod(t, socket, 0o666)
		chmod(t, filepath.Dir(socket), 0o755)
		do := g.doctor(t).says(t, "socket", "fail", "every user of this machine")
		command, _, _ := strings.Cut(do, ";")
		g.follow(t, command)
		mended(t, "socket")
	})
	t.Run("the config was changed", func(t *testing.T) {
		g.writeConfig(t, strings.Replace(doctorSite, `"fine"`, `"hunter2 is a secret"`, 1))
		e := g.doctor(t)
		g.follow(t, e.says(t, "config", "fail", in("Caddyfile"), "apps.http.servers", "caddy reload"))
		if strings.Contains(fmt.Sprint(e), "hunter2") {
			t.Errorf("a value of the config is shown: %v", e)
		}
		mended(t, "config")
	})
	t.Run("the config cannot be loaded", func(t *testing.T) {
		g.writeConfig(t, doctorSite+"hunter2.example {\n\tnonsense hunter2\n}\n")
		e := g.doctor(t)
		e.says(t, "config", "fail", "cannot be loaded any more", "(Caddyfile:", "caddy validate")
		e.says(t, "health", "ok")
		if strings.Contains(fmt.Sprint(e), "hunter2") {
			t.Errorf("a value of the config is shown: %v", e)
		}
		g.reload(t, doctorSite)
		mended(t, "config")
	})
	t.Run("a log shows tokens", func(t *testing.T) {
		g.reload(t, strings.Replace(doctorSite, "request>headers>X-Api-Key replace", "request>headers>X-Other replace", 1))
		g.doctor(t).says(t, "log_filter", "fail", "the log default", "X-Api-Key", "format filter")
		g.reload(t, doctorSite)
		mended(t, "log_filter")
	})
	t.Run("http is redirected", func(t *testing.T) {
		site := strings.NewReplacer("auto_https disable_redirects", "http_port {$PORT}\n https_port "+freePort(t), "http://127.0.0.1:{$PORT} {", "api.example.test {\ntls internal", "bind 127.0.0.1", "").Replace(doctorSite)
		g.reload(t, site)
		g.doctor(t).says(t, "redirects", "fail", "http://api.example.test", "auto_https disable_redirects")
		g.reload(t, strings.Replace(site, "{\n", "{\n\tauto_https disable_redirects\n", 1))
		mended(t, "redirects")
		g.reload(t, site+"http://api.example.test {\n\trespond 403\n}\n")
		mended(t, "redirects")
		g.reload(t, doctorSite)
	})
	t.Run("the store is from the future", func(t *testing.T) {
		later := time.Now().Add(time.Hour)
		if err := os.Chtimes(in("data", "keygate.db"), later, later); err != nil {
			t.Fatal(err)
		}
		g.doctor(t).says(t, "clock", "fail", "ahead", "timedatectl")
		now := time.Now()
		if err := os.Chtimes(in("data", "keygate.db"), now, now); err != nil {
			t.Fatal(err)
		}
		mended(t, "clock")
	})
	t.Run("another gateway on the port", func(t *testing.T) {
		other := &gateway{Dir: t.TempDir(), URL: g.URL, Admin: "127.0.0.1:" + freePort(t), Log: filepath.Join(t.TempDir(), "log"), client: newClient(t), admin: newClient(t)}
		other.env = append(append([]string(nil), g.env...), "CADDY_ADMIN="+other.Admin)
		other.writeConfig(t, doctorSite)
		other.start(t)
		do := g.doctor(t).says(t, "ports", "fail", fmt.Sprintf("process %d", other.cmd.Process.Pid), "by turns")
		other.doctor(t).says(t, "ports", "fail", fmt.Sprintf("process %d", g.cmd.Process.Pid))
		g.follow(t, do[strings.Index(do, "kill"):])
		<-other.exited
		mended(t, "ports")
	})
	t.Run("backups", func(t *testing.T) {
		e := g.doctor(t)
		e.says(t, "backups", "skipped", "--backups")
		g.follow(t, g.doctor(t, "--backups", "backups").says(t, "backups", "fail", "backups cannot be read"))
		mended(t, "backups", "--backups", "backups")
		made, err := filepath.Glob(in("backups", "*.db"))
		if err != nil || len(made) != 1 {
			t.Fatalf("%v, %v", made, err)
		}
		whole, err := os.ReadFile(made[0])
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(made[0], int64(len(whole)/2)); err != nil {
			t.Fatal(err)
		}
		g.doctor(t, "--backups", "backups").says(t, "backups", "fail", "cannot be restored", made[0][len(g.Dir)+1:])
		if err := os.WriteFile(made[0], whole, 0o600); err != nil {
			t.Fatal(err)
		}
		old := time.Now().Add(-26 * time.Hour)
		if err := os.Chtimes(made[0], old, old); err != nil {
			t.Fatal(err)
		}
		do := g.doctor(t, "--backups", "backups").says(t, "backups", "fail", "26h0m0s old", "caddy keygate backup")
		if err := os.Rename(made[0], in("backups", "older.db")); err != nil {
			t.Fatal(err)
		}
		g.follow(t, do)
		mended(t, "backups", "--backups", "backups")
	})
	t.Run("the socket is gone", func(t *testing.T) {
		// A process that is stopped does not mend it meanwhile.
		g.signal(t, syscall.SIGSTOP)
		err := os.Remove(socket)
		e := g.doctor(t)
		g.signal(t, syscall.SIGCONT)
		if err != nil {
			t.Fatal(err)
		}
		e.says(t, "socket", "fail", socket+" is gone", "no key can be revoked", "systemctl restart")
		e.says(t, "owner", "ok", fmt.Sprintf("process %d", g.cmd.Process.Pid))
		restart(t)
		mended(t, "socket")
	})
	t.Run("the store was replaced", func(t *testing.T) {
		whole, err := os.ReadFile(in("data", "keygate.db"))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(in("data", "other.db"), whole, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(in("data", "other.db"), in("data", "keygate.db")); err != nil {
			t.Fatal(err)
		}
		g.doctor(t).says(t, "lock", "fail", "was replaced", "caddy keygate backup")
		restart(t)
		mended(t, "lock")
	})
	t.Run("the store was deleted", func(t *testing.T) {
		g.createKey(t, "--scope", "posts:read")
		if err := os.Remove(in("data", "keygate.db")); err != nil {
			t.Fatal(err)
		}
		do := g.doctor(t).says(t, "store", "fail", "was deleted", "until it stops")
		save, after, _ := strings.Cut(do, "; systemctl stop keygate; ")
		g.follow(t, save)
		g.stop(t)
		g.doctor(t).says(t, "store", "fail", "makes a new, empty store", "restore")
		g.follow(t, strings.Replace(after, " --db", " --yes --db", 1)) // there is nobody to ask
		g.start(t)
		g.doctor(t).says(t, "store", "ok", "2 keys")
		if resp := g.get(t, token); resp.Status != 200 {
			t.Errorf("a key that was saved: %d %s", resp.Status, resp.Body)
		}
	})
	t.Run("nothing runs", func(t *testing.T) {
		g.stop(t)
		e := g.doctor(t)
		e.says(t, "owner", "fail", "no gateway runs", "systemctl start")
		e.says(t, "socket", "fail", "no gateway answers")
		e.says(t, "store", "ok", "can be opened")
		e.says(t, "lock", "ok")
		g.start(t)
		mended(t, "owner")
	})
	t.Run("something else holds the store", func(t *testing.T) {
		g.stop(t)
		holder := exec.CommandContext(t.Context(), "flock", "--no-fork", "data/keygate.db", "sh", "-c", "echo held; exec sleep 600")
		holder.Dir = g.Dir
		held, err := holder.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := holder.Start(); err != nil {
			t.Fatal(err)
		}
		if line, err := bufio.NewReader(held).ReadString('\n'); err != nil {
			t.Fatal(line, err)
		}
		e := g.doctor(t)
		do := e.says(t, "lock", "fail", fmt.Sprintf("process %d", holder.Process.Pid), "no gateway can start")
		g.doctor(t, "--db", "data/keygate.db").says(t, "owner", "fail", fmt.Sprintf("process %d", holder.Process.Pid), "leave out --db")
		g.follow(t, fmt.Sprintf("kill %d", holder.Process.Pid))
		holder.Wait()
		if !strings.Contains(do, fmt.Sprintf("kill %d", holder.Process.Pid)) {
			t.Errorf("it says %q", do)
		}
		g.doctor(t).says(t, "lock", "ok")
		g.doctor(t, "--db", "data/keygate.db").says(t, "owner", "ok", "no process holds")
		g.start(t)
		mended(t, "lock")
	})
	t.Run("a new store", func(t *testing.T) {
		g.stop(t)
		if err := os.Rename(in("data"), in("elsewhere")); err != nil {
			t.Fatal(err)
		}
		g.start(t)
		g.doctor(t).says(t, "store", "fail", "has no keys", "every key is 401", "mount the volume")
	})
}

// Of a gateway in which everything is broken, each thing is told.
func TestDoctorOfABrokenGateway(t *testing.T) {
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
	const want = `fail     store        DIR/data/keygate.db has no keys, so every key is 401. Do: if there were keys, mount the volume that has them, or restore a backup; if not: caddy keygate create --help
fail     permissions  DIR/data/keygate.db, the store, can be changed by others (mode 0666). Do: see that nobody changed it, then chmod 600 DIR/data/keygate.db
fail     permissions  others can replace what is in DIR/data, the folder of the store (mode 0777). Do: chmod go-w DIR/data
fail     permissions  DIR/Caddyfile can be changed by others (mode 0666), and with it who needs which key. Do: see that nobody changed it, then chmod go-w DIR/Caddyfile
fail     config       DIR/Caddyfile is not what runs (admin, apps.http.http_port, apps.http.https_port, and more). Do: caddy reload --config DIR/Caddyfile
fail     redirects    http://api.example.test is redirected to https: a key that is sent there has gone in the clear, and nobody notices. Do: in the config: auto_https disable_redirects, or a site http://api.example.test that answers 403; then caddy reload --config DIR/Caddyfile
fail     log_filter   the log default shows tokens that come in X-Api-Key. Do: in the config: log default { format filter { request>headers>X-Api-Key replace REDACTED } }, as in Caddyfile.example; then caddy reload --config DIR/Caddyfile
fail     backups      there is no backup in backups. Do: caddy keygate backup backups/keys-$(date +%FT%H%M).db
`
	if got != want || r.Code != 1 || !strings.HasSuffix(strings.TrimSpace(r.Stderr), "8 things are wrong") {
		t.Errorf("status %d, got\n%s%swant\n%s%v", r.Code, got, r.Stderr, want, e)
	}
}

// What this user may not see is skipped, with how to see it, and never ok.
func TestDoctorOfAnotherUser(t *testing.T) {
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
	for _, config := range []string{readFile(t, "deploy/Caddyfile"), readFile(t, "Caddyfile.example"), readManifest(t).caddyfile(t)} {
		g := idleGateway(t)
		g.writeConfig(t, config)
		e := g.doctor(t, "--address", "127.0.0.1:1")
		for _, check := range []string{"redirects", "log_filter"} {
			for _, f := range e[check] {
				if f.Outcome == "fail" {
					t.Errorf("%+v of\n%s", f, config)
				}
			}
		}
	}
}
