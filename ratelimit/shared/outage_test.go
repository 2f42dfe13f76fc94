//go:build fleet

package shared_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/socialpatra/keygate/internal/redis"
	"github.com/socialpatra/keygate/internal/redis/redistest"
	"github.com/socialpatra/keygate/ratelimit"
	"github.com/socialpatra/keygate/ratelimit/shared"
)

// timeout is that of the connections, and how much longer a call may take on a
// busy machine.
const (
	timeout = 250 * time.Millisecond
	slack   = 250 * time.Millisecond
)

// hasty is start for an engine that will be away.
func hasty(t *testing.T, addr string, o shared.Options) *shared.Limiter {
	t.Helper()
	return run(t, shared.New(dialWithin(t, addr, timeout), o))
}

// back waits until the engine answers a Limiter again, on all of the connections
// that the client has: it notices only when it uses one that it is broken.
func back(t *testing.T, l *shared.Limiter, caps ratelimit.Caps) {
	t.Helper()
	redistest.Until(t, "the engine answers the limiter again", func() bool {
		for range 40 {
			if _, err := l.Peek(keyA, caps, 1); err != nil {
				return false
			}
		}
		return true
	})
}

func TestOutages(t *testing.T) {
	awayFromMidnight(t)
	const burst, nodes, before = 30, 3, 6
	caps := limits(60, burst, 1000)
	tests := []struct {
		name     string
		o        shared.Options
		requests int
		// Of the requests, a gateway passes from least to most and one more for
		// every so long.
		least, most int
		oneMoreIn   time.Duration
		err         error
	}{
		{"closed", shared.Options{}, 500, 0, 0, 0, redis.ErrUnavailable},
		{"share", shared.Options{OnOutage: shared.Share}, 500, burst / nodes, burst / nodes, nodes * time.Second, nil},
		{"open", shared.Options{OnOutage: shared.Open}, 500, 500, 500, 0, nil},
	}
	outages := map[string]struct{ begin, end func(*redistest.Server) }{
		"killed": {(*redistest.Server).Kill9, (*redistest.Server).Restart},
		"hangs":  {(*redistest.Server).Stop, (*redistest.Server).Cont},
	}
	for _, tt := range tests {
		tt.o.Nodes = func() int { return nodes }
		for name, outage := range outages {
			t.Run(tt.name+", "+name, func(t *testing.T) {
				awayFromMidnight(t)
				server := redistest.Start(t)
				other := start(t, server.Addr, tt.o)
				for range before {
					take(t, other, caps, 1)
				}
				gateways := []*shared.Limiter{hasty(t, server.Addr, tt.o), hasty(t, server.Addr, tt.o)}
				outage.begin(server)
				for i, l := range gateways {
					begin, passed := time.Now(), 0
					slow := 0
					for n := range tt.requests {
						asked, most := time.Now(), slack
						r, err := l.Take(keyA, caps, 1, asked)
						if n == 0 {
							most += timeout // nobody knew yet
						}
						if time.Since(asked) > most {
							slow++
						}
						if !errors.Is(err, tt.err) {
							t.Fatalf("gateway %d: error %v, want %v", i, err, tt.err)
						}
						if r.Minute.Limit != burst && tt.err == nil {
							t.Fatalf("gateway %d: got %+v, want the whole limit named", i, r)
						}
						if err != nil && r.Allowed {
							t.Fatalf("gateway %d: allowed with the error %v", i, err)
						}
						if r.Allowed {
							passed++
						}
					}
					if slow > 3 { // as often as the machine may stop
						t.Errorf("gateway %d: %d answers took too long", i, slow)
					}
					most := tt.most
					if tt.oneMoreIn != 0 {
						most += int(time.Since(begin) / tt.oneMoreIn)
					}
					if passed < tt.least || passed > most {
						t.Errorf("gateway %d: %d passed, want %d to %d", i, passed, tt.least, most)
					}
				}
				outage.end(server)
				for _, l := range gateways {
					back(t, l, caps)
				}
				// The engine goes on from what it had counted.
				back(t, other, caps)
				r, err := other.Peek(keyA, caps, 1)
				if charged := int(caps.PerDay - r.Day.Remaining); err != nil || charged < before+1 || charged > before+1+len(gateways) {
					t.Errorf("%d are charged with one more (%v), want %d and at most those that were under way", charged, err, before+1)
				}
			})
		}
	}
}

// Nobody hangs when the engine does, also not who waits for a batch of others.
func TestEngineHangsUnderLoad(t *testing.T) {
	awayFromMidnight(t)
	caps := limits(1_000_000, 1_000_000, 100_000_000)
	for name, mode := range map[string]shared.Mode{"exact": shared.Exact, "leased": shared.Leased} {
		t.Run(name, func(t *testing.T) {
			var slowest time.Duration
			for range 3 { // a machine that stops makes one of them slow, and who hangs all of them
				if slowest = slowestUnderLoad(t, mode, caps); slowest <= timeout+slack {
					return
				}
			}
			t.Errorf("the slowest answer took %s", slowest)
		})
	}
}

