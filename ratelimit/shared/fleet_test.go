//go:build fleet

package shared_test

import (
	"context"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/internal/redis"
	"github.com/socialpatra/keygate/internal/redis/redistest"
	"github.com/socialpatra/keygate/ratelimit"
	"github.com/socialpatra/keygate/ratelimit/shared"
)

var (
	keyA = apikey.ID([]byte("7Hk2Qp9aX3bC"))
	keyB = apikey.ID([]byte("000000000000"))
)

func limits(perMinute, burst, perDay uint32) ratelimit.Caps {
	return ratelimit.Caps{Limits: apikey.Limits{PerMinute: perMinute, Burst: burst, PerDay: perDay}, Workspace: "acme"}
}

// long is for how long tests that find more the longer they run do so.
func long(t *testing.T, least time.Duration) time.Duration {
	if s := os.Getenv("KEYGATE_LONG"); s != "" {
		d, err := time.ParseDuration(s)
		if err != nil {
			t.Fatalf("KEYGATE_LONG: %v", err)
		}
		return d
	}
	return least
}

// dial is patient: the engine answers, however slow the machine is.
func dial(t testing.TB, addr string) *redis.Conn {
	t.Helper()
	return dialWithin(t, addr, 10*time.Second)
}

func dialWithin(t testing.TB, addr string, timeout time.Duration) *redis.Conn {
	t.Helper()
	conn, err := redis.Dial(redis.Config{Addresses: []string{addr}, Timeout: timeout})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	return conn
}

// start returns a running Limiter on a server, with a connection of its own.
func start(t testing.TB, addr string, o shared.Options) *shared.Limiter {
	t.Helper()
	return run(t, shared.New(dial(t, addr), o))
}

// run runs a Limiter until the test ends.
func run(t testing.TB, l *shared.Limiter) *shared.Limiter {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		l.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return l
}

func take(t testing.TB, l *shared.Limiter, caps ratelimit.Caps, cost int) ratelimit.Result {
	t.Helper()
	r, err := l.Take(keyA, caps, cost, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// trips returns how many requests for limits the engine has answered.
func trips(s *redistest.Server) int {
	calls, failed := calls(s)
	return calls - failed
}

// calls returns how many scripts the engine was asked to run, and how many it
// did not: because it did not know them yet, for one.
func calls(s *redistest.Server) (all, failed int) {
	for line := range strings.Lines(s.Do("INFO", "commandstats")) {
		command, stats, _ := strings.Cut(strings.TrimSpace(line), ":")
		if command != "cmdstat_evalsha" && command != "cmdstat_eval" {
			continue
		}
		for stat := range strings.SplitSeq(stats, ",") {
			name, value, _ := strings.Cut(stat, "=")
			i, _ := strconv.Atoi(value)
			switch name {
			case "calls":
				all += i
			case "failed_calls":
				failed += i
			}
		}
	}
	return all, failed
}

// engineNow returns the engine's clock.
func engineNow(s *redistest.Server) time.Time {
	seconds, micros, _ := strings.Cut(s.Do("TIME"), "\n")
	i, _ := strconv.ParseInt(seconds, 10, 64)
	j, _ := strconv.ParseInt(micros, 10, 64)
	return time.Unix(i, j*1000)
}

// awayFromMidnight waits until the day does not end within a test, for a minute at most.
func awayFromMidnight(t *testing.T) {
	redistest.Until(t, "the day does not end within a minute", func() bool {
		now := time.Now()
		return apikey.DayOf(now) == apikey.DayOf(now.Add(time.Minute))
	})
}

// withSave has used appended to what is saved.
func withSave(o shared.Options, saved *[]apikey.Usage) shared.Options {
	o.Save = func(_ context.Context, used []apikey.Usage) error {
		*saved = append(*saved, used...)
		return nil
	}
	return o
}
