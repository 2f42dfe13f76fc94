package doctor

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

const (
	asRoot   = "run this command as root, on the machine and in the container of the gateway"
	startsIt = "systemctl start keygate; " + readLog
)

// checkOwner asks which process has the store, and whether it is the one that
// takes changes of keys.
func checkOwner(f *Facts) lines {
	s := &f.Store
	switch {
	case errors.Is(s.Err, fs.ErrNotExist):
		return skipped("see store", "there is no %s", s.Path)
	case s.Err != nil || s.LockErr != nil:
		return skipped(asRoot, "who holds %s is not known: %v", s.Path, errors.Join(s.Err, s.LockErr))
	case f.Admin.Name == "" && s.Held:
		return fail("leave out --db, and name the gateway with --config or --address", "%s holds %s", s.Holder, s.Path)
	case f.Admin.Name == "":
		return ok("no process holds %s", s.Path)
	case !s.Held && f.Admin.Answers:
		return skipped("see lock", "no process holds %s, although a gateway answers", s.Path)
	case !s.Held:
		return fail(startsIt, "no process holds %s: no gateway runs", s.Path)
	case s.Holder.PID == 0:
		return skipped(asRoot, "a process that cannot be seen from here holds %s", s.Path)
	case !f.Admin.Answers:
		return ok("%s holds %s", s.Holder, s.Path)
	case f.Process.PID == 0:
		return skipped(asRoot, "%s holds %s; which process answers at %s cannot be seen", s.Holder, s.Path, f.endpoint())
	case f.Process.PID != s.Holder.PID:
		return fail(fmt.Sprintf("ps -o pid,user,lstart,args -p %d,%d, then kill the one that is not yours", s.Holder.PID, f.Process.PID),
			"%s holds %s, but %s answers at %s: what is changed there is not what is served", s.Holder, s.Path, f.Process, f.endpoint())
	default:
		return ok("%s holds %s and answers at %s", s.Holder, s.Path, f.endpoint())
	}
}

// checkLock asks whether a lock keeps other processes away from the store.
func checkLock(f *Facts) lines {
	s := &f.Store
	const newDisk = "move the store to a disk of this machine, as in \"Move to another machine\" of docs/operators.md"
	switch {
	case errors.Is(s.Err, fs.ErrNotExist):
		return skipped("see store", "there is no %s", s.Path)
	case s.Err != nil || s.LockErr != nil:
		return skipped(asRoot, "who holds a lock is not known: %v", errors.Join(s.Err, s.LockErr))
	case s.Held && f.Admin.Name != "" && !f.Admin.Answers && s.Holder.PID != 0 && f.seesNot(s.Holder):
		return fail(fmt.Sprintf("wait until it ends, or kill %d; then %s", s.Holder.PID, startsIt), "%s holds %s and is no gateway: no gateway can start", s.Holder, s.Path)
	case s.Held:
		return ok("%s is locked", s.Path)
	case !f.Admin.Answers:
		return ok("no lock is left on %s", s.Path)
	case s.Open == openThis:
		return fail(newDisk, "%s has %s open, and no lock on it: its file system (%s) does not lock, and a second gateway would destroy it", f.Process, s.Path, f.Disk.Type)
	case s.Open == openDeleted:
		return fail(f.saveAndRestart(), "%s was replaced while %s served the file that was there; what is changed now is lost when it stops", s.Path, f.Process)
	case s.Open == openOther:
		return fail("name the config that it runs with --config", "%s answers at %s and does not have %s open: it serves another store", f.Process, f.endpoint(), s.Path)
	default:
		return skipped(asRoot, "no lock on %s is seen, although a gateway answers", s.Path)
	}
}

// seesNot reports whether it is sure that a process listens on no port of the
// gateway.
func (f *Facts) seesNot(p Process) bool {
	return len(f.Listen) > 0 && f.PortsErr == nil && !slices.ContainsFunc(f.Ports, func(l Listener) bool {
		return len(l.By) == 0 || isOneOf(l.By, p)
	})
}

func isOneOf(processes []Process, p Process) bool {
	return slices.ContainsFunc(processes, func(other Process) bool { return other.PID == p.PID })
}

// checkPorts asks whether the gateway alone gets what is sent to its ports. A
// second Caddy shares them without a word, and both answer by turns.
func checkPorts(f *Facts) lines {
	if len(f.Listen) == 0 {
		return skipped("look at listen in the config", "the config names no TCP port of a site")
	}
	if f.PortsErr != nil {
		return skipped(asRoot, "who listens is not known: %v", f.PortsErr)
	}
	var found lines
	unseen, own := 0, 0
	var told []Process
	for _, l := range f.Ports {
		switch {
		case len(l.By) == 0:
			unseen++
		case f.runs() && isOneOf(l.By, f.Process):
			own++ // others have inherited it
		case isOneOf(told, l.By[0]):
		case f.runs():
			told = append(told, l.By[0])
			found.fail(fmt.Sprintf("ps -o pid,user,lstart,args -p %d; kill %d", l.By[0].PID, l.By[0].PID), "%s listens on %s as well: both answer by turns, each by its own keys", l.By[0], l.At)
		default:
			told = append(told, l.By[0])
			found.fail(fmt.Sprintf("ps -o pid,user,lstart,args -p %d; kill %d; then %s", l.By[0].PID, l.By[0].PID, startsIt), "%s listens on %s, a port of the gateway, which does not run", l.By[0], l.At)
		}
	}
	switch {
	case f.runs() && f.Process.PID == 0:
		return skipped(asRoot, "which process the gateway is cannot be seen")
	case len(found) > 0:
		return found
	case unseen > 0:
		return skipped(asRoot, "which process listens on %s cannot be seen", f.ports())
	case f.runs() && own == 0:
		return skipped(asRoot, "nothing is seen to listen on %s", f.ports())
	case !f.runs():
		return ok("nothing listens on %s, as no gateway runs", f.ports())
	default:
		return ok("%s alone listens on %s", f.Process, f.ports())
	}
}

// ports lists the ports of the gateway: "port 443".
func (f *Facts) ports() string {
	var numbers []string
	for _, at := range f.Listen {
		if n := fmt.Sprint(at.TCP.Port()); !slices.Contains(numbers, n) {
			numbers = append(numbers, n)
		}
	}
	if len(numbers) == 1 {
		return "port " + numbers[0]
	}
	return "ports " + strings.Join(numbers, ", ")
}
