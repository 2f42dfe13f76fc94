package listening

import (
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/socialpatra/keygate/internal/processes"
)

const (
	// socketsEvery is how soon it is noticed that a Unix socket was taken away, at
	// which nobody reaches this process until it has it again.
	socketsEvery = time.Second

	// One look in so many is at ports too, which costs a hundred times as much. While
	// another process shares one of them, every look is.
	portsIn = 5
)

// secondName is added to the path of a Unix socket for its second name, by which
// it can get the first one back.
const secondName = ".keygate"

// Watch looks after the addresses on which this process listens. It gives each
// Unix socket a second name. If another process takes the first away, which
// Caddy does when it starts on the same path, and ends, the socket gets it back.
// What it cannot mend it tells in the log and by Taken. A nil Watch watches nothing.
type Watch struct {
	logger *zap.Logger
	shared bool // ports may be shared with other processes

	mu    sync.Mutex
	ports []listener      // at the last look at them
	known map[uint64]bool // the listeners of all processes when own was read
	own   map[uint64]bool
	kept  map[string]keptSocket
	taken map[Address]int // and by which process, 0 if it is not known

	stop    chan struct{}
	stopped sync.WaitGroup
}

// keptSocket is a socket of this process.
type keptSocket struct {
	file fs.FileInfo
	name string // its second name; "" if it could get none
}

// NewWatch starts a watch. With shared, a TCP port that another process also
// listens on is as it should be.
func NewWatch(logger *zap.Logger, shared bool) *Watch {
	w := newWatch(logger, shared)
	w.stopped.Go(w.run)
	return w
}

func newWatch(logger *zap.Logger, shared bool) *Watch {
	return &Watch{
		logger: logger, shared: shared,
		kept: make(map[string]keptSocket), taken: make(map[Address]int),
		stop: make(chan struct{}),
	}
}

func (w *Watch) run() {
	tick := time.NewTicker(socketsEvery)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-w.stop:
			return
		case <-tick.C:
			if n%portsIn == 0 || w.portTaken() {
				w.Look()
			} else {
				w.lookAtSockets()
			}
		}
	}
}

// portTaken reports whether another process was at a port of this one at the last look.
func (w *Watch) portTaken() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for address := range w.taken {
		if address.Path == "" {
			return true
		}
	}
	return false
}

// Close ends the watch and removes the second names.
func (w *Watch) Close() {
	if w == nil {
		return
	}
	close(w.stop)
	w.stopped.Wait()
	w.drop()
}

func (w *Watch) drop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for path := range w.kept {
		w.forget(path)
	}
}

// Taken returns an error for each address of this process that another one has
// too, or has taken away.
func (w *Watch) Taken() []error {
	if w == nil {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	var found []error
	for _, address := range slices.SortedFunc(maps.Keys(w.taken), func(a, b Address) int { return strings.Compare(a.String(), b.String()) }) {
		found = append(found, &TakenError{address, w.taken[address]})
	}
	return found
}

// Look compares the addresses of this process with those of all others. The watch
// does so by itself.
func (w *Watch) Look() {
	w.mu.Lock()
	defer w.mu.Unlock()
	atPorts, err := ports()
	if err != nil {
		return
	}
	w.ports = atPorts
	w.compare(true)
}

// lookAtSockets is Look as if nothing had changed at the ports.
func (w *Watch) lookAtSockets() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.compare(false)
}

// compare needs the lock. Of ports it tells what they are now, or what was told last.
func (w *Watch) compare(portsToo bool) {
	all, err := sockets()
	if err != nil {
		return
	}
	all, ok := w.update(append(all, w.ports...))
	if !ok {
		return
	}
	taken := make(map[Address]int)
	paths := make(map[string]bool)
	for _, l := range all {
		switch {
		case !w.own[l.inode]:
		case l.Path != "":
			paths[l.Path] = true
			if pid, lost := w.keep(l.Path, w.sharedPath(l.Path, all)); lost {
				taken[l.Address] = pid
			}
		case portsToo && !w.shared:
			if by := takenBy(l.Address, all, w.own); by != nil {
				taken[l.Address] = by.PID
			}
		}
	}
	for address, by := range w.taken {
		if address.Path == "" && !portsToo {
			taken[address] = by
		}
	}
	for path := range w.kept {
		if !paths[path] { // this process has closed it
			w.forget(path)
		}
	}
	w.tell(taken)
	w.taken = taken
}

