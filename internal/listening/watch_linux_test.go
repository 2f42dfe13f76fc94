package listening

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

// watched is a watch that looks when it is told to, on a socket of this process.
func watched(t *testing.T) (w *Watch, path string, l *net.UnixListener, logs *observer.ObservedLogs) {
	t.Helper()
	path = filepath.Join(shortFolder(t), "admin.sock")
	l = listenAt(t, path)
	core, logs := observer.New(zap.InfoLevel)
	w = newWatch(zap.New(core), false)
	t.Cleanup(w.drop)
	w.Look()
	return w, path, l, logs
}

func listenAt(t *testing.T, path string) *net.UnixListener {
	t.Helper()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	t.Cleanup(func() { l.Close() })
	return l
}

// wantReached fails the test unless the path leads to this process.
func wantReached(t *testing.T, path string) {
	t.Helper()
	if pid, ok := accepterOf(path); !ok || pid != os.Getpid() {
		t.Errorf("%s leads to process %d, %t", path, pid, ok)
	}
}

func wantLogged(t *testing.T, logs *observer.ObservedLogs, words ...string) {
	t.Helper()
	entries := logs.TakeAll()
	if len(entries) != len(words) {
		t.Errorf("%d lines are logged, want %d: %v", len(entries), len(words), entries)
		return
	}
	for i, word := range words {
		if !strings.Contains(entries[i].Message, word) {
			t.Errorf("%q is logged, want %s", entries[i].Message, word)
		}
	}
}

func TestWatchGivesTheNameBack(t *testing.T) {
	for name, take := range map[string]func(*testing.T, string){
		"removed": func(t *testing.T, path string) {
			t.Helper()
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		},
		"a socket of a process that was killed": func(t *testing.T, path string) {
			t.Helper()
			_, _, end := other(t, "unix="+path)
			end()
		},
	} {
		t.Run(name, func(t *testing.T) {
			w, path, _, logs := watched(t)
			for range 3 { // it can happen again
				take(t, path)
				w.Look()
				wantReached(t, path)
				wantReached(t, path+secondName)
				wantLogged(t, logs, "and has it again")
				w.Look()
				wantLogged(t, logs)
			}
			w.drop()
			if _, err := os.Lstat(path + secondName); !os.IsNotExist(err) {
				t.Errorf("the second name is left: %v", err)
			}
			wantReached(t, path)
		})
	}
}

func TestWatchTellsWhoHasTheSocket(t *testing.T) {
	w, path, _, logs := watched(t)
	pid, _, end := other(t, "unix="+path)
	for range 2 {
		w.Look()
		if got := fmt.Sprint(w.Taken()); !strings.Contains(got, fmt.Sprintf("%s is in use by process %d", path, pid)) {
			t.Errorf("taken: %s", got)
		}
		wantReached(t, path+secondName)
	}
	wantLogged(t, logs, "another process has taken away a socket of this one")
	end()
	w.Look()
	wantReached(t, path)
	if got := w.Taken(); len(got) > 0 {
		t.Errorf("taken: %v", got)
	}
	wantLogged(t, logs, "and has it again", "no other process has this address any more")
}

// What is not this process's stays as it is.
func TestWatchTakesNothing(t *testing.T) {
	w, path, l, logs := watched(t)

	// A file, or a socket on which somebody else listens.
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("a file"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.Look()
	if content, err := os.ReadFile(path); err != nil || string(content) != "a file" {
		t.Errorf("the file is gone: %q, %v", content, err)
	}
	if len(w.Taken()) != 1 {
		t.Errorf("taken: %v", w.Taken())
	}
	logs.TakeAll()

	// This process listens anew: that socket is its own from now on.
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	l.Close()
	listenAt(t, path)
	w.Look()
	w.Look()
	wantReached(t, path)
	wantReached(t, path+secondName)

	// A second name that is somebody's file.
	taken := filepath.Join(shortFolder(t), "b.sock")
	if err := os.WriteFile(taken+secondName, []byte("a file"), 0o600); err != nil {
		t.Fatal(err)
	}
	listenAt(t, taken)
	w.Look()
	w.drop()
	if content, err := os.ReadFile(taken + secondName); err != nil || string(content) != "a file" {
		t.Errorf("the file is gone: %q, %v", content, err)
	}
}

func TestWatchForgetsWhatIsClosed(t *testing.T) {
	w, path, l, logs := watched(t)
	wantReached(t, path+secondName)
	l.Close()
	w.Look()
	if _, err := os.Lstat(path + secondName); !os.IsNotExist(err) {
		t.Errorf("the second name is left: %v", err)
	}
	if got := w.Taken(); len(got) > 0 {
		t.Errorf("taken: %v", got)
	}
	wantLogged(t, logs)
}

// A port that another process also listens on is told while it does so.
func TestWatchTellsSharedPorts(t *testing.T) {
	own, err := shares.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer own.Close()
	at := tcpAt(t, own.Addr().String())
	for _, shared := range []bool{false, true} {
		core, logs := observer.New(zap.InfoLevel)
		w := newWatch(zap.New(core), shared)
		defer w.drop()
		w.Look()
		wantLogged(t, logs)
		_, _, endElsewhere := other(t, fmt.Sprintf("tcp=127.0.0.2:%d", at.TCP.Port())) // no matter
		w.Look()
		wantLogged(t, logs)
		pid, _, end := other(t, fmt.Sprintf("tcp=%s", at))
		w.Look()
		want := []error{&TakenError{at, pid}}
		if shared {
			want = nil
		}
		if got := w.Taken(); !reflect.DeepEqual(got, want) {
			t.Errorf("shared %t: taken %v, want %v", shared, got, want)
		}
		end()
		endElsewhere()
		w.Look()
		if got := w.Taken(); len(got) > 0 {
			t.Errorf("taken: %v", got)
		}
	}
}

// Between two looks at ports a socket gets its name back all the same, and what is
// known of the ports stays.
func TestWatchBetweenLooksAtPorts(t *testing.T) {
	w, path, _, logs := watched(t)
	own, err := shares.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer own.Close()
	at := tcpAt(t, own.Addr().String())
	pid, _, end := other(t, fmt.Sprintf("tcp=%s", at))
	w.lookAtSockets()
	if got := w.Taken(); len(got) > 0 {
		t.Errorf("it has looked at the ports: %v", got)
	}
	w.Look()
	wantLogged(t, logs, "another process listens where this one does")
	end()
	for _, opens := range []bool{false, true} { // and what is whose is read again
		if opens {
			listenAt(t, filepath.Join(shortFolder(t), "b.sock"))
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		w.lookAtSockets()
		wantReached(t, path)
		wantLogged(t, logs, "and has it again")
		if got, want := w.Taken(), []error{&TakenError{at, pid}}; !reflect.DeepEqual(got, want) {
			t.Errorf("taken %v, want %v", got, want)
		}
	}
	w.Look()
	if got := w.Taken(); len(got) > 0 {
		t.Errorf("taken: %v", got)
	}
}

// BenchmarkLook is what the watch costs: one look in portsIn is at the ports too.
func BenchmarkLook(b *testing.B) {
	for name, look := range map[string]func(*Watch){"all": (*Watch).Look, "sockets": (*Watch).lookAtSockets} {
		b.Run(name, func(b *testing.B) {
			w := newWatch(zap.NewNop(), false)
			w.Look()
			for b.Loop() {
				look(w)
			}
		})
	}
}
