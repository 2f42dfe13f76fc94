package plugin_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// A backup that is made while keys change and requests come is one state of
// the store: all that was acknowledged before it, and of each client nothing
// after its first change that it lacks. Restoring it names what it is older
// than.
func TestBackupUnderLoad(t *testing.T) {
	t.Parallel()
	g, _ := startSite(t, "auth_failures off")
	revokedBefore, revokedAfter, deletedAfter := g.made(t, "before"), g.made(t, "after"), g.made(t, "deleted")
	g.mustCLI(t, "revoke", revokedBefore.ID)

	const writers, each = 4, 60
	file := filepath.Join(g.Dir, "backup.db")
	begin, done := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	var begun sync.WaitGroup
	begun.Add(writers)
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				body := fmt.Sprintf(`{"workspace":"writer%d","name":"%03d","scopes":["posts:read"]}`, w, i)
				resp := g.adminDo(t, "POST", "/keygate/keys", body)
				if resp.Status != 201 {
					t.Errorf("create: %d %s", resp.Status, resp.Body)
				}
				if i == each/3 {
					begun.Done()
				}
				g.do(t, "GET", "/v1/posts", "", bearer(noSuchKeyWithID("000000000000")))
			}
		})
	}
	go func() {
		begun.Wait()
		close(begin)
		wg.Wait()
		close(done)
	}()
	<-begin
	g.mustCLI(t, "backup", file)
	<-done
	g.mustCLI(t, "revoke", revokedAfter.ID)
	g.mustCLI(t, "delete", "--yes", deletedAfter.ID)
	g.mustCLI(t, "check", "--db", file)
	g.stop(t)

	r := g.cli(t, "keygate", "restore", file, "--db", "data/keygate.db", "--yes")
	if r.Code != 0 {
		t.Fatalf("restore: %d %s", r.Code, r.Stderr)
	}
	for id, named := range map[string]string{revokedAfter.ID: "was revoked since", deletedAfter.ID: "was deleted since", revokedBefore.ID: ""} {
		found := ""
		for line := range strings.Lines(r.Stderr) {
			if strings.Contains(line, id) {
				found += line
			}
		}
		if named == "" && found != "" || !strings.Contains(found, named) {
			t.Errorf("restore says of %s %q, want %q", id, found, named)
		}
	}

	g.start(t)
	found := g.allRecords(t)
	checkWhole(t, g, len(found))
	for id, status := range map[string]string{revokedBefore.ID: "revoked", revokedAfter.ID: "active", deletedAfter.ID: "active"} {
		if found[id]["status"] != status {
			t.Errorf("%s is %v, want %s", id, found[id], status)
		}
	}
	for w := range writers {
		names := make(map[any]bool)
		for _, r := range found {
			if r["workspace"] == fmt.Sprintf("writer%d", w) {
				names[r["name"]] = true
			}
		}
		if len(names) <= each/3 {
			t.Errorf("writer %d: %d keys, want the %d that were there before the backup", w, len(names), each/3+1)
		}
		for i := range len(names) {
			if !names[fmt.Sprintf("%03d", i)] {
				t.Errorf("writer %d: %d keys without %03d", w, len(names), i)
			}
		}
	}
}

func (g *gateway) made(t testing.TB, name string) key {
	t.Helper()
	k, _ := g.createKey(t, "--scope", "posts:read", "--description", name)
	return k
}
