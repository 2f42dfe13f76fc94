//go:build fleet

package redisstore

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/internal/redis"
	"github.com/socialpatra/keygate/internal/redis/redistest"
	"github.com/socialpatra/keygate/keystore"
)

// long is how long tests run that find more the longer they do.
func long(t *testing.T) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(os.Getenv("KEYGATE_LONG"))
	if err != nil {
		return time.Second
	}
	return d
}

// killTracking ends one of the connections that tell of changes.
func killTracking(server *redistest.Server, which int) {
	var ids []string
	for line := range strings.Lines(server.Do("CLIENT", "LIST")) {
		if id, _, ok := strings.Cut(strings.TrimPrefix(line, "id="), " "); ok && strings.Contains(line, "name=keygate-tracking ") {
			ids = append(ids, id)
		}
	}
	if len(ids) > 0 {
		_, _ = server.Try("CLIENT", "KILL", "ID", ids[which%len(ids)])
	}
}

// TestCoherence changes and reads keys through three stores, two of which lose
// their connections again and again. In the end every store has what the
// engine has.
func TestCoherence(t *testing.T) {
	const keys = 60
	seed := uint64(time.Now().UnixNano())
	defer func() {
		if t.Failed() {
			t.Logf("seed %d", seed)
		}
	}()
	server := redistest.Start(t)
	c := config(server.Addr)
	c.Timeout, c.Heartbeat = time.Second, 250*time.Millisecond
	stores := []*Store{open(t, c), open(t, c), open(t, c)}
	d := long(t)
	noisy, calm := context.WithTimeout(t.Context(), d*3/4) // later a lost connection would mend what was overlooked
	defer calm()
	var writes, late, reads, refused atomic.Int64
	began := time.Now()
	running := func() bool { // on a slow machine for longer, until enough was done
		enough := writes.Load() >= 100 && reads.Load() >= 1000 && refused.Load()*2 <= reads.Load()
		return time.Since(began) < d || !enough && time.Since(began) < redistest.Patience
	}
	var wg sync.WaitGroup
	for i, s := range stores {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(seed, uint64(i)))
			for running() {
				switch err := randomChange(s, r.IntN(keys), r); {
				case err == nil, errors.Is(err, keystore.ErrNotFound), errors.Is(err, keystore.ErrExists):
					writes.Add(1)
				case errors.Is(err, redis.ErrUnavailable): // on a machine that stops
					late.Add(1)
				default:
					t.Errorf("a change: %v", err)
					return
				}
			}
		})
		wg.Go(func() {
			r := rand.New(rand.NewPCG(seed, uint64(100+i)))
			for running() {
				if _, _, err := s.Lookup(testKey(r.IntN(keys)).ID); err != nil {
					refused.Add(1)
				}
				if reads.Add(1)%64 == 0 {
					runtime.Gosched() // the writers are on the same processors
				}
			}
		})
	}
	wg.Go(func() {
		kill := time.NewTicker(20 * time.Millisecond)
		defer kill.Stop()
		for n := 0; ; n++ {
			killTracking(server, n)
			select {
			case <-kill.C:
			case <-noisy.Done():
				return
			}
		}
	})
	wg.Wait()
	for n := range keys {
		record := server.Do("GET", stores[0].names.recordOf(testKey(n).ID))
		for i, s := range stores {
			redistest.Until(t, fmt.Sprintf("store %d has key %d as the engine has it", i, n), func() bool {
				g, ok, err := s.Lookup(testKey(n).ID)
				if err != nil || record == "" {
					return err == nil && !ok
				}
				k, err := keystore.DecodeKey(testKey(n).ID, []byte(record))
				if err != nil {
					t.Fatal(err)
				}
				want, _ := k.Grant()
				return ok && g.State == want.State && g.Limits == want.Limits
			})
		}
	}
	agrees(t, stores[0])
	t.Logf("%d changes, %d reads of which %d were refused", writes.Load(), reads.Load(), refused.Load())
	if late.Load()*10 > writes.Load() {
		t.Errorf("%d changes failed, %d did not", late.Load(), writes.Load())
	}
	if writes.Load() < 100 || reads.Load() < 1000 || refused.Load()*2 > reads.Load() {
		t.Errorf("%d changes, %d reads of which %d were refused are too little", writes.Load(), reads.Load(), refused.Load())
	}
}

func randomChange(s *Store, n int, r *rand.Rand) error {
	k := testKey(n)
	switch r.IntN(10) {
	case 0:
		return s.Delete(k.ID, by, nil)
	case 1, 2, 3:
		return s.Create(k, by)
	default:
		_, err := s.Update(k.ID, "update", by, func(k *apikey.Key) error {
			k.Disabled = !k.Disabled
			k.Limits.PerDay = r.Uint32N(1000) + 1
			return nil
		})
		return err
	}
}

// TestRevoked revokes keys through one store while two others serve them.
func TestRevoked(t *testing.T) {
	server := redistest.Start(t)
	c := config(server.Addr)
	c.Timeout, c.Heartbeat = time.Second, time.Second
	a := openWith(t, c, 20)
	others := []*Store{open(t, c), open(t, c)}
	late := 0
	for n := range 20 {
		for _, s := range others {
			wantState(t, s, n, apikey.StateUsable)
		}
		revokes(t, a, n)
		acknowledged := time.Now()
		wantState(t, a, n, apikey.StateRevoked)
		for _, s := range others {
			redistest.Until(t, "the revocation is in force everywhere", func() bool {
				g, ok, err := s.Lookup(testKey(n).ID)
				return err == nil && ok && g.State == apikey.StateRevoked
			})
		}
		if time.Since(acknowledged) > c.Heartbeat {
			late++
		}
	}
	if late > 5 { // a machine that stops makes some of them late, and who waits for a heartbeat all
		t.Errorf("%d of 20 revocations were in force everywhere only after %s", late, c.Heartbeat)
	}
}
