package doctor

import (
	"errors"
	"io/fs"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/socialpatra/keygate/internal/jsontree"
	"github.com/socialpatra/keygate/internal/listening"
	"github.com/socialpatra/keygate/keystore"
)

var now = time.Date(2026, 11, 28, 3, 0, 0, 0, time.UTC)

func at(s string) listening.Address { return listening.Address{TCP: netip.MustParseAddrPort(s)} }

// healthy are the facts of a gateway in good order.
func healthy() *Facts {
	gateway := Process{PID: 4711, Name: "process 4711 (caddy)", UID: 41998, GID: 41998}
	running := map[string]any{"apps": map[string]any{"http": map[string]any{"servers": map[string]any{"srv0": map[string]any{"listen": []any{":443"}, "automatic_https": map[string]any{"disable_redirects": true}}}}}}
	return &Facts{
		Gateway: Gateway{
			Now: now, Flags: " --address unix//run/keygate/admin.sock",
			Admin:     Admin{Name: "unix//run/keygate/admin.sock|0600", Network: "unix", Host: "/run/keygate/admin.sock", Answers: true, Keys: 12, Schema: 2, Newest: now},
			StorePath: "/var/lib/keygate/keys.db",
			Config:    Config{File: "/etc/keygate/Caddyfile", Reload: "caddy reload --config /etc/keygate/Caddyfile", Adapted: running, Running: running},
			Listen:    []listening.Address{at("[::]:443")},
			Sites:     []Site{{Name: "srv0", Server: jsontree.At(running, "apps", "http", "servers", "srv0")}},
			Backups:   "/var/backups/keygate",
		},
		Process: gateway,
		Socket:  Socket{Path: "/run/keygate/admin.sock", Mode: fs.ModeSocket | 0o600},
		Store:   Store{Path: "/var/lib/keygate/keys.db", Size: 1 << 20, Changed: now, Held: true, Holder: gateway, Open: openThis},
		Ports:   []Listener{{at("[::]:443"), []Process{gateway}}},
		Files: []File{
			{Path: "/var/lib/keygate/keys.db", Mode: 0o600, UID: 41998, GID: 41998, Use: useStore},
			{Path: "/var/lib/keygate", Mode: fs.ModeDir | 0o700, UID: 41998, GID: 41998, Use: useFolder},
			{Path: "/run/keygate", Mode: fs.ModeDir | 0o700, UID: 41998, GID: 41998, Use: useSocket},
			{Path: "/etc/keygate/Caddyfile", Mode: 0o640, Use: useConfig},
		},
		Disk:   Disk{Free: 1 << 30, Inodes: 1 << 20, Type: "ext4"},
		Backup: &File{Path: "/var/backups/keygate/keys.db", ModTime: now.Add(-time.Hour)},
	}
}

// Where nothing is wrong, each check says ok, once, and nothing to do.
func TestHealthy(t *testing.T) {
	f := healthy()
	lines := Examine(f)
	if len(lines) != len(Names()) {
		t.Errorf("%d lines, want one for each of %q", len(lines), Names())
	}
	for i, line := range lines {
		if line.Check != Names()[i] || line.Found == "" || (line.Outcome == OK) != (line.Do == "") {
			t.Errorf("%+v", line)
		}
		if line.Outcome != OK {
			t.Errorf("%+v", line)
		}
	}
}

