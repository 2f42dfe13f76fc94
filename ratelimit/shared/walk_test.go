//go:build fleet

package shared_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/internal/redis"
	"github.com/socialpatra/keygate/internal/redis/redistest"
	"github.com/socialpatra/keygate/ratelimit"
	"github.com/socialpatra/keygate/ratelimit/shared"
)

// TestWalk lets every fault happen to every call for limits, one at a time, at one
// of two gateways that spend a quota. Together they pass no more than the quota,
// and fall short by no more than what the call may have charged; what passed is
// counted, and nothing twice.
func TestWalk(t *testing.T) {
	server := redistest.Start(t)
	const quota, offered = 400, 300
	id := byte(0)
	for name, mode := range map[string]struct {
		mode  shared.Mode
		short int // by how much one call may fall short
	}{
		"exact":  {shared.Exact, 1},
		"leased": {shared.Leased, 2 * shared.DefaultBatch},
	} {
		for fault := range redistest.Faults {
			for call := 1; call <= 4; call++ {
				id++
				key, caps := keyB, limits(1_000_000, 1_000_000, quota)
				key[0], caps.Workspace = 'A'+id%26, fmt.Sprintf("w%d", id)
				gate := redistest.NewGate(t, server.Addr)
				var mu sync.Mutex
				counted := 0
				options := shared.Options{Mode: mode.mode, Save: func(_ context.Context, used []apikey.Usage) error {
					mu.Lock()
					defer mu.Unlock()
					for _, u := range used {
						counted += int(u.Charged)
					}
					return nil
				}}
				near, far := shared.New(dial(t, server.Addr), options), shared.New(dialBriefly(t, gate.Addr), options)
				gate.Break(call, fault, func(call []string) bool {
					return len(call) > 3 && strings.HasPrefix(call[0], "EVAL") && strings.Contains(call[3], ":l:{")
				})
				var s spending
				s.spend(t, far, key, caps, offered)
				broken := gate.Broken()
				s.spend(t, near, key, caps, quota)
				gate.Release()
				s.spend(t, near, key, caps, quota)
				near.Save()
				far.Save()
				at := fmt.Sprintf("%s, %s of call %d", name, fault, call)
				if broken == nil {
					t.Errorf("%s: there is no such call", at)
				}
				// On a machine that stops more calls than one may be answered too late.
				if s.passed > quota || s.passed < quota-mode.short*max(1, s.unknown) {
					t.Errorf("%s: %d of %d passed, %d calls may have been charged", at, s.passed, quota, s.unknown)
				}
				if counted != s.passed {
					t.Errorf("%s: %d passed and %d are counted", at, s.passed, counted)
				}
			}
		}
	}
}

func dialBriefly(t *testing.T, addr string) *redis.Conn {
	t.Helper()
	var conn *redis.Conn
	redistest.Until(t, "there is a connection", func() bool {
		var err error
		conn, err = redis.Dial(redis.Config{Addresses: []string{addr}, Timeout: 300 * time.Millisecond})
		return err == nil
	})
	t.Cleanup(conn.Close)
	return conn
}

type spending struct {
	passed  int
	unknown int // were not answered, and may have been charged
}

// spend asks for so many units, one at a time.
func (s *spending) spend(t *testing.T, l *shared.Limiter, id apikey.ID, caps ratelimit.Caps, units int) {
	t.Helper()
	for range units {
		r, err := l.Take(id, caps, 1, time.Now())
		switch {
		case err != nil && !errors.Is(err, redis.ErrUnavailable):
			t.Fatal(err)
		case errors.Is(err, redis.ErrUncertain):
			s.unknown++
		case err == nil && r.Allowed:
			s.passed++
		}
	}
}