// slowestUnderLoad has the engine hang for a while, and returns how long the slowest
// answer took.
func slowestUnderLoad(t *testing.T, mode shared.Mode, caps ratelimit.Caps) time.Duration {
	t.Helper()
	const enough = 1000
	server := redistest.Start(t, "--appendonly", "no")
	l := hasty(t, server.Addr, shared.Options{Mode: mode})
	var slowest, failed, passed atomic.Int64
	var stopped atomic.Bool
	resumed := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for ctx.Err() == nil {
				asked := time.Now()
				r, err := l.Take(keyA, caps, 1, asked)
				for took := int64(time.Since(asked)); ; {
					if had := slowest.Load(); took <= had || slowest.CompareAndSwap(had, took) {
						break
					}
				}
				switch {
				case err == nil && r.Allowed:
					passed.Add(1)
				case errors.Is(err, redis.ErrUnavailable): // on a machine that stops before the engine does, too
					if stopped.Load() && failed.Add(1) >= enough {
						<-resumed // so as not to spin
					}
				default:
					t.Errorf("got %+v, %v", r, err)
					return
				}
			}
		})
	}
	redistest.Until(t, "requests pass", func() bool { return passed.Load() > enough })
	stopped.Store(true)
	server.Stop()
	redistest.Until(t, "requests fail", func() bool { return failed.Load() >= enough })
	server.Cont()
	back(t, l, caps)
	close(resumed)
	before := passed.Load()
	redistest.Until(t, "requests pass again", func() bool { return passed.Load() > before+enough })
	cancel()
	wg.Wait()
	return time.Duration(slowest.Load())
}

// What is charged survives a SIGKILL of the engine, so that a fleet passes what
// a key allows and no more.
func TestCountsSurviveAKill(t *testing.T) {
	awayFromMidnight(t)
	server := redistest.Start(t)
	var gateways []*shared.Limiter
	for range 3 {
		gateways = append(gateways, start(t, server.Addr, shared.Options{}))
	}
	caps := limits(1_000_000, 1_000_000, 100)
	passed := offer(t, gateways, 20, 1, caps, one, func() {})
	server.Kill9()
	for _, l := range gateways {
		if _, err := l.Take(keyA, caps, 1, time.Now()); !errors.Is(err, redis.ErrUnavailable) {
			t.Fatalf("got %v without an engine, want ErrUnavailable", err)
		}
	}
	server.Restart()
	for _, l := range gateways {
		back(t, l, caps)
	}
	if passed += offer(t, gateways, 100, 1, caps, one, func() {}); passed != 100 {
		t.Errorf("%d passed, want 100", passed)
	}
}

// While the engine is away it is asked only to see whether it is back.
func TestOneProbeAtATime(t *testing.T) {
	awayFromMidnight(t)
	server := redistest.Start(t)
	l := start(t, server.Addr, shared.Options{OnOutage: shared.Open})
	caps := limits(1_000_000, 1_000_000, 1_000_000)
	take(t, l, caps, 1)
	// An engine without the replicas that it wants reads, but does not write.
	server.Do("CONFIG", "SET", "min-replicas-to-write", "1")
	before, _ := calls(server)
	begin := time.Now()
	after := before
	redistest.Until(t, "it was asked for a while, and again", func() bool {
		if r := take(t, l, caps, 1); !r.Allowed {
			t.Fatalf("got %+v, want allowed", r)
		}
		after, _ = calls(server)
		return time.Since(begin) > 500*time.Millisecond && after-before >= 2
	})
	if got, most := after-before, 2+int(time.Since(begin)/(200*time.Millisecond)); got > most {
		t.Errorf("%d calls, want at most %d", got, most)
	}
	server.Do("CONFIG", "SET", "min-replicas-to-write", "0")
	back(t, l, caps)
}

// A broken hash is no outage: nothing passes by it, and nobody else is held up.
func TestBrokenHash(t *testing.T) {
	server := redistest.Start(t)
	l := start(t, server.Addr, shared.Options{OnOutage: shared.Open})
	caps := limits(60, 60, 100)
	server.Do("SET", "keygate:l:{acme}:"+keyA.String(), "no hash")
	if r, err := l.Take(keyA, caps, 1, time.Now()); err == nil || errors.Is(err, redis.ErrUnavailable) || r.Allowed {
		t.Errorf("got %+v, %v, want an error that is no outage", r, err)
	}
	if r, err := l.Take(keyB, caps, 1, time.Now()); err != nil || r.Minute.Remaining != 59 {
		t.Errorf("another key: got %+v, %v", r, err)
	}
}
