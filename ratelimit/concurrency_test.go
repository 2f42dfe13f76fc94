package ratelimit_test

import (
	"encoding/binary"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/ratelimit"
)

// key returns the i-th of many keys.
func key(i int) apikey.ID {
	id := keyB
	binary.BigEndian.PutUint32(id[:], uint32(i))
	return id
}

func TestParallelRequestsPassExactly(t *testing.T) {
	tests := []struct {
		name string
		lim  ratelimit.Caps
		cost int
		want int64
	}{
		{"minute", limits(100, 100, 1_000_000), 1, 100},
		{"day", limits(1_000_000, 1_000_000, 100), 1, 100},
		{"both", limits(100, 100, 100), 1, 100},
		{"cost", limits(100, 100, 1_000_000), 7, 14},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := ratelimit.New()
			var passed atomic.Int64
			var wg sync.WaitGroup
			for range 1000 {
				wg.Go(func() {
					if l.Take(keyA, tt.lim, tt.cost, noon).Allowed {
						passed.Add(1)
					}
				})
			}
			wg.Wait()
			if got := passed.Load(); got != tt.want {
				t.Errorf("%d of 1,000 passed, want %d", got, tt.want)
			}
			u := drain(l)
			if len(u) != 1 || u[0].Allowed != uint64(tt.want) || u[0].Limited != uint64(1000-tt.want) || u[0].Charged != u[0].Allowed*uint64(tt.cost) {
				t.Errorf("counted %+v, want %d allowed and the rest limited", u, tt.want)
			}
		})
	}
}

// Parallel requests by the real clock: no more than the bucket and the refill.
func TestParallelRequestsByTheClock(t *testing.T) {
	l, lim := ratelimit.New(), limits(6000, 100, 1_000_000)
	var passed atomic.Int64
	var wg sync.WaitGroup
	start := time.Now()
	for range 8 {
		wg.Go(func() {
			for range 20_000 {
				if l.Take(keyA, lim, 1, time.Now()).Allowed {
					passed.Add(1)
				}
			}
		})
	}
	wg.Wait()
	most := 100 + int64(time.Since(start)/(10*time.Millisecond))
	if got := passed.Load(); got < 100 || got > most {
		t.Errorf("%d passed, want 100 to %d", got, most)
	}
}

// Whatever goes on beside it, what is saved in the end is what was answered.
func TestNothingIsLostConcurrently(t *testing.T) {
	const workers, keys, requests = 4, 50, 4000
	l, lim, store := ratelimit.New(), limits(60, 60, 20), saved{}
	var allowed, limited, denied [workers][keys]uint64
	done := make(chan struct{})
	var wg, saver sync.WaitGroup
	saver.Go(func() {
		for i := 0; ; i++ {
			if us := drain(l); i%3 == 0 {
				l.Undrain(us, nil) // saving failed
			} else {
				store.save(us)
			}
			l.Sweep(noon.Add(time.Duration(i) * time.Second))
			lenKeys(l)
			select {
			case <-done:
				return
			default:
			}
		}
	})
	for w := range workers {
		wg.Go(func() {
			for i := range requests {
				k := (i*7 + w) % keys
				now := noon.Add(12*time.Hour + time.Duration(i-requests/2)*time.Second) // over midnight
				l.Peek(key(k), lim, 1, now)
				switch {
				case i%10 == 9:
					l.Deny(key(k), lim, now)
					denied[w][k]++
				case l.Take(key(k), lim, 1, now).Allowed:
					allowed[w][k]++
				default:
					limited[w][k]++
				}
			}
		})
	}
	wg.Wait()
	close(done)
	saver.Wait()
	store.save(drain(l))

	for k := range keys {
		var got, want apikey.Usage
		for d := apikey.DayOf(noon); d <= apikey.DayOf(noon)+1; d++ {
			u := store.of(key(k), d)
			if u.Charged > uint64(lim.PerDay) || u.Charged != u.Allowed {
				t.Errorf("key %d on %s: charged %d, allowed %d of %d", k, d, u.Charged, u.Allowed, lim.PerDay)
			}
			got.Allowed, got.Limited, got.Denied = got.Allowed+u.Allowed, got.Limited+u.Limited, got.Denied+u.Denied
		}
		for w := range workers {
			want.Allowed, want.Limited, want.Denied = want.Allowed+allowed[w][k], want.Limited+limited[w][k], want.Denied+denied[w][k]
		}
		if got != want {
			t.Errorf("key %d: saved %+v, answered %+v", k, got, want)
		}
	}
}

// However many keys ask at once, they pass no more than the workspace holds.
func TestParallelKeysOfAWorkspacePassExactly(t *testing.T) {
	tests := []struct {
		name     string
		caps     ratelimit.Caps
		cost     int
		want     int64 // of all
		wantEach int64 // at most
	}{
		{"minute", together(100, 0), 1, 100, 100},
		{"day", together(0, 100), 1, 100, 100},
		{"both", together(150, 100), 1, 100, 100},
		{"cost", together(100, 1000), 7, 14, 14},
		{"keys are limited, too", ratelimit.Caps{Limits: limits(20, 20, 1000).Limits, Workspace: acme, WorkspaceLimits: apikey.WorkspaceLimits{PerMinute: 100}}, 1, 100, 20},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			const keys = 10
			l := ratelimit.New()
			var all atomic.Int64
			var each [keys]atomic.Int64
			var wg sync.WaitGroup
			for i := range 1000 {
				wg.Go(func() {
					if l.Take(key(i%keys), tt.caps, tt.cost, noon).Allowed {
						all.Add(1)
						each[i%keys].Add(1)
					}
				})
			}
			wg.Wait()
			if got := all.Load(); got != tt.want {
				t.Errorf("%d of 1,000 passed, want %d", got, tt.want)
			}
			us, ws := l.Drain(nil, nil)
			var charged uint64
			for _, u := range us {
				charged += u.Charged
			}
			if len(ws) != 1 || ws[0].Charged != charged || charged != uint64(tt.want)*uint64(tt.cost) {
				t.Errorf("the workspace was charged %+v, its keys %d", ws, charged)
			}
			for i := range each {
				if got := each[i].Load(); got > tt.wantEach {
					t.Errorf("key %d passed %d, want at most %d", i, got, tt.wantEach)
				}
			}
		})
	}
}