// Each fault is told by its own check, with what to do.
func TestFaults(t *testing.T) {
	other := Process{PID: 815, Name: "process 815 (caddy)", UID: 41998, GID: 41998}
	gone := func(f *Facts) { f.Admin.Answers, f.Process = false, Process{} }
	stopped := func(f *Facts) {
		gone(f)
		f.Store.Held, f.Store.Holder, f.Ports = false, Process{}, nil
		f.Socket.Err, f.Socket.DialErr = fs.ErrNotExist, fs.ErrNotExist
		f.Store.Glance = &keystore.Glance{Schema: 2}
	}
	alone := func(f *Facts) {
		f.Process.PID, f.Store.Holder.PID, f.Ports[0].By[0].PID = 1, 1, 1
	}
	fleet := func(f *Facts) { f.Fleet, f.StorePath, f.Store = true, "", Store{} }
	for _, test := range []struct {
		name  string
		spoil func(*Facts)
		check string
		want  Outcome
		words string
	}{
		{"cannot decide", func(f *Facts) { f.Admin.Problem = "the file cannot be read" }, "health", Fail, "the file cannot be read"},
		{"disk full", func(f *Facts) { f.Admin.Warning = "nothing was changed: " + syscall.ENOSPC.Error() }, "health", Fail, "df -h /var/lib/keygate"},
		{"disk does not answer", func(f *Facts) { f.Admin.Warning = "a change has waited for 7s" }, "health", Fail, "df -h /var/lib/keygate"},
		{"disk broken", func(f *Facts) { f.Admin.Warning = "takes no more changes" }, "health", Fail, "systemctl restart keygate; caddy keygate check --address"},
		{"taken", func(f *Facts) { f.Admin.Warning = "127.0.0.1:80 is in use by process 7 (caddy)" }, "health", Fail, "Another process has the address"},
		{"new", func(f *Facts) { f.Admin.Warning = "made a new key store at keys.db" }, "health", Fail, "The store is new and empty"},
		{"engine away", func(f *Facts) { fleet(f); f.Admin.Warning = "no heartbeat" }, "health", Fail, "restart no gateway"},
		{"evicted", func(f *Facts) { fleet(f); f.Admin.Evicted = 3 }, "health", Fail, "dropped 3 keys"},

		{"no keys", func(f *Facts) { f.Admin.Keys = 0 }, "store", Fail, "every key is 401"},
		{"one damaged", func(f *Facts) { f.Admin.Damaged = 1 }, "store", Fail, "1 record is damaged"},
		{"two damaged", func(f *Facts) { f.Admin.Damaged = 2 }, "store", Fail, "2 records are damaged"},
		{"records unread", func(f *Facts) { f.Admin.Unread = "no answer" }, "store", Skipped, "caddy keygate check --address"},
		{"no file, stopped", func(f *Facts) { stopped(f); f.Store.Err = fs.ErrNotExist }, "store", Fail, "makes a new, empty store"},
		{"no file, in another container", func(f *Facts) { f.Store.Err = fs.ErrNotExist; f.Store.Open = openOther }, "store", Skipped, "in its container"},
		{"deleted", func(f *Facts) { f.Store.Err = fs.ErrNotExist; f.Store.Open = openDeleted }, "store", Fail, "until it stops"},
		{"not to be looked at", func(f *Facts) { f.Store.Err = fs.ErrPermission }, "store", Skipped, "as root"},
		{"no store", func(f *Facts) { stopped(f); f.Store.BadPath = errors.New("it is a folder") }, "store", Fail, "it is a folder"},
		{"cannot be opened", func(f *Facts) { stopped(f); f.Store.Glance, f.Store.Unopened = nil, keystore.ErrDamaged }, "store", Fail, "restore BACKUP"},
		{"cannot be opened by this user", func(f *Facts) { stopped(f); f.Store.Glance, f.Store.Unopened = nil, fs.ErrPermission }, "store", Skipped, "as root"},
		{"empty, stopped", func(f *Facts) { stopped(f); f.Store.Glance.Empty = true }, "store", Fail, "has no keys"},
		{"taken since", func(f *Facts) { stopped(f); f.Store.Glance, f.Store.Unopened = nil, keystore.ErrInUse }, "store", Skipped, "see socket"},
		{"stopped", stopped, "store", OK, "check --db /var/lib/keygate/keys.db"},

		{"another process has it", func(f *Facts) { f.Store.Holder = other }, "owner", Fail, "process 815 (caddy) holds"},
		{"stopped", stopped, "owner", Fail, "systemctl start"},
		{"holder unseen", func(f *Facts) { f.Store.Holder = Process{} }, "owner", Skipped, "as root"},
		{"who answers is unseen", func(f *Facts) { f.Process = Process{} }, "owner", Skipped, "as root"},
		{"no locks told", func(f *Facts) { f.Store.LockErr = errors.New("this system does not tell") }, "owner", Skipped, "does not tell"},
		{"file alone, held", func(f *Facts) { gone(f); f.Admin = Admin{} }, "owner", Fail, "leave out --db"},
		{"file alone", func(f *Facts) { stopped(f); f.Admin = Admin{} }, "owner", OK, "no process holds"},

		{"does not lock", func(f *Facts) { f.Store.Held = false }, "lock", Fail, "does not lock"},
		{"replaced", func(f *Facts) { f.Store.Held = false; f.Store.Open = openDeleted }, "lock", Fail, "was replaced"},
		{"another store", func(f *Facts) { f.Store.Held = false; f.Store.Open = openOther }, "lock", Fail, "serves another store"},
		{"lock unseen", func(f *Facts) { f.Store.Held = false; f.Store.Open = openUnknown }, "lock", Skipped, "as root"},
		{"no gateway has it", func(f *Facts) { gone(f); f.Store.Holder, f.Process, f.Ports = other, other, nil }, "lock", Fail, "kill 815"},
		{"a gateway without socket has it", func(f *Facts) { f.Admin.Answers = false }, "lock", OK, "is locked"},
		{"stopped", stopped, "lock", OK, "no lock is left"},

		{"gone", func(f *Facts) {
			f.Admin.Answers = false
			f.Socket.Err, f.Socket.DialErr = fs.ErrNotExist, fs.ErrNotExist
		}, "socket", Fail, "second \"caddy run\""},
		{"deaf", func(f *Facts) { f.Admin.Answers = false; f.Socket.DialErr = syscall.ECONNREFUSED }, "socket", Fail, "no key can be revoked"},
		{"gone, with a second name", func(f *Facts) {
			f.Admin.Answers = false
			f.Socket.Err, f.Socket.DialErr, f.Socket.Second = fs.ErrNotExist, fs.ErrNotExist, "/run/keygate/admin.sock.keygate"
		}, "socket", Fail, "--address unix//run/keygate/admin.sock.keygate"},
		{"stopped", stopped, "socket", Fail, "systemctl start"},
		{"not for this user", func(f *Facts) { gone(f); f.Socket.DialErr = fs.ErrPermission }, "socket", Skipped, "as root"},
		{"no socket", func(f *Facts) { stopped(f); f.Socket.Err, f.Socket.Mode = nil, 0o644 }, "socket", Fail, "is no socket"},
		{"something else", func(f *Facts) { stopped(f); f.Admin.Problem = "what answers is not Caddy's admin API" }, "socket", Fail, "--address"},
		{"hung", func(f *Facts) { f.Admin.Answers, f.Admin.Problem = false, "no answer came within 10s" }, "socket", Fail, "systemctl restart keygate; if that takes long"},
		{"where is unknown", func(f *Facts) { stopped(f); f.Admin.Guessed = true; f.Socket = Socket{} }, "socket", Fail, "--address"},
		{"for all", func(f *Facts) { f.Socket.Mode |= 0o006; f.Files[2].Mode |= 0o055 }, "socket", Fail, "chmod 600"},
		{"for all, in a private folder", func(f *Facts) { f.Socket.Mode |= 0o006 }, "socket", OK, ""},
		{"for all machines", func(f *Facts) {
			f.Socket = Socket{}
			f.AdminAt = []Listener{{At: at("[::]:2019")}}
		}, "socket", Fail, "admin localhost:2019"},
		{"from another machine", func(f *Facts) { f.Socket = Socket{}; f.Elsewhere = true }, "socket", Fail, "admin localhost:2019"},
		{"for this machine", func(f *Facts) {
			f.Socket = Socket{}
			f.AdminAt = []Listener{{At: at("127.0.0.1:2019")}}
		}, "socket", OK, ""},

		{"shared", func(f *Facts) { f.Ports = append(f.Ports, Listener{f.Ports[0].At, []Process{other}}) }, "ports", Fail, "kill 815"},
		{"taken", func(f *Facts) {
			stopped(f)
			f.Ports = []Listener{{at("[::]:443"), []Process{{PID: 7, Name: "process 7 (nginx)"}}}}
		}, "ports", Fail, "process 7 (nginx)"},
		{"inherited", func(f *Facts) { f.Ports[0].By = append(f.Ports[0].By, Process{PID: 1}) }, "ports", OK, ""},
		{"unseen", func(f *Facts) { f.Ports[0].By = nil }, "ports", Skipped, "as root"},
		{"elsewhere", func(f *Facts) { f.Ports = nil }, "ports", Skipped, "nothing is seen"},
		{"not told", func(f *Facts) { f.PortsErr = fs.ErrPermission }, "ports", Skipped, "as root"},
		{"stopped", stopped, "ports", OK, "no gateway runs"},

		{"store to change", func(f *Facts) { f.Files[0].Mode |= 0o020 }, "permissions", Fail, "chmod 600 /var/lib/keygate/keys.db"},
		{"store to read", func(f *Facts) { f.Files[0].Mode |= 0o004 }, "permissions", Fail, "chmod o-r"},
		{"store to read, in a private folder", func(f *Facts) { f.Files[0].Mode |= 0o004; f.Files[0].Private = true }, "permissions", OK, ""},
		{"store of its group", func(f *Facts) { f.Files[0].Mode |= 0o040 }, "permissions", OK, ""},
		{"store of the folder's owner, and another runs", func(f *Facts) { f.Process.UID = 41999 }, "permissions", Fail, "chown 41999:"},
		{"store of root", func(f *Facts) { f.Files[0].UID = 0 }, "permissions", Fail, "chown 41998:"},
		{"store of root, stopped", func(f *Facts) { stopped(f); f.Files[0].UID = 0 }, "permissions", Fail, "chown 41998:"},
		{"store of another, run by root", func(f *Facts) { f.Process.UID = 0 }, "permissions", OK, ""},
		{"folder", func(f *Facts) { f.Files[1].Mode |= 0o002 }, "permissions", Fail, "chmod go-w /var/lib/keygate"},
		{"folder such as /tmp", func(f *Facts) { f.Files[1].Mode |= 0o077 | fs.ModeSticky }, "permissions", OK, ""},
		{"config", func(f *Facts) { f.Files[3].Mode |= 0o020 }, "permissions", Fail, "chmod go-w /etc/keygate/Caddyfile"},
		{"secret", func(f *Facts) {
			f.Files = append(f.Files, File{Path: "/run/secrets/redis", Mode: 0o644, Use: useSecret})
		}, "permissions", Fail, "chmod o-r /run/secrets/redis"},
		{"folder of another group", func(f *Facts) { f.Files[1].Mode |= 0o020; f.Files[1].GID = 50 }, "permissions", Fail, "chmod go-w /var/lib/keygate"},
		{"folder of its group", func(f *Facts) { f.Files[1].Mode |= 0o020 }, "permissions", OK, ""},
		{"folder of its group, stopped", func(f *Facts) { stopped(f); f.Files[1].Mode |= 0o020 }, "permissions", OK, ""},
		{"alone in a container", func(f *Facts) { alone(f); f.Files[1].Mode |= 0o077; f.Files[3].Mode |= 0o022 }, "permissions", OK, "container"},
		{"alone, store of another", func(f *Facts) { alone(f); f.Files[0].UID = 0 }, "permissions", Fail, "chown"},
		{"config in /tmp", func(f *Facts) { f.Files[3].Mode = fs.ModeDir | fs.ModeSticky | 0o777 }, "permissions", OK, ""},
		{"unseen", func(f *Facts) { f.Files[0].Err = fs.ErrPermission }, "permissions", Skipped, "as root"},
		{"nothing known", func(f *Facts) { f.Files = nil }, "permissions", Skipped, "--config"},

		{"full", func(f *Facts) { f.Disk.Free = 1 << 20 }, "disk", Fail, "1.0 MB are free"},
		{"size unknown", func(f *Facts) { f.Store.Err, f.Store.Size = fs.ErrPermission, 0 }, "disk", Skipped, "as root"},
		{"just enough", func(f *Facts) { f.Disk.Free = 3 << 20 }, "disk", OK, ""},
		{"no more files", func(f *Facts) { f.Disk.Inodes = 15 }, "disk", Fail, "df -i"},
		{"read only", func(f *Facts) { f.Disk.ReadOnly = true }, "disk", Fail, "remount"},
		{"nfs", func(f *Facts) { f.Disk.Type = "nfs4" }, "disk", Fail, "(nfs4)"},
		{"sshfs", func(f *Facts) { f.Disk.Type = "fuse.sshfs" }, "disk", Fail, "network"},
		{"nothing of a network", func(f *Facts) { f.Disk.Type = "fuse.ntfs" }, "disk", OK, ""},
		{"not told", func(f *Facts) { f.DiskErr = errors.New("this system does not tell") }, "disk", Skipped, "df -h"},

		{"nearly the same", func(f *Facts) {
			fleet(f)
			f.Admin.Skewed, f.Admin.Date, f.Admin.Away = true, 5*time.Second, -5*time.Second
		}, "clock", OK, "; nothing in the store"},
		{"stopped", stopped, "clock", OK, "nothing in the store is from the future"},
		{"gateway ahead", func(f *Facts) { f.Admin.Date = 6 * time.Second }, "clock", Fail, "6s ahead of this machine's"},
		{"gateway behind", func(f *Facts) { f.Admin.Date = -6 * time.Second }, "clock", Fail, "6s behind this machine's"},
		{"engine", func(f *Facts) { fleet(f); f.Admin.Skewed, f.Admin.Away = true, -time.Hour }, "clock", Fail, "1h0m0s behind the engine's"},
		{"engine unknown", fleet, "clock", Skipped, "clock_skew"},
		{"engine right", func(f *Facts) { fleet(f); f.Admin.Skewed = true }, "clock", OK, "the engine's"},
		{"written later", func(f *Facts) { f.Admin.Newest = now.Add(2 * time.Minute) }, "clock", Fail, "2m0s ahead"},
		{"file from the future", func(f *Facts) { f.Store.Changed = now.Add(2 * time.Minute) }, "clock", Fail, "2m0s ahead"},
		{"the same minute", func(f *Facts) { f.Admin.Newest = now.Add(time.Minute) }, "clock", OK, ""},
		{"times unread", func(f *Facts) { f.Admin.Untimed = "no answer" }, "clock", Skipped, "no answer"},

		{"broken", func(f *Facts) { f.Config.Broken = "Caddyfile:3" }, "config", Fail, "caddy validate --config /etc/keygate/Caddyfile"},
		{"documents", func(f *Facts) { f.Config.Stale = true }, "config", Fail, "--force"},
		{"routes unread", func(f *Facts) { f.Config.Unread = "no answer" }, "config", Skipped, "no answer"},
		{"running unknown", func(f *Facts) { f.Config.Running = nil }, "config", Skipped, "not known"},
		{"none", func(f *Facts) { f.Config.File = "" }, "config", Skipped, "--config"},
		{"changed", func(f *Facts) { f.Config.Adapted = map[string]any{"apps": nil} }, "config", Fail, "(apps)"},
		{"changed, or other variables", func(f *Facts) { f.Config.Adapted = map[string]any{}; f.Config.Env = true }, "config", Fail, "{$VARIABLES}"},

		{"no folder named", func(f *Facts) { f.Backups = "" }, "backups", Skipped, "--backups"},
		{"no folder", func(f *Facts) { f.BackupErr = fs.ErrNotExist }, "backups", Fail, "mkdir"},
		{"not for this user", func(f *Facts) { f.BackupErr = fs.ErrPermission }, "backups", Skipped, "as the user"},
		{"none", func(f *Facts) { f.Backup = nil }, "backups", Fail, "caddy keygate backup /var/backups/keygate/"},
		{"bad", func(f *Facts) { f.BackupBad = keystore.ErrDamaged }, "backups", Fail, "cannot be restored"},
		{"from the same minute", func(f *Facts) { f.Backup.ModTime = now.Add(time.Minute) }, "backups", OK, ""},
		{"unreadable", func(f *Facts) { f.Backup.Err = errors.New("it is gone") }, "backups", Fail, "it is gone"},
		{"old", func(f *Facts) { f.Backup.ModTime = now.Add(-25*time.Hour - time.Second) }, "backups", Fail, "25h0m0s old"},
		{"old enough", func(f *Facts) { f.Backup.ModTime = now.Add(-25 * time.Hour) }, "backups", OK, ""},
		{"from the future", func(f *Facts) { f.Backup.ModTime = now.Add(time.Hour) }, "backups", Fail, "from the future"},
	} {
		t.Run(test.check+" "+test.name, func(t *testing.T) {
			f := healthy()
			test.spoil(f)
			told := false
			for _, line := range Examine(f) {
				if (line.Outcome == OK) != (line.Do == "") || line.Found == "" {
					t.Errorf("what is or what to do is wrong: %+v", line)
				}
				if line.Check != test.check {
					if line.Outcome == Fail && f.Admin.Answers { // else others fail as well
						t.Errorf("it is told as another fault: %+v", line)
					}
					continue
				}
				if line.Outcome != test.want || told && test.want == OK {
					t.Errorf("%+v, want %s", line, test.want)
				}
				told = told || strings.Contains(line.Found+" "+line.Do, test.words)
			}
			if !told {
				t.Errorf("no line has %q: %+v", test.words, Examine(f))
			}
		})
	}
}

