//go:build faults && linux

package plugin_test

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// TestFullDisk fills the file system of the store, a small tmpfs, for which it
// has to be root.
func TestFullDisk(t *testing.T) {
	sameDay()
	g, _ := startSite(t)
	g.stop(t)
	data := filepath.Join(g.Dir, "data")
	if err := os.RemoveAll(data); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("keygate-test", data, "tmpfs", syscall.MS_NOSUID|syscall.MS_NODEV|syscall.MS_NOEXEC, "size=4m,mode=0700"); err != nil {
		t.Fatalf("mounting a tmpfs, which takes root: %v", err)
	}
	t.Cleanup(func() {
		g.stop(t)
		if err := syscall.Unmount(data, 0); err != nil {
			t.Error(err)
		}
	})
	g.start(t)
	k, token := g.createKey(t, "--scope", "posts:read", "--per-day", "5")
	before := len(g.allRecords(t))

	ballast := filepath.Join(data, "ballast")
	fill(t, ballast)
	made := 0
	for {
		resp := g.create(t)
		if resp.Status != 201 {
			unavailable(t, resp, "nothing was changed", "free space")
			break
		}
		if made++; made > 10_000 {
			t.Fatal("the disk is full, and takes all the same")
		}
	}
	for range 5 {
		if resp := g.get(t, token); resp.Status != 200 {
			t.Errorf("on a full disk: %d %s", resp.Status, resp.Body)
		}
	}
	denied(t, g.get(t, token), 429, "quota_exceeded")
	// The use that is not saved yet may find room where a key does not. Then the disk
	// has taken a change, and nothing is wrong until the next one.
	if resp := g.adminDo(t, "GET", "/keygate/keys/"+k.ID, ""); resp.Status != 200 {
		t.Errorf("show: %d %s", resp.Status, resp.Body)
	}
	unavailable(t, g.create(t), "nothing was changed", "free space")
	if r := g.cli(t, "keygate", "health"); r.Code != 0 || !strings.Contains(r.Stderr, "warning: nothing was changed: the disk has refused changes since 20") || !strings.Contains(r.Stderr, "free space") {
		t.Errorf("health on a full disk: %+v", r)
	}
	for check, words := range map[string]string{"health": "the disk has refused changes since", "disk": "a copy of the store takes"} {
		// The use of keys, which is saved once a second, may find room where a key does
		// not. Then the disk has taken a change.
		unavailable(t, g.create(t), "nothing was changed", "free space")
		if r := g.cli(t, "keygate", "doctor"); r.Code != 1 || !regexp.MustCompile(`(?m)^fail +`+check+` .*`+words+`.*df -h `+data).MatchString(r.Stdout) {
			t.Errorf("the doctor does not tell of a full disk: %s", r.Stdout)
		}
	}
	if n := len(g.allRecords(t)); n != before+made {
		t.Errorf("there are %d keys, want %d", n, before+made)
	}

	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	if resp := g.create(t); resp.Status != 201 {
		t.Errorf("with room again: %d %s", resp.Status, resp.Body)
	}
	if r := g.cli(t, "keygate", "health"); r.Code != 0 || strings.Contains(r.Stderr, "warning") {
		t.Errorf("health with room again: %+v", r)
	}
	if r := g.cli(t, "keygate", "doctor"); !regexp.MustCompile(`(?m)^ok +health `).MatchString(r.Stdout) || !regexp.MustCompile(`(?m)^ok +disk `).MatchString(r.Stdout) {
		t.Errorf("with room again the doctor says %s", r.Stdout)
	}
	g.stop(t)
	g.start(t)
	if n := g.charged(t, k.ID); n != 5 {
		t.Errorf("%d requests are counted, want 5", n)
	}
	denied(t, g.get(t, token), 429, "quota_exceeded")
	checkWhole(t, g, before+made+1)
	t.Logf("%d keys found room on the full disk", made)
}

// fill writes to a file until there is no room.
func fill(t testing.TB, path string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for chunk := make([]byte, os.Getpagesize()); err == nil; _, err = f.Write(chunk) {
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
}