// update reads which listeners are this process's own, if there are others than
// before: a process may have very many open files. It returns those of which it knows.
func (w *Watch) update(all []listener) ([]listener, bool) {
	if w.own != nil && maps.Equal(inodes(all), w.known) {
		return all, true
	}
	stay, own, err := ownOf(all)
	if err != nil {
		return nil, false
	}
	w.known, w.own = inodes(stay), own
	w.ports = slices.DeleteFunc(w.ports, func(l listener) bool { return !w.known[l.inode] })
	return stay, true
}

// sharedPath reports whether another process listens on a socket that was made
// with the same path. The path leads to one of the two.
func (w *Watch) sharedPath(path string, all []listener) bool {
	return slices.ContainsFunc(all, func(l listener) bool { return l.Path == path && !w.own[l.inode] })
}

// keep sees to it that the path leads to the socket of this process. It returns
// whether the path is lost, and to which process. Who has made a socket is not
// always who listens: systemd makes them for others.
func (w *Watch) keep(path string, shared bool) (by int, lost bool) {
	there, err := os.Lstat(path)
	kept, known := w.kept[path]
	switch {
	case err == nil && !known && !shared:
		w.remember(path, there)
		return 0, false
	case err == nil && known && os.SameFile(there, kept.file):
		return 0, false
	}
	if err == nil { // it may be something else
		switch pid, alive := accepterOf(path); {
		case alive && pid == os.Getpid(): // this process has made it anew
			w.forget(path)
			w.remember(path, there)
			return 0, false
		case alive:
			return pid, true
		case there.Mode()&fs.ModeSocket == 0:
			return 0, true
		}
	}
	if !known || kept.name == "" || !giveBack(kept.name, path) {
		return 0, true
	}
	w.logger.Warn("a socket of this process had lost its name to another process, and has it again", zap.String("socket", path))
	return 0, false
}

// remember gives a socket its second name.
func (w *Watch) remember(path string, file fs.FileInfo) {
	name := path + secondName
	if old, err := os.Lstat(name); err == nil && old.Mode()&fs.ModeSocket != 0 && !os.SameFile(old, file) {
		_ = os.Remove(name) // of a process that was killed
	}
	_ = os.Link(path, name)
	if made, err := os.Lstat(name); err != nil || !os.SameFile(made, file) {
		name = "" // the folder is not ours, or the name is taken
	}
	w.kept[path] = keptSocket{file, name}
}

func (w *Watch) forget(path string) {
	if name := w.kept[path].name; name != "" {
		_ = os.Remove(name)
	}
	delete(w.kept, path)
}

// giveBack makes the path lead to the socket that has the second name. The
// rename leaves no moment without a socket.
func giveBack(second, path string) bool {
	next := second + ".next"
	_ = os.Remove(next)
	if os.Link(second, next) != nil {
		return false
	}
	if os.Rename(next, path) != nil {
		_ = os.Remove(next)
		return false
	}
	return true
}

// tell logs what has become of the addresses.
func (w *Watch) tell(taken map[Address]int) {
	for address, by := range taken {
		if before, known := w.taken[address]; known && before == by {
			continue
		}
		fields := []zap.Field{zap.Stringer("address", address), zap.String("by", processes.Name(by))}
		if address.Path != "" {
			w.logger.Error("another process has taken away a socket of this one: stop that process, and this one has it again within seconds", fields...)
		} else {
			w.logger.Error("another process listens where this one does, and the two answer by turns: stop one of them", fields...)
		}
	}
	for address := range w.taken {
		if _, still := taken[address]; !still {
			w.logger.Info("no other process has this address any more", zap.Stringer("address", address))
		}
	}
}
