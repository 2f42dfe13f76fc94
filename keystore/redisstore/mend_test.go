//go:build fleet

package redisstore

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/internal/redis"
	"github.com/socialpatra/keygate/internal/redis/redistest"
	"github.com/socialpatra/keygate/keystore"
)

func manyKeys(n int) []apikey.Key {
	keys := make([]apikey.Key, n)
	for i := range keys {
		keys[i] = testKey(i)
	}
	return keys
}

// TestGaps has an index that lacks much, and a check that is quick all the same.
// While it lacks a key that works there is no backup.
func TestGaps(t *testing.T) {
	keys, gaps := 2_000, 60
	if os.Getenv("KEYGATE_LONG") != "" {
		keys, gaps = 20_000, 500
	}
	server := redistest.Start(t)
	s := open(t, calm(server.Addr))
	if err := s.CreateAll(manyKeys(keys), by, nil); err != nil {
		t.Fatal(err)
	}
	id := func(n int) string { return testKey(n).ID.String() }
	n := &s.names
	for i := range gaps {
		switch i % 4 {
		case 0:
			server.Do("ZREM", n.ids, id(i))
		case 1:
			server.Do("ZADD", n.revoked, "0", id(i)) // another status
		case 2:
			server.Do("ZREM", n.workspaces, inWorkspace("acme", id(i)))
		case 3:
			server.Do("ZADD", n.disabled, "0", id(keys+i)) // of no key
		}
	}
	start, problems := time.Now(), 0
	read, err := s.Check(func(name string, problem error) {
		if problems++; !errors.Is(problem, keystore.ErrDamaged) {
			t.Errorf("%s: %v", name, problem)
		}
	})
	took := time.Since(start)
	t.Logf("%d keys with %d gaps: %s", keys, gaps, took)
	if err != nil || read != keys || problems != gaps || took > time.Minute {
		t.Errorf("%d keys, %d problems, %v after %s", read, problems, err, took)
	}
	var file bytes.Buffer
	if err := s.Backup(&file); !errors.Is(err, keystore.ErrDamaged) || file.Len() > 0 || !strings.Contains(err.Error(), "check --mend") {
		t.Errorf("a backup of less than what works: %d bytes, %v", file.Len(), err)
	}
	if mended, err := s.Mend(); err != nil || mended != gaps {
		t.Errorf("%d mended, %v", mended, err)
	}
	if err := firstOf(disagreement(s), s.Complete(), s.Backup(&file)); err != nil {
		t.Error(err)
	}
	server.Do("DEL", n.recordOf(testKey(0).ID))
	if err := s.Complete(); !errors.Is(err, keystore.ErrDamaged) || !strings.Contains(err.Error(), id(0)) {
		t.Errorf("with a record that is missing: %v", err)
	}
}

// TestImportCutOff imports with one answer lost, at calls all over the import. It
// is there as a whole or not at all, without anybody's doing.
func TestImportCutOff(t *testing.T) {
	keys, step := 1_200, 797
	if os.Getenv("KEYGATE_LONG") != "" {
		keys, step = 20_000, 4_999
	}
	server := redistest.Start(t)
	done := false
	for call := 1; !done; call += step {
		for _, fault := range []redistest.Fault{redistest.LoseAnswer, redistest.DieAfter} {
			server.Do("FLUSHALL")
			c := config(server.Addr)
			c.Prefix = fmt.Sprintf("i%d.%d", call, fault)
			well := open(t, c)
			gate := redistest.NewGate(t, server.Addr)
			c.Addresses = []string{gate.Addr}
			s := open(t, c)
			gate.Break(call, fault, ofStore)
			err := s.CreateAll(manyKeys(keys), by, nil)
			done = gate.Broken() == nil
			_ = s.Close()
			start := time.Now()
			agrees(t, well)
			if took := time.Since(start); took > time.Minute {
				t.Errorf("%s of call %d: mended after %s", fault, call, took)
			}
			n := well.Counts(by.At)[apikey.Active]
			if n != 0 && n != keys || err == nil && n != keys || errors.Is(err, keystore.ErrNotWritten) && n != 0 {
				t.Errorf("%s of call %d: %d of %d keys, %v", fault, call, n, keys, err)
			}
			_ = well.Close()
		}
	}
}

// TestManyStalls makes changes through a gateway whose engine stalls, or is
// killed, again and again. Each is repeated once at most; in the end all agrees,
// and what was acknowledged is there.
func TestManyStalls(t *testing.T) {
	t.Run("stalls", func(t *testing.T) {
		manyFaults(t, func(_ *redistest.Server, proxy *redistest.Proxy, r *rand.Rand) {
			if r.IntN(4) == 0 {
				proxy.Reset()
				return
			}
			proxy.Cut()
			time.Sleep(400 * time.Millisecond)
			proxy.Mend()
		})
	})
	t.Run("killed", func(t *testing.T) {
		manyFaults(t, func(server *redistest.Server, _ *redistest.Proxy, r *rand.Rand) {
			server.Kill9()
			server.Restart()
			time.Sleep(time.Duration(r.IntN(500)) * time.Millisecond)
		})
	})
}

func manyFaults(t *testing.T, fault func(*redistest.Server, *redistest.Proxy, *rand.Rand)) {
	changes := 100
	if os.Getenv("KEYGATE_LONG") != "" {
		changes = 500
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	server := redistest.Start(t, "--appendfsync", "always")
	c := redis.Config{Addresses: []string{server.Addr}}
	well := open(t, c)
	succeeds(t, func() error { return well.CreateAll(manyKeys(changes), by, nil) })
	proxy := redistest.NewProxy(t, server.Addr)
	c.Addresses = []string{proxy.Addr}
	s := open(t, c)
	ended := make(chan struct{})
	var stalls sync.WaitGroup
	stalls.Go(func() {
		r := rand.New(rand.NewPCG(seed, 1))
		for {
			select {
			case <-ended:
				return
			case <-time.After(time.Duration(r.IntN(300)) * time.Millisecond):
			}
			fault(server, proxy, r)
		}
	})
	var mu sync.Mutex
	var acknowledged []int
	unknown, refused := 0, 0
	var workers sync.WaitGroup
	for worker := range 4 {
		workers.Go(func() {
			r := rand.New(rand.NewPCG(seed, uint64(2+worker)))
			pace := time.NewTicker(40 * time.Millisecond) // so that stalls meet changes
			defer pace.Stop()
			for n := worker; n < changes; n += 4 {
				<-pace.C
				change := func() error {
					return last(s.Update(testKey(n).ID, "revoke", by, revoke))
				}
				err := change()
				if err != nil && r.IntN(2) == 0 {
					err = change()
				}
				mu.Lock()
				switch {
				case err == nil:
					acknowledged = append(acknowledged, n)
				case errors.Is(err, keystore.ErrUnknownOutcome):
					unknown++
				default:
					refused++
				}
				mu.Unlock()
			}
		})
	}
	workers.Wait()
	close(ended)
	stalls.Wait()
	over := time.Now()
	agrees(t, well)
	t.Logf("%d acknowledged, %d unknown, %d refused; all agrees after %s", len(acknowledged), unknown, refused, time.Since(over))
	if took := time.Since(over); took > time.Minute {
		t.Errorf("all agrees only after %s", took)
	}
	slices.Sort(acknowledged)
	for _, n := range acknowledged {
		if k, err := well.Get(testKey(n).ID); err != nil || k.RevokedAt.IsZero() {
			t.Errorf("the acknowledged change of key %d is not there: %v", n, err)
		}
	}
}
