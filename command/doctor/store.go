package doctor

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/socialpatra/keygate/internal/english"
	"github.com/socialpatra/keygate/keystore"
)

// What is told in several places.
const (
	restart = "systemctl restart keygate"
	readLog = "journalctl -u keygate -o cat -n 50"
)

// saveAndRestart rescues the keys of a gateway whose file is gone or replaced.
func (f *Facts) saveAndRestart() string {
	path := f.Store.Path
	rescued := Quote(filepath.Join(filepath.Dir(path), "rescued.db"))
	return "caddy keygate backup " + rescued + f.Flags + "; systemctl stop keygate; caddy keygate restore " + rescued + " --db " + Quote(path) + "; systemctl start keygate"
}

func checkHealth(f *Facts) lines {
	if f.Admin.Problem != "" {
		return fail(readLog, "requests with a key cannot be decided: %s", f.Admin.Problem)
	}
	var found lines
	if w := f.Admin.Warning; w != "" {
		found.fail(f.afterWarning(w), "requests are decided, but something else fails: %s", w)
	}
	if f.Admin.Evicted > 0 {
		found.fail("redis-cli config set maxmemory-policy noeviction, and raise maxmemory", "the engine has dropped %.0f keys as its memory was full", f.Admin.Evicted)
	}
	if len(f.Admin.NotEnforced) > 0 {
		return found.or(ok("requests are decided, and changes are taken; nothing is enforced at %s, in mode report", strings.Join(f.Admin.NotEnforced, ", ")))
	}
	return found.or(ok("requests are decided, and changes are taken"))
}

func (f *Facts) afterWarning(warning string) string {
	switch {
	case strings.Contains(warning, "in use by"):
		return "see \"Another process has the address\" in docs/operators.md"
	case strings.Contains(warning, "made a new key store"):
		return "see \"The store is new and empty\" in docs/operators.md"
	case f.Fleet:
		return "see \"The engine of a fleet is away\" in docs/operators.md; restart no gateway meanwhile"
	case strings.Contains(warning, "a change has waited"):
		return "look at the disk (dmesg; df -h " + Quote(filepath.Dir(f.Store.Path)) + "); what waits is made once the disk answers"
	case strings.Contains(warning, syscall.ENOSPC.Error()):
		return "free some space (df -h " + Quote(filepath.Dir(f.Store.Path)) + "), then send the change again"
	default:
		return "look at the disk (dmesg), then " + restart + "; caddy keygate check" + f.Flags
	}
}

func checkStore(f *Facts) lines {
	s, path := &f.Store, Quote(f.Store.Path)
	switch {
	case errors.Is(s.Err, fs.ErrNotExist) && s.Open == openDeleted:
		return fail(f.saveAndRestart(), "%s was deleted while %s serves it; the keys are there until it stops", s.Path, f.Process)
	case errors.Is(s.Err, fs.ErrNotExist) && f.Admin.Answers:
		return skipped("run this command where the gateway runs, in its container", "the gateway says it serves %s, and there is no such file here", s.Path)
	case errors.Is(s.Err, fs.ErrNotExist):
		return fail("mount its volume, or caddy keygate restore BACKUP --db "+path, "there is no %s; a gateway that starts makes a new, empty store, and every key is 401", s.Path)
	case s.Err != nil:
		return skipped("run this command as root, or as the user of the gateway", "%v", s.Err)
	case s.BadPath != nil && !f.Admin.Answers: // else permissions and lock tell why
		return fail("see \"The key store fails\" in docs/operators.md", "%v", s.BadPath)
	case f.Admin.Answers:
		return f.judgeRecords()
	case s.Held:
		return skipped("see owner and socket", "%s is in use, and no gateway answers for it", s.Path)
	case errors.Is(s.Unopened, keystore.ErrInUse):
		return skipped("see socket", "%v", s.Unopened)
	case errors.Is(s.Unopened, fs.ErrPermission):
		return skipped("run this command as root, or as the user of the gateway", "%v", s.Unopened)
	case s.Unopened != nil:
		return fail("caddy keygate restore BACKUP --db "+path, "%v", s.Unopened)
	case s.Glance.Empty:
		return f.noKeys()
	default:
		return ok("%s can be opened (schema %d); caddy keygate check --db %s reads all of it", s.Path, f.Admin.Schema, path)
	}
}

func (f *Facts) judgeRecords() lines {
	a := &f.Admin
	switch {
	case a.Unread != "":
		return skipped("caddy keygate check"+f.Flags, "the records of %s could not be read: %s", f.Store.Path, a.Unread)
	case a.Damaged > 0:
		return fail("caddy keygate check"+f.Flags+", then restore a backup, or delete those keys", "%s damaged in %s; their keys are refused", english.Count(a.Damaged, "record is", "records are"), f.Store.Path)
	case a.Keys == 0:
		return f.noKeys()
	default:
		return ok("%s, with %s, and every record verifies", f.Store.Path, english.Plural(a.Keys, "key"))
	}
}

// noKeys tells of a store without keys: a new one, perhaps made by mistake.
func (f *Facts) noKeys() lines {
	return fail("if there were keys, mount the volume that has them, or restore a backup; if not: caddy keygate create --help",
		"%s has no keys, so every key is 401", f.Store.Path)
}
