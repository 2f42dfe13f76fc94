package doctor

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/socialpatra/keygate/internal/listening"
	"github.com/socialpatra/keygate/keystore"
)

// served is a gateway that this process stands for: it holds a store, and listens
// on an admin socket and on a port. Its folder is the working folder.
func served(t *testing.T) (Gateway, *keystore.Bolt, net.Listener) {
	t.Helper()
	dir, err := os.MkdirTemp("", "kg") //nolint:usetesting // paths of sockets are short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	t.Chdir(dir)
	store, err := keystore.OpenBolt("./data/keys.db")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	admin, err := net.Listen("unix", filepath.Join(dir, "admin.sock"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { admin.Close() })
	site, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { site.Close() })
	return Gateway{
		Now:       time.Now(),
		Admin:     Admin{Name: "unix/" + admin.Addr().String(), Network: "unix", Host: admin.Addr().String(), Answers: true},
		StorePath: "data/keys.db",
		Listen:    []listening.Address{{TCP: netip.MustParseAddrPort(site.Addr().String())}},
	}, store, admin
}

func write(t *testing.T, path string, mode fs.FileMode) {
	t.Helper()
	if err := errors.Join(os.WriteFile(path, []byte("x"), 0o600), os.Chmod(path, mode)); err != nil {
		t.Fatal(err)
	}
}

func TestLookAtAGateway(t *testing.T) {
	g, _, _ := served(t)
	own := os.Getpid()
	f := Look(g)
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	if f.Elsewhere || f.Process.PID != own || f.Process.Name != "this process" || f.Process.UID != os.Getuid() || f.Process.GID != os.Getgid() {
		t.Errorf("the process is %+v", f.Process)
	}
	info, err := os.Stat("data/keys.db")
	if err != nil {
		t.Fatal(err)
	}
	s := f.Store
	if s.Path != filepath.Join(dir, "data", "keys.db") || s.Err != nil || s.BadPath != nil || s.Size != info.Size() || !s.Changed.Equal(info.ModTime()) ||
		!s.Held || s.Holder.PID != own || s.Holder.Name == "" || s.LockErr != nil || s.Glance != nil || s.Unopened != nil || s.Open != openThis {
		t.Errorf("the store is %+v", s)
	}
	if f.Socket.Path != g.Admin.Host || f.Socket.Err != nil || f.Socket.DialErr != nil || f.Socket.Mode.Type() != fs.ModeSocket || f.Socket.Second != "" {
		t.Errorf("the socket is %+v", f.Socket)
	}
	if len(f.Ports) != 1 || f.PortsErr != nil || f.Ports[0].At != g.Listen[0] || !isOneOf(f.Ports[0].By, f.Process) {
		t.Errorf("the ports are %+v", f.Ports)
	}
	if f.DiskErr != nil || f.Disk.Free == 0 || f.Disk.Inodes == 0 || f.Disk.ReadOnly || f.Disk.Type == "" {
		t.Errorf("the disk is %+v, %v", f.Disk, f.DiskErr)
	}
	if f.AdminAt != nil || f.Backup != nil || f.BackupErr != nil {
		t.Errorf("what is not there: %+v", f)
	}
	if err := os.Link(g.Admin.Host, g.Admin.Host+".keygate"); err != nil {
		t.Fatal(err)
	}
	if f := Look(g); f.Socket.Second != g.Admin.Host+".keygate" {
		t.Errorf("the second name is %q", f.Socket.Second)
	}
}

// A gateway on a TCP admin endpoint.
func TestLookAtAGatewayOnTCP(t *testing.T) {
	g, _, _ := served(t)
	at := g.Listen[0].TCP.String()
	g.Admin.Name, g.Admin.Network, g.Admin.Host = at, "tcp", at
	f := Look(g)
	if f.Process.PID != os.Getpid() || len(f.AdminAt) != 1 || f.Socket.Path != "" || f.Store.Open != openThis {
		t.Errorf("%+v", f)
	}
	g.Admin.Host = "127.0.0.1:1"
	if f := Look(g); f.Process.PID != 0 || f.Store.Path != "" {
		t.Errorf("whoever answers cannot be told, and so its folder: %+v", f)
	}
	g.Admin.Answers = false
	if f := Look(g); !f.Store.Held || f.Process.PID != os.Getpid() {
		t.Errorf("without an answer: %+v", f)
	}
}

