package plugin_test

import (
	"bufio"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Each accident is told by its check, and what the line says mends it.
func TestDoctorTellsAccidents(t *testing.T) {
	t.Parallel()
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
		for _, answer := range []string{"respond 403", "keygate_plaintext revoke"} {
			g.reload(t, site+"http://api.example.test {\n\t"+answer+"\n}\n")
			mended(t, "redirects")
		}
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
		// With Keygate in it, it would look, and not start.
		other.writeConfig(t, "{\n\tpersist_config off\n}\nhttp://127.0.0.1:{$PORT} {\n\tbind 127.0.0.1\n\trespond 401\n}\n")
		other.start(t)
		t.Cleanup(func() { other.kill9(t) }) // where nothing below does
		do := g.doctor(t).says(t, "ports", "fail", fmt.Sprintf("process %d", other.cmd.Process.Pid), "by turns")
		g.follow(t, do[max(0, strings.Index(do, "kill")):])
		<-other.exited
		// The gateway itself looks once a second.
		await(t, "good health", func() bool { return g.cli(t, "keygate", "doctor").Code == 0 })
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