// Of a fleet's gateway there is no file: what is about one is left out.
func TestFleet(t *testing.T) {
	f := healthy()
	f.Fleet, f.StorePath, f.Store = true, "", Store{}
	f.Admin.Skewed = true
	var names []string
	for _, line := range Examine(f) {
		names = append(names, line.Check)
		if line.Outcome == Fail {
			t.Errorf("%+v", line)
		}
	}
	if want := "health socket ports permissions clock config redirects log_filter backups"; strings.Join(names, " ") != want {
		t.Errorf("checks are %q, want %s", names, want)
	}
}

// What is missing is named, by what would bring it.
func TestLacks(t *testing.T) {
	for _, test := range []struct {
		name  string
		facts Facts
		needs need
		words string
	}{
		{"on another machine", Facts{Elsewhere: true}, needsHere | needsFile | needsAnswer | needsConfig, "on the machine of the gateway"},
		{"no store known", Facts{}, needsHere | needsFile | needsAnswer, "or the store with --db"},
		{"store below a folder", Facts{Gateway: Gateway{StorePath: "./keys.db"}}, needsFile, "./keys.db below a folder of the gateway"},
		{"a file alone", Facts{}, needsAnswer | needsConfig, "a file alone"},
		{"no answer", Facts{Gateway: Gateway{Admin: Admin{Name: "a"}}}, needsAnswer | needsConfig, "see socket"},
		{"no config", Facts{Gateway: Gateway{Admin: Admin{Name: "a", Answers: true}}}, needsAnswer | needsConfig, "--config"},
		{"nothing", Facts{Gateway: Gateway{Admin: Admin{Name: "a", Answers: true}, Config: Config{Adapted: 1}}, Store: Store{Path: "/keys.db"}}, needsAnswer | needsConfig | needsFile | needsHere, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := test.facts.lacks(test.needs)
			if test.words == "" {
				if got != nil {
					t.Errorf("%+v", got)
				}
				return
			}
			if len(got) != 1 || got[0].Outcome != Skipped || !strings.Contains(got[0].Found+" "+got[0].Do, test.words) {
				t.Errorf("%+v, want %q", got, test.words)
			}
		})
	}
}

// What nobody has looked at is not ok: each check, with nothing known.
func TestNothingKnown(t *testing.T) {
	for name, f := range map[string]*Facts{
		"nothing":          {},
		"another machine":  {Elsewhere: true, Gateway: Gateway{Now: now, StorePath: "keys.db", Admin: Admin{Name: "gateway-1:2019", Network: "tcp"}}},
		"another, answers": {Elsewhere: true, Gateway: Gateway{Now: now, Admin: Admin{Name: "gateway-1:2019", Network: "tcp", Answers: true, Untimed: "no"}}},
	} {
		for _, line := range Examine(f) {
			if line.Outcome == OK && (name != "another, answers" || line.Check != "health") {
				t.Errorf("%s: %+v", name, line)
			}
		}
	}
}
