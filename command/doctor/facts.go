package doctor

import (
	"io/fs"
	"strings"
	"time"

	"github.com/socialpatra/keygate/internal/listening"
	"github.com/socialpatra/keygate/keystore"
)

// Gateway is what the command knows of a gateway: where it is, what it answered,
// and the config on disk.
type Gateway struct {
	Now   time.Time
	Flags string // that name this gateway in commands: " --address unix//run/keygate/admin.sock"

	Admin     Admin
	Fleet     bool   // the store is an engine, not a file
	StorePath string // "": not known; it may be relative to the folder that the gateway was started in
	Config    Config
	Listen    []listening.Address // where its sites listen
	Sites     []Site
	Backups   string // folder of backups; "": none was named
}

// Admin is the admin endpoint of a gateway, and what it answered.
type Admin struct {
	Name          string // as it was named: "unix//run/keygate/admin.sock"; "": a store file is looked at alone
	Network, Host string // to dial
	Guessed       bool   // the config that would name it cannot be read

	Answers bool   // a gateway answered, whatever it said
	Problem string // why requests cannot be decided, or what answered in place of a gateway; "": ready
	Warning string // what does not work although requests are decided

	NotEnforced []string // where denials are only reported

	Away, Date time.Duration // the engine's clock and the answer's date against the clock of this machine; see Skewed
	Skewed     bool          // Away is known
	Evicted    float64       // keys that the engine dropped

	Keys    int       // records; -1: not known
	Schema  int       // of the store file; 0: not known
	Damaged int       // records that do not verify
	Unread  string    // why the records were not read; "": they were
	Newest  time.Time // of the times in the store
	Untimed string    // why they were not all read; "": they were
}

// Config is the config on disk, and the one that runs.
type Config struct {
	File    string // absolute; "": none was named and none is in this folder
	Broken  string // where the file cannot be adapted any more; "": it can
	Env     bool   // it has variables that are read when it is loaded
	Reload  string // the command that loads it
	Adapted any
	Running any
	Stale   bool     // its routes are others than those that run, as its documents are
	Unread  string   // why the routes that run are not known; "": they are
	Secrets []string // files that it takes secrets from
	Trusted []string // files that it is made of, and documents that it names
}

// Site is a server of a config with Keygate in it.
type Site struct {
	Name    string
	Server  any      // in JSON form
	Headers []string // that keys may come in besides Authorization
}

// Facts are a gateway with what the machine tells of it.
type Facts struct {
	Gateway
	Elsewhere bool // it runs on another machine

	Process   Process // that answers at the admin endpoint, or else holds the store
	Socket    Socket
	Store     Store
	Ports     []Listener
	PortsErr  error
	AdminAt   []Listener // at the admin endpoint's port
	Files     []File
	Disk      Disk
	DiskErr   error
	BackupErr error // why the folder of backups cannot be read
	Backup    *File // the newest one
	BackupBad error // why it cannot be restored
}

// tree is the config that matters: the one that runs, or else that of the file.
func (f *Facts) tree() any {
	if f.Config.Running != nil {
		return f.Config.Running
	}
	return f.Config.Adapted
}

// endpoint is how the admin endpoint is called, without the mode of a socket.
func (f *Facts) endpoint() string {
	if f.Socket.Path != "" {
		return f.Socket.Path
	}
	return f.Admin.Name
}

// runs reports whether a gateway is known to run.
func (f *Facts) runs() bool { return f.Admin.Answers || f.Store.Held }

// Process is one on this machine.
type Process struct {
	PID      int    // 0: not known
	Name     string // "process 4711 (caddy)"
	UID, GID int    // -1: not known
}

func (p Process) String() string { return p.Name }

// Socket is the Unix socket of an admin endpoint.
type Socket struct {
	Path    string // "": the endpoint is none
	Err     error  // why nothing can be told of it
	Mode    fs.FileMode
	DialErr error  // why nobody can speak to it
	Second  string // another name of the gateway's socket; "": there is none
}

// Store is a store file.
type Store struct {
	Path     string
	Err      error // of looking at it: there is none, or it may not be looked at
	BadPath  error // why it cannot be a store
	Size     int64
	Changed  time.Time
	Held     bool    // by some process
	Holder   Process // PID 0: it cannot be seen from here
	LockErr  error   // why that is not known
	Glance   *keystore.Glance
	Unopened error   // why it could not be glanced at
	Open     opening // what the gateway's process has open
}

// opening is whether a process has a file open.
type opening string

const (
	openUnknown opening = ""        // it may not be seen
	openThis    opening = "this"    // it has this file open
	openOther   opening = "other"   // it has not
	openDeleted opening = "deleted" // it has one open that was here before
)

// Listener is a socket that waits for connections.
type Listener struct {
	At listening.Address
	By []Process // empty: they cannot be seen by this user
}

// File is one that is looked at for its permissions.
type File struct {
	Path    string
	Err     error
	Mode    fs.FileMode
	Use     use
	Private bool // others cannot reach its folder
	ModTime time.Time

	UID, GID int // -1: not known
}

// use is what a file is there for.
type use string

const (
	useStore   use = "the store"
	useBeside  use = "a copy of the store"
	useFolder  use = "the folder of the store"
	useSocket  use = "the folder of the admin socket"
	useConfig  use = "the config"
	useSecret  use = "a secret"
	useBackups use = "the folder of the backups"
	useBackup  use = "the newest backup"
)

// Disk is the file system that a store is on.
type Disk struct {
	Free, Inodes uint64 // for this user; Inodes is the largest number where they have no end
	ReadOnly     bool
	Type         string // "ext4", "nfs4", "fuse.sshfs"; "": not known
}

// Quote writes a path as a shell reads it.
func Quote(path string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("@%+=:,./_-", r)
	}
	if path != "" && strings.IndexFunc(path, func(r rune) bool { return !plain(r) }) < 0 {
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}
