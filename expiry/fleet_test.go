//go:build fleet

package expiry_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/expiry"
	"github.com/socialpatra/keygate/internal/keyfields"
	"github.com/socialpatra/keygate/internal/redis"
	"github.com/socialpatra/keygate/internal/redis/redistest"
	"github.com/socialpatra/keygate/keystore"
	"github.com/socialpatra/keygate/keystore/redisstore"
)

func openFleet(t *testing.T, address string) *redisstore.Store {
	t.Helper()
	return openWith(t, redis.Config{Addresses: []string{address}, Prefix: "p", Timeout: 5 * time.Second, Heartbeat: 5 * time.Second})
}

func openWith(t *testing.T, config redis.Config) *redisstore.Store {
	t.Helper()
	conn, err := redis.Dial(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	s, err := redisstore.Open(conn, redisstore.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// Three gateways on one engine look at the same time, again and again, while keys are
// changed: each warning is announced by one of them.
func TestFleetAnnouncesOnce(t *testing.T) {
	const day, many = 24 * time.Hour, 60
	start := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	server := redistest.Start(t)
	stores := []*redisstore.Store{openFleet(t, server.Addr), openFleet(t, server.Addr), openFleet(t, server.Addr)}
	for n := range many {
		k := keyfields.Plain(apikey.ID([]byte(fmt.Sprintf("%012d", n))))
		k.CreatedAt, k.ExpiresAt, k.Disabled = start, start.Add(40*day), n%3 == 0
		if err := stores[0].Create(k, keystore.Actor{At: start, Via: "offline"}); err != nil {
			t.Fatal(err)
		}
	}
	var mu sync.Mutex
	told := make(map[apikey.ID][]uint8)
	var gateways []*expiry.Announcer
	now := start
	for _, s := range stores {
		gateways = append(gateways, expiry.New(expiry.Options{
			Store: s,
			Now:   func() time.Time { return now },
			Announced: func(k *apikey.Key, days uint8) {
				mu.Lock()
				defer mu.Unlock()
				told[k.ID] = append(told[k.ID], days)
			},
			Pause: func(time.Duration) bool { return true },
		}))
	}
	all := func(round func(n int) error) error {
		var together sync.WaitGroup
		failed := make([]error, len(gateways))
		for n := range gateways {
			together.Go(func() { failed[n] = round(n) })
		}
		together.Wait()
		return errors.Join(failed...)
	}
	for _, after := range []time.Duration{10 * day, 26 * day, 33 * day, 39 * day} {
		now = start.Add(after)
		if err := all(func(n int) error {
			for i := n; i < many; i += 7 { // others change keys meanwhile
				if _, err := stores[n].Update(apikey.ID([]byte(fmt.Sprintf("%012d", i))), "update", keystore.Actor{At: now, Via: "offline"},
					func(k *apikey.Key) error { k.Name += "'"; return nil }); err != nil {
					return err
				}
				if err := gateways[n].Check(); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	for n := range many {
		id := apikey.ID([]byte(fmt.Sprintf("%012d", n)))
		if !slices.Equal(told[id], []uint8{30, 14, 7, 1}) {
			t.Errorf("%s: announced %v", id, told[id])
		}
		page, err := stores[1].Audit(keystore.AuditQuery{Key: id, Limit: 100})
		if err != nil {
			t.Fatal(err)
		}
		var trail []string
		for _, e := range slices.Backward(page.Entries) {
			if e.Action == "expiring" {
				trail = append(trail, e.Reason)
			}
		}
		if !slices.Equal(trail, []string{"30d", "14d", "7d", "1d"}) {
			t.Errorf("%s: the trail has %v", id, trail)
		}
	}
}

// ofKeys selects the calls of a change from all that a store asks of its engine.
func ofKeys(call []string) bool {
	return len(call) > 2 && !strings.EqualFold(call[0], "CLIENT") && strings.Contains(strings.Join(call, " "), ":k:{000000000001}") ||
		strings.Contains(strings.Join(call, " "), "{p}:steps")
}

// Whatever happens to any call of an announcement, the warning is announced once in
// the end: by the gateway that made it, or by another where it was not made.
func TestFaultyEngineAnnouncesOnce(t *testing.T) {
	const day = 24 * time.Hour
	start := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	for fault := range redistest.DieBefore {
		done := false
		for call := 1; !done; call++ {
			server := redistest.Start(t)
			gate := redistest.NewGate(t, server.Addr)
			config := redis.Config{Addresses: []string{server.Addr}, Prefix: "p", Timeout: 300 * time.Millisecond, Heartbeat: 100 * time.Millisecond}
			well := openWith(t, config)
			config.Addresses = []string{gate.Addr}
			broken := openWith(t, config)
			k := keyfields.Plain(apikey.ID([]byte("000000000001")))
			k.CreatedAt, k.ExpiresAt = start, start.Add(40*day)
			if err := well.Create(k, keystore.Actor{At: start, Via: "offline"}); err != nil {
				t.Fatal(err)
			}
			now, told := start.Add(10*day), []string{}
			gateway := func(name string, s *redisstore.Store) *expiry.Announcer {
				return expiry.New(expiry.Options{
					Store: s, Now: func() time.Time { return now }, Pause: func(time.Duration) bool { return true },
					Announced: func(_ *apikey.Key, days uint8) { told = append(told, fmt.Sprint(name, " ", days)) },
				})
			}
			a, b := gateway("broken", broken), gateway("well", well)
			gate.Break(call, fault, ofKeys)
			err := a.Check()
			done = gate.Broken() == nil
			gate.Release()
			redistest.Until(t, "both check", func() bool {
				now = now.Add(time.Second)
				return errors.Join(b.Check(), a.Check()) == nil
			})
			redistest.Until(t, fmt.Sprintf("%s of call %d: %v: it is announced", fault, call, err), func() bool {
				now = now.Add(time.Second)
				_ = errors.Join(b.Check(), a.Check())
				return len(told) > 0
			})
			for range 3 {
				_ = errors.Join(b.Check(), a.Check())
			}
			if len(told) != 1 {
				t.Errorf("%s of call %d: %v: announced %q", fault, call, err, told)
			}
			if call > 40 {
				t.Fatal("there is no end of calls")
			}
			t.Logf("%s of call %d: %v: %q", fault, call, err, told)
		}
	}
}
