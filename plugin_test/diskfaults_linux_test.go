package plugin_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/socialpatra/keygate/internal/unotify"
)

// unavailable checks that the admin API could not do something, and says so
// in words.
func unavailable(t testing.TB, resp response, words ...string) {
	t.Helper()
	if resp.Status == 0 {
		t.FailNow() // it hangs; the rest would as well
	}
	var body struct{ Error string }
	if err := json.Unmarshal([]byte(resp.Body), &body); err != nil || resp.Status != 503 {
		t.Errorf("answered %d %s, %v; want 503 with an error", resp.Status, resp.Body, err)
		return
	}
	for _, word := range words {
		if !strings.Contains(body.Error, word) {
			t.Errorf("%q does not say %q", body.Error, word)
		}
	}
}

// create makes a key by the admin API; it has the answer even where that is a
// refusal.
func (g *gateway) create(t testing.TB) response {
	t.Helper()
	return g.adminDo(t, "POST", "/keygate/keys", `{"workspace":"acme","name":"made during a fault","scopes":["posts:read"]}`)
}

// logPlace is a place in the log, and when that was its end.
type logPlace struct {
	size int64
	at   time.Time
}

// againAfter is how long what was logged is not logged again.
const againAfter = 10 * time.Second

// loggedOnce checks what Keygate logged as errors since a place: one says why, and
// none fills the log by being repeated.
func (g *gateway) loggedOnce(t testing.TB, since logPlace, why string) {
	t.Helper()
	text, err := os.ReadFile(g.Log)
	if err != nil {
		t.Fatal(err)
	}
	said := false
	count := make(map[string]int)
	for line := range strings.Lines(string(text[since.size:])) {
		var entry struct{ Level, Logger, Msg, Error string }
		if json.Unmarshal([]byte(line), &entry) == nil && entry.Level == "error" && strings.Contains(entry.Logger, "keygate") {
			count[entry.Msg]++
			said = said || strings.Contains(entry.Error, why)
		}
	}
	if !said {
		t.Errorf("no error in the log says %q", why)
	}
	took := time.Since(since.at)
	for message, n := range count {
		if n > 1+int(took/againAfter) {
			t.Errorf("%q is logged %d times within %v", message, n, took)
		}
	}
}

func (g *gateway) logEnd(t testing.TB) logPlace {
	t.Helper()
	info, err := os.Stat(g.Log)
	if err != nil {
		t.Fatal(err)
	}
	return logPlace{info.Size(), time.Now()}
}

// Once the disk did not confirm what was written, nobody knows what is on it:
// what was to be revoked is denied, nothing more is changed, and the rest goes
// on until somebody restarts it.
func TestDiskDoesNotConfirm(t *testing.T) {
	t.Parallel()
	for name, confirmed := range map[string]int{
		"the pages":         0,
		"that they are new": 1, // the first page of the file, which names them
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g, _ := startSite(t)
			k, token := g.createKey(t, "--scope", "posts:read")
			other, otherToken := g.createKey(t, "--scope", "posts:read")
			g.stop(t)
			f := g.startWithFaults(t)
			since := g.logEnd(t)
			f.fail(unix.EIO, confirmed, unix.SYS_FDATASYNC, unix.SYS_FSYNC)
			unavailable(t, g.adminDo(t, "POST", "/keygate/keys/"+k.ID+"/revoke", ""), "outcome", "unknown", "restart")
			// The kernel reports such an error once. That the next call would
			// succeed means nothing.
			f.mend(t)

			denied(t, g.get(t, token), 401, "key_revoked")
			if resp := g.get(t, otherToken); resp.Status != 200 {
				t.Errorf("another key: %d %s", resp.Status, resp.Body)
			}
			unavailable(t, g.create(t), "no more changes")
			unavailable(t, g.adminDo(t, "POST", "/keygate/keys/"+other.ID+"/revoke", ""), "no more changes")
			for range 3 {
				if resp := g.get(t, otherToken); resp.Status != 200 {
					t.Errorf("another key: %d %s", resp.Status, resp.Body)
				}
				for _, path := range []string{"/keygate/keys", "/keygate/keys/" + k.ID, "/keygate/keys/" + other.ID, "/keygate/audit"} {
					if resp := g.adminDo(t, "GET", path, ""); resp.Status != 200 {
						t.Errorf("%s: %d %s", path, resp.Status, resp.Body)
					}
				}
			}
			g.loggedOnce(t, since, "unknown")
			if r := g.cli(t, "keygate", "health"); r.Code != 0 || r.Stdout != "ready\n" || !strings.Contains(r.Stderr, "no more changes until Caddy is restarted") {
				t.Errorf("health: %+v", r)
			}
			if n := byLabel(g.metrics(t)["caddy_keygate_store_errors_total"])[""]; n < 2 {
				t.Errorf("%v store errors are counted", n)
			}
			g.stop(t)

			g.start(t)
			g.mustCLI(t, "check")
			switch resp := g.get(t, token); resp.Status {
			case 200:
			default:
				denied(t, resp, 401, "key_revoked")
			}
			if resp := g.get(t, otherToken); resp.Status != 200 {
				t.Errorf("another key: %d %s", resp.Status, resp.Body)
			}
			g.mustCLI(t, "revoke", k.ID)
			denied(t, g.get(t, token), 401, "key_revoked")
			if resp := g.create(t); resp.Status != 201 {
				t.Errorf("create: %d %s", resp.Status, resp.Body)
			}
			scanForSecret(t, token, g.Dir)
		})
	}
}