// What happened to the file that a gateway serves.
func TestLookAtAStoreThatWasTakenAway(t *testing.T) {
	g, store, _ := served(t)
	path := filepath.Join("data", "keys.db")
	other, err := keystore.OpenBolt("other.db")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(other.Close(), os.Rename("other.db", path)); err != nil {
		t.Fatal(err)
	}
	if s := Look(g).Store; s.Held || s.Open != openDeleted || s.Glance != nil {
		t.Errorf("replaced: %+v", s)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if s := Look(g).Store; s.Held || s.Open != openDeleted || !errors.Is(s.Err, fs.ErrNotExist) {
		t.Errorf("deleted: %+v", s)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	if s := Look(g).Store; s.Open != openOther {
		t.Errorf("let go: %+v", s)
	}
	write(t, path, 0o600)
	g.Admin.Answers = false
	if s := Look(g).Store; s.BadPath == nil || s.Glance != nil || s.Unopened != nil {
		t.Errorf("no store: %+v", s)
	}
	g.Fleet = true
	if s := Look(g).Store; s.Path != "" {
		t.Errorf("of a fleet: %+v", s)
	}
}

// The files that are looked at, each for what it is.
func TestLookAtFiles(t *testing.T) {
	g, _, _ := served(t)
	write(t, "data/keys.db.before-restore-20261128T030000Z", 0o644)
	write(t, "data/.keys.db.new-1", 0o600)
	write(t, "data/old.bak", 0o600)
	write(t, "data/notes.txt", 0o666)
	write(t, "Caddyfile", 0o640)
	write(t, "secret", 0o600)
	if err := errors.Join(os.Mkdir("data/folder.db", 0o700), os.Mkdir("backups", 0o750)); err != nil {
		t.Fatal(err)
	}
	g.Config.Trusted, g.Config.Secrets, g.Backups = []string{"Caddyfile", "none"}, []string{"secret"}, "backups"
	write(t, "backups/keys-1.db", 0o600)
	f := Look(g)
	dir := filepath.Dir(g.Admin.Host)
	var got []string
	for _, file := range f.Files {
		if file.Err != nil && !errors.Is(file.Err, fs.ErrNotExist) || file.Err == nil && (file.UID != os.Getuid() || file.GID != os.Getgid() || file.ModTime.IsZero()) {
			t.Errorf("%+v", file)
		}
		name := strings.TrimPrefix(strings.TrimPrefix(file.Path, dir), "/")
		got = append(got, fmt.Sprintf("%s|%s|%04o|%t|%t", name, file.Use, file.Mode.Perm(), file.Private, file.Err == nil))
	}
	want := []string{
		"data/keys.db|the store|0600|true|true",
		"data|the folder of the store|0700|true|true",
		"data/.keys.db.new-1|a copy of the store|0600|true|true",
		"data/keys.db.before-restore-20261128T030000Z|a copy of the store|0644|true|true",
		"data/old.bak|a copy of the store|0600|true|true",
		fmt.Sprintf("|the folder of the admin socket|0700|%t|true", isPrivate(dir)), // as the folder for temporary files is
		"Caddyfile|the config|0640|true|true",
		"none|the config|0000|false|false",
		"secret|a secret|0600|true|true",
		"backups|the folder of the backups|0750|true|true",
		"backups/keys-1.db|the newest backup|0600|true|true",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// The newest backup counts, by its time, whatever it is called.
func TestLookAtBackups(t *testing.T) {
	folder := t.TempDir()
	at := func(name string, hour int) {
		t.Helper()
		when := now.Add(time.Duration(hour) * time.Hour)
		if err := os.Chtimes(filepath.Join(folder, name), when, when); err != nil {
			t.Fatal(err)
		}
	}
	look := func() *Facts { return Look(Gateway{Now: now, Backups: folder}) }
	wantBackup := func(name string, whole bool) {
		t.Helper()
		f := look()
		switch {
		case f.BackupErr != nil:
			t.Error(f.BackupErr)
		case name == "":
			if f.Backup != nil {
				t.Errorf("found %s", f.Backup.Path)
			}
		case f.Backup == nil || f.Backup.Path != filepath.Join(folder, name) || (f.BackupBad == nil) != whole:
			t.Errorf("found %+v, %v, want %s", f.Backup, f.BackupBad, name)
		}
	}
	wantBackup("", false)
	for _, name := range []string{"readme.txt", ".keys.db.partial-1"} {
		write(t, filepath.Join(folder, name), 0o600)
		at(name, 9)
	}
	wantBackup("", false)
	for i, name := range []string{"keys.db", "of.another.name"} {
		store, err := keystore.OpenBolt(filepath.Join(folder, name))
		if err != nil {
			t.Fatal(err)
		}
		store.Close()
		at(name, i)
	}
	wantBackup("of.another.name", true)
	at("keys.db", 2)
	wantBackup("keys.db", true)
	write(t, filepath.Join(folder, "newer.db"), 0o600)
	at("newer.db", 3)
	wantBackup("newer.db", false)
	if err := os.Mkdir(filepath.Join(folder, "folder.db"), 0o700); err != nil {
		t.Fatal(err)
	}
	wantBackup("newer.db", false)
	// One that is read by somebody else is not bad.
	held, err := keystore.OpenBolt(filepath.Join(folder, "keys.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	at("keys.db", 4)
	wantBackup("keys.db", true)
	if f := Look(Gateway{Now: now, Backups: filepath.Join(folder, "none")}); !errors.Is(f.BackupErr, fs.ErrNotExist) {
		t.Errorf("no folder: %v", f.BackupErr)
	}
}

func TestIsPrivate(t *testing.T) {
	dir := t.TempDir()
	for _, path := range []string{"open/open", "closed/open"} {
		if err := os.MkdirAll(filepath.Join(dir, path), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Chmod(filepath.Dir(dir), 0o755), os.Chmod(dir, 0o755), os.Chmod(filepath.Join(dir, "closed"), 0o750)); err != nil {
		t.Fatal(err)
	}
	around := isPrivate(dir) // where nobody else may enter the folder for temporary files, either
	for path, want := range map[string]bool{"open/open/keys.db": around, "open/keys.db": around, "closed/open/keys.db": true, "closed/keys.db": true} {
		if got := isPrivate(filepath.Join(dir, path)); got != want {
			t.Errorf("%s: %t, want %t", path, got, want)
		}
	}
}
