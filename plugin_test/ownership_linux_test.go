package plugin_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	bolt "go.etcd.io/bbolt"
)

// What must not be opened keeps Caddy from starting, in one line that says
// what to do, and stays as it is.
func TestStoreThatRefusesTheStart(t *testing.T) {
	t.Parallel()
	g, _ := startSite(t)
	g.createKey(t, "--scope", "posts:read")
	g.stop(t)
	store := filepath.Join(g.Dir, "data", "keygate.db")
	good, err := os.ReadFile(store)
	if err != nil {
		t.Fatal(err)
	}
	write := func(t *testing.T, content []byte) {
		t.Helper()
		if err := os.WriteFile(store, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		name  string
		make  func(t *testing.T)
		words []string
	}{
		{"empty", func(t *testing.T) { write(t, nil) }, []string{"is empty", "restore it from a backup"}},
		{"cut to two pages", func(t *testing.T) { write(t, good[:2*os.Getpagesize()]) }, []string{"damaged", "restore it from a backup"}},
		{"cut to a part of a page", func(t *testing.T) { write(t, good[:100]) }, []string{"is not a Keygate store"}},
		{"foreign", func(t *testing.T) { write(t, bytes.Repeat([]byte("posts:write\n"), 10_000)) }, []string{"is not a Keygate store", "give the path of a store"}},
		{"newer", func(t *testing.T) {
			write(t, good)
			db, err := bolt.Open(store, 0o600, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			if err := db.Update(func(tx *bolt.Tx) error {
				return tx.Bucket([]byte("meta")).Put([]byte("schema"), binary.BigEndian.AppendUint32(nil, 4711))
			}); err != nil {
				t.Fatal(err)
			}
		}, []string{"newer Keygate", "4711", "restore a backup"}},
		{"a symbolic link", func(t *testing.T) {
			elsewhere := filepath.Join(t.TempDir(), "keygate.db")
			if err := errors.Join(os.WriteFile(elsewhere, good, 0o600), os.Symlink(elsewhere, store)); err != nil {
				t.Fatal(err)
			}
		}, []string{"is a symbolic link", "path of the file itself"}},
		{"a FIFO", func(t *testing.T) {
			if err := syscall.Mkfifo(store, 0o600); err != nil {
				t.Fatal(err)
			}
		}, []string{"is not a regular file"}},
		{"a folder", func(t *testing.T) {
			if err := os.Mkdir(store, 0o700); err != nil {
				t.Fatal(err)
			}
		}, []string{"is a folder"}},
		{"writable by its group", func(t *testing.T) {
			write(t, good)
			if err := os.Chmod(store, 0o660); err != nil {
				t.Fatal(err)
			}
		}, []string{"can be written by others", "chmod 600"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if err := os.RemoveAll(store); err != nil {
				t.Fatal(err)
			}
			test.make(t)
			before, content := lookAt(t, store)
			g.refusesToStart(t, append(test.words, store)...)
			if after, now := lookAt(t, store); after != before || !bytes.Equal(now, content) {
				t.Errorf("the store was %s, and is %s; its content changed: %t", before, after, !bytes.Equal(now, content))
			}
			if names, err := os.ReadDir(filepath.Dir(store)); err != nil || len(names) != 1 {
				t.Errorf("beside the store there is more: %v, %v", names, err)
			}
		})
	}
}

// lookAt returns what a path is, and its content where it has any.
func lookAt(t testing.TB, path string) (string, []byte) {
	t.Helper()
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.IsDir() || info.Mode()&fs.ModeNamedPipe != 0 {
		return info.Mode().String(), nil
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Mode().String(), content
}

// A second Caddy on the same store is told which process has it.
func TestStoreOfAnotherProcess(t *testing.T) {
	t.Parallel()
	g, _ := startSite(t)
	token := g.token(t, "--scope", "posts:read")
	second := g.command(t, t.Context(), "run", "--config", "Caddyfile")
	second.Env = append(second.Env, "PORT="+freePort(t), "CADDY_ADMIN=127.0.0.1:"+freePort(t))
	var stderr bytes.Buffer
	second.Stderr = &stderr
	if err := second.Run(); second.ProcessState == nil {
		t.Fatal(err)
	}
	saysWhy(t, result{"", stderr.String(), second.ProcessState.ExitCode()},
		filepath.Join(g.Dir, "data", "keygate.db"), "in use by process "+strconv.Itoa(g.cmd.Process.Pid)+" (caddy)", "stop it first")
	if resp := g.get(t, token); resp.Status != 200 {
		t.Errorf("the first: %d %s", resp.Status, resp.Body)
	}
}

// Who may not read or write the store is told whose it is to be.
func TestStoreWithoutPermission(t *testing.T) {
	t.Parallel()
	g, _ := startSite(t)
	g.createKey(t, "--scope", "posts:read")
	g.stop(t)
	data := filepath.Join(g.Dir, "data")
	store := filepath.Join(data, "keygate.db")
	for _, test := range []struct {
		name        string
		mode, above fs.FileMode // of the store, 0: none; and of its folder
	}{
		{"a store to read only", 0o400, 0o700},
		{"a folder to read only, without a store", 0, 0o500},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Cleanup(func() { os.Chmod(data, 0o700) })
			err := os.Chmod(store, test.mode)
			if test.mode == 0 {
				err = os.Remove(store)
			}
			if err := errors.Join(err, os.Chmod(data, test.above)); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			cmd := g.command(t, ctx, "run", "--config", "Caddyfile")
			asOrdinaryUser(t, cmd, g.Dir)
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			if err := cmd.Run(); cmd.ProcessState == nil || ctx.Err() != nil {
				t.Fatal(errors.Join(err, ctx.Err()))
			}
			saysWhy(t, result{"", stderr.String(), cmd.ProcessState.ExitCode()}, store, "permission denied", "run as the user who owns")
		})
	}
}

// asOrdinaryUser takes from root the right to ignore permissions: the command
// runs as a user who owns dir and all in it. Others have no such right.
func asOrdinaryUser(t testing.TB, cmd *exec.Cmd, dir string) {
	t.Helper()
	if os.Getuid() != 0 {
		return
	}
	const nobody = 65534
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	if err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		return errors.Join(err, os.Lchown(path, nobody, nobody))
	}); err != nil {
		t.Fatal(err)
	}
	// Folders that tests make are closed to others.
	for _, way := range []string{binDir, filepath.Dir(dir)} {
		if err := os.Chmod(way, 0o711); err != nil {
			t.Fatal(err)
		}
	}
	if !strings.HasPrefix(dir, os.TempDir()) {
		t.Fatalf("%s is not a folder of this test", dir)
	}
}
