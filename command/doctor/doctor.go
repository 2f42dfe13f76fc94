// Package doctor looks at a gateway from outside, and says what is wrong with it
// and what to do.
//
// It works in two steps. [Look] takes what the command knows of a gateway, a
// [Gateway], and adds what the machine tells: files, processes, listeners, disks.
// [Examine] judges these [Facts] by a table of checks, and does no I/O.
//
// A check says ok, fail or skipped. Skipped means that nobody looked, and the line
// says how to have it looked at: what is not known is never ok. A check that finds
// several things has a line for each of them.
//
// Nothing here writes, and nothing opens a store for writing or makes one. A store
// that a process holds is not opened at all. No line has a value from a config,
// because those may be secrets.
package doctor

import (
	"fmt"
)

// Outcome is what a check came to.
type Outcome string

// The outcomes.
const (
	OK      Outcome = "ok"
	Fail    Outcome = "fail"
	Skipped Outcome = "skipped"
)

// Line is one finding of a check.
type Line struct {
	Check   string  `json:"check"`
	Outcome Outcome `json:"outcome"`
	Found   string  `json:"found"`        // what is, or why nobody looked
	Do      string  `json:"do,omitempty"` // what to type; "" if it is ok
}

// check looks at one kind of thing.
type check struct {
	name  string
	needs need
	look  func(*Facts) lines
}

// need is what has to be known before a check can look. Without it, the check is
// skipped with the reason.
type need uint8

const (
	needsAnswer need = 1 << iota // of the admin endpoint
	needsHere                    // the gateway runs on this machine
	needsFile                    // the store is a file. Without one, the check is left out
	needsConfig                  // the config that runs, or that of a file
)

// checks are in the order in which they are printed: whether it works, who works
// on what, what it stands on, and what it was told.
var checks = []check{
	{"health", needsAnswer, checkHealth},
	{"store", needsFile | needsHere, checkStore},
	{"owner", needsFile | needsHere, checkOwner},
	{"lock", needsFile | needsHere, checkLock},
	{"socket", 0, checkSocket},
	{"ports", needsHere | needsConfig, checkPorts},
	{"permissions", needsHere, checkPermissions},
	{"disk", needsFile | needsHere, checkDisk},
	{"clock", 0, checkClock},
	{"config", 0, checkConfig},
	{"redirects", needsConfig, checkRedirects},
	{"log_filter", needsConfig, checkLogFilter},
	{"backups", 0, checkBackups},
}

// Names returns the checks in their order.
func Names() []string {
	names := make([]string, len(checks))
	for i, c := range checks {
		names[i] = c.name
	}
	return names
}

// Examine judges facts by all checks.
func Examine(f *Facts) []Line {
	var all []Line
	for _, c := range checks {
		if c.needs&needsFile != 0 && f.Fleet {
			continue
		}
		found := f.lacks(c.needs)
		if found == nil {
			found = c.look(f)
		}
		for _, line := range found {
			line.Check = c.name
			all = append(all, line)
		}
	}
	return all
}

// Failed returns how many lines of a list fail.
func Failed(all []Line) int {
	n := 0
	for _, line := range all {
		if line.Outcome == Fail {
			n++
		}
	}
	return n
}

// lacks returns why a check cannot look, or nil.
func (f *Facts) lacks(needs need) lines {
	switch {
	case needs&needsHere != 0 && f.Elsewhere:
		return skipped("run this command on the machine of the gateway", "the gateway at %s runs on another machine", f.endpoint())
	case needs&needsFile != 0 && f.Store.Path == "" && f.StorePath != "":
		return skipped(asRoot, "the store is %s below a folder of the gateway that cannot be seen", f.StorePath)
	case needs&needsFile != 0 && f.Store.Path == "":
		return skipped("name its config with --config, or the store with --db", "which store it is, is not known: no gateway answers, and no config was found")
	case needs&needsAnswer != 0 && f.Admin.Name == "":
		return skipped("name the gateway with --config or --address", "--db looks at a file alone")
	case needs&needsAnswer != 0 && !f.Admin.Answers:
		return skipped("see socket", "no gateway answers at %s", f.endpoint())
	case needs&needsConfig != 0 && f.tree() == nil:
		return skipped("name the config with --config", "no config is known")
	}
	return nil
}

// lines are what one check found, without its name.
type lines []Line

func ok(format string, args ...any) lines {
	return lines{{Outcome: OK, Found: fmt.Sprintf(format, args...)}}
}

func skipped(do, format string, args ...any) lines {
	return lines{{Outcome: Skipped, Found: fmt.Sprintf(format, args...), Do: do}}
}

func fail(do, format string, args ...any) lines {
	return lines{{Outcome: Fail, Found: fmt.Sprintf(format, args...), Do: do}}
}

// fail adds a line.
func (l *lines) fail(do, format string, args ...any) {
	*l = append(*l, fail(do, format, args...)...)
}

// or returns the lines, or if there are none, the others.
func (l *lines) or(others lines) lines {
	if len(*l) == 0 {
		return others
	}
	return *l
}