// A disk that takes no more keeps nothing from being served, and needs no
// restart once it does again.
func TestDiskRefusesWrites(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		err   unix.Errno
		calls []uint32
		words []string
	}{
		"full":           {unix.ENOSPC, []uint32{unix.SYS_PWRITE64, unix.SYS_FTRUNCATE}, []string{"nothing was changed", "free space"}},
		"read-only":      {unix.EROFS, []uint32{unix.SYS_PWRITE64, unix.SYS_FTRUNCATE}, []string{"nothing was changed", "read-only"}},
		"over its quota": {unix.EDQUOT, []uint32{unix.SYS_PWRITE64}, []string{"nothing was changed", "free space"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sameDay()
			g, _ := startSite(t)
			k, token := g.createKey(t, "--scope", "posts:read", "--per-day", "5")
			other, otherToken := g.createKey(t, "--scope", "posts:read")
			g.stop(t)
			f := g.startWithFaults(t)
			since := g.logEnd(t)
			f.fail(test.err, 0, test.calls...)
			for range 2 {
				unavailable(t, g.create(t), test.words...)
				unavailable(t, g.adminDo(t, "POST", "/keygate/keys/"+other.ID+"/revoke", ""), test.words...)
				if resp := g.get(t, otherToken); resp.Status != 200 {
					t.Errorf("a key that was not revoked: %d %s", resp.Status, resp.Body)
				}
			}
			for range 5 {
				if resp := g.get(t, token); resp.Status != 200 {
					t.Errorf("%d %s", resp.Status, resp.Body)
				}
				// It would have the use saved that it shows.
				if resp := g.adminDo(t, "GET", "/keygate/keys/"+k.ID, ""); resp.Status != 200 {
					t.Errorf("show: %d %s", resp.Status, resp.Body)
				}
			}
			denied(t, g.get(t, token), 429, "quota_exceeded")
			g.loggedOnce(t, since, test.err.Error())

			f.mend(t)
			if resp := g.create(t); resp.Status != 201 {
				t.Errorf("with room again: %d %s", resp.Status, resp.Body)
			}
			g.mustCLI(t, "revoke", other.ID)
			denied(t, g.get(t, otherToken), 401, "key_revoked")
			g.stop(t)
			g.start(t)
			if n := g.charged(t, k.ID); n != 5 {
				t.Errorf("%d requests are counted, want 5", n)
			}
			denied(t, g.get(t, token), 429, "quota_exceeded")
			denied(t, g.get(t, otherToken), 401, "key_revoked")
			g.mustCLI(t, "check")
			scanForSecret(t, token, g.Dir)
		})
	}
}

// Nobody starts on a disk that cannot be written to, and no store is lost by
// trying.
func TestStartOnAFaultyDisk(t *testing.T) {
	t.Parallel()
	g, _ := startSite(t)
	token := g.token(t, "--scope", "posts:read")
	g.stop(t)
	f := g.startWithFaults(t)
	f.fail(unix.ENOSPC, 0, unotify.Writing...)
	if r := g.reload(t, strings.Replace(siteWith(), "store bbolt", "key_prefix other\n\t\tstore bbolt", 1)); r.Code == 0 || !strings.Contains(r.Stderr, "free space") {
		t.Errorf("a config that has to write to the store: %d %s", r.Code, r.Stderr)
	}
	if resp := g.get(t, token); resp.Status != 200 {
		t.Errorf("the config before: %d %s", resp.Status, resp.Body)
	}
	f.mend(t)
	g.writeConfig(t, siteWith())
	g.stop(t)
	g.start(t)
	if resp := g.get(t, token); resp.Status != 200 {
		t.Errorf("%d %s", resp.Status, resp.Body)
	}
	if left, err := filepath.Glob(filepath.Join(g.Dir, "data", ".*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
