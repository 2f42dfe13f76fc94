package expiry

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
)

// soon is how long a runner waits before a check, in place of seconds.
const soon = 10 * time.Millisecond

// within fails unless a condition comes true in time.
func within(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(90 * time.Second); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal(what)
		}
	}
}

// A runner announces while it is active, and not after it was stopped. What is being
// announced is waited for, with some patience.
func TestRunner(t *testing.T) {
	t.Parallel()
	store := openStore(t)
	addKey(t, store, 1, start, 60*day)
	addKey(t, store, 2, start, 60*day)
	var active atomic.Bool
	var asked, told atomic.Int32
	hold, holding := make(chan struct{}), make(chan struct{})
	r := startEvery(soon, Options{
		Store: store,
		Now:   func() time.Time { return start.Add(31 * day) },
		Announced: func(*apikey.Key, uint8) {
			if told.Add(1) == 1 {
				close(holding)
			}
			<-hold
		},
	}, func() bool { asked.Add(1); return active.Load() }, func(err error) { t.Error(err) })
	within(t, "it never asks", func() bool { return asked.Load() > 0 })
	if told.Load() != 0 {
		t.Error("it announces while it is not active")
	}
	active.Store(true)
	<-holding
	stopped := make(chan struct{})
	go func() { r.Stop(time.Minute); close(stopped) }()
	select {
	case <-stopped:
		t.Error("it does not wait for what is being announced")
	case <-time.After(50 * time.Millisecond):
	}
	close(hold)
	<-stopped
	<-r.done
	if n := told.Load(); n != 1 {
		t.Errorf("%d are announced; want 1, and none after it was stopped", n)
	}
}

func TestRunnerThatIsStuck(t *testing.T) {
	t.Parallel()
	store := openStore(t)
	addKey(t, store, 1, start, 60*day)
	hold, holding := make(chan struct{}), make(chan struct{})
	r := startEvery(soon, Options{
		Store:     store,
		Now:       func() time.Time { return start.Add(31 * day) },
		Announced: func(*apikey.Key, uint8) { close(holding); <-hold },
	}, func() bool { return true }, func(err error) { t.Error(err) })
	<-holding
	r.Stop(time.Millisecond) // returns
	close(hold)
	<-r.done
}

func TestRunnerTellsOfFailures(t *testing.T) {
	t.Parallel()
	store := openStore(t)
	store.Close()
	failed := make(chan error, 10)
	r := startEvery(soon, Options{Store: store, Now: time.Now}, func() bool { return true }, func(err error) { failed <- err })
	defer r.Stop(time.Minute)
	if err := <-failed; !errors.Is(err, keystore.ErrClosed) {
		t.Errorf("it fails with %v", err)
	}
}
