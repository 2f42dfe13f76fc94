//go:build fleet

package redisstore

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/socialpatra/keygate/internal/redis"
	"github.com/socialpatra/keygate/internal/redis/redistest"
	"github.com/socialpatra/keygate/keystore"
)

// TestWalk lets every fault happen to every call that every change makes to the
// engine, one at a time. Afterwards the change is repeated, or nothing is done,
// and all that the store knows has to agree; what was acknowledged is there, and
// what was refused is not.
func TestWalk(t *testing.T) {
	server := redistest.Start(t)
	var cases sync.WaitGroup
	for i, op := range walk() {
		cases.Go(func() {
			// Each has a prefix of its own, so that they do not see each other.
			w := walker{t: t, server: server, op: op, config: config(server.Addr)}
			w.config.Prefix = fmt.Sprintf("w%d", i)
			w.config.Timeout, w.config.Heartbeat = 100*time.Millisecond, 50*time.Millisecond
			w.walk()
		})
	}
	cases.Wait()
}

type walker struct {
	t      *testing.T
	server *redistest.Server
	op     walked
	config redis.Config
	well   *Store // has no faults
	gates  gates  // of a Cluster; nil: each fault has one of its own
	n      int
}

// gates are those in front of all nodes of an engine. A fault may happen at each.
type gates []*redistest.Gate

func (all gates) Break(n int, fault redistest.Fault, matches func([]string) bool) {
	for _, g := range all {
		g.Break(n, fault, matches)
	}
}

func (all gates) Broken() (call []string) {
	for _, g := range all {
		if broken := g.Broken(); broken != nil {
			call = broken
		}
	}
	return call
}

func (all gates) Release() {
	for _, g := range all {
		g.Release()
	}
}

// TestWalkCluster is TestWalk on a Cluster, where records, index and trail are on
// different masters. All gateways go through the same gates.
func TestWalkCluster(t *testing.T) {
	cluster := redistest.StartCluster(t, 3)
	var all gates
	for _, s := range cluster.Servers {
		g := redistest.NewGate(t, s.Addr)
		_, port, _ := strings.Cut(g.Addr, ":")
		s.Do("CONFIG", "SET", "cluster-announce-port", port)
		all = append(all, g)
	}
	for _, s := range cluster.Servers {
		redistest.Until(t, "all are known by their gates", func() bool {
			slots := s.Do("CLUSTER", "SLOTS")
			for _, g := range all {
				_, port, _ := strings.Cut(g.Addr, ":")
				if !strings.Contains(slots, port) {
					return false
				}
			}
			return true
		})
	}
	for i, op := range walk() {
		if os.Getenv("KEYGATE_LONG") == "" && op.name != "rotate" {
			continue
		}
		w := walker{t: t, op: op, config: config(""), gates: all}
		w.config.Addresses, w.config.Prefix = []string{all[0].Addr, all[1].Addr}, fmt.Sprintf("c%d", i)
		w.walk()
	}
}

func (w *walker) walk() {
	calm := w.config
	calm.Timeout, calm.Heartbeat = 250*time.Millisecond, 200*time.Millisecond
	w.well = open(w.t, calm)
	for fault := range redistest.Faults {
		for _, repeats := range []bool{false, true} {
			if w.gates != nil && fault.Dies() {
				continue // and nobody would be left
			}
			if w.gates != nil && os.Getenv("KEYGATE_LONG") == "" && (repeats || fault != redistest.LoseAnswer) {
				continue
			}
			if os.Getenv("KEYGATE_LONG") == "" && (repeats && fault != redistest.LoseAnswer || fault == redistest.LoseCall ||
				fault == redistest.ResetAfter || fault == redistest.DieBefore) { // the others are the harder ones
				continue
			}
			for call := 1; w.one(fault, call, repeats); call++ {
				if w.t.Failed() {
					return
				}
			}
		}
	}
	w.t.Logf("%s: %d faults", w.op.name, w.n)
}

// one lets a fault happen to a call. It reports false where there is no such call.
func (w *walker) one(fault redistest.Fault, call int, repeats bool) bool {
	w.n++
	n := w.n
	fails := func(format string, args ...any) {
		w.t.Errorf("%s, %s of call %d, repeated: %t: %s", w.op.name, fault, call, repeats, fmt.Sprintf(format, args...))
	}
	if w.op.before != nil {
		succeeds(w.t, func() error {
			if err := w.op.before(w.well, n); !errors.Is(err, keystore.ErrExists) {
				return err
			}
			return nil
		})
	}
	gate, c := w.gates, w.config
	if gate == nil {
		gate = gates{redistest.NewGate(w.t, w.server.Addr)}
		c.Addresses = []string{gate[0].Addr}
	}
	s := open(w.t, c)
	if w.op.done != nil { // so that what is read for the first time is read before
		redistest.Until(w.t, w.op.name+" is to be done", func() bool {
			_, err := w.op.done(s, n)
			return err == nil
		})
	}
	gate.Break(call, fault, ofStore)
	err := w.op.run(s, n)
	broken := gate.Broken()
	if broken == nil {
		_ = s.Close()
		return false
	}
	if repeats || w.op.again {
		again := s
		if fault.Dies() {
			again = w.well
		}
		for deadline := time.Now().Add(redistest.Patience); err != nil && !w.isDone(err, n); time.Sleep(5 * time.Millisecond) {
			if err = w.op.run(again, n); time.Now().After(deadline) {
				fails("repeated: %v", err)
				break
			}
		}
	}
	if fault.Dies() {
		_ = s.Close()
	}
	gate.Release()
	agrees(w.t, w.well)
	if w.op.done != nil {
		done, failed := false, error(nil)
		redistest.Until(w.t, "the engine answers", func() bool {
			done, failed = w.op.done(w.well, n)
			return !errors.Is(failed, redis.ErrUnavailable)
		})
		switch {
		case failed != nil:
			fails("%v", failed)
		case err == nil && !done:
			fails("it was acknowledged, and is not done")
		case done && errors.Is(err, keystore.ErrNotWritten) && !errors.Is(err, keystore.ErrUnknownOutcome):
			fails("it was refused, and is done: %v (%q)", err, broken)
		}
	}
	if !fault.Dies() {
		_ = s.Close()
	}
	return true
}

// isDone reports whether an error says that the repeated change is made already.
func (w *walker) isDone(err error, n int) bool {
	if !errors.Is(err, keystore.ErrExists) && !errors.Is(err, keystore.ErrNotFound) && !errors.Is(err, errRotated) {
		return false
	}
	done, failed := w.op.done(w.well, n)
	return done && failed == nil
}

// ofStore tells the calls of operations from those that only keep the connection.
func ofStore(call []string) bool {
	switch name := strings.ToUpper(call[0]); {
	case slices.Contains([]string{"HELLO", "CLIENT", "PING", "AUTH", "INFO", "ROLE", "TIME"}, name):
		return false
	case name == "SET" && strings.HasSuffix(call[1], ":hb"), name == "HGET" && strings.HasSuffix(call[1], ":meta") && call[2] == "name",
		name == "HLEN", len(call) > 3 && strings.HasSuffix(call[3], ":gateways"), name == "SET" && strings.HasSuffix(call[1], ":mending"):
		return false
	}
	return true
}
