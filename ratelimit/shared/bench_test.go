//go:build fleet

package shared_test

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/internal/redis/redistest"
	"github.com/socialpatra/keygate/ratelimit"
	"github.com/socialpatra/keygate/ratelimit/shared"
)

// BenchmarkTake reports besides the time of a request what it costs the engine:
// trips, and microseconds of its processor.
func BenchmarkTake(b *testing.B) {
	plenty := limits(1_000_000_000, 1_000_000_000, 1_000_000_000)
	together := plenty
	together.WorkspaceLimits = apikey.WorkspaceLimits{PerMinute: 1_000_000_000, PerDay: 1_000_000_000}
	single := func(uint64) apikey.ID { return keyA }
	thousands := func(i uint64) apikey.ID { return apikey.ID([]byte(fmt.Sprintf("%012d", i%10_000))) }
	tests := []struct {
		name    string
		o       shared.Options
		caps    ratelimit.Caps
		callers int
		key     func(uint64) apikey.ID
	}{
		{"exact/1 caller", shared.Options{}, plenty, 1, single},
		{"exact/64 callers", shared.Options{}, plenty, 64, single},
		{"exact/64 callers, 10,000 keys", shared.Options{}, plenty, 64, thousands},
		{"exact/64 callers, 10,000 keys of a workspace", shared.Options{}, together, 64, thousands},
		{"leased/1 caller", shared.Options{Mode: shared.Leased}, plenty, 1, single},
		{"leased/64 callers", shared.Options{Mode: shared.Leased}, plenty, 64, single},
		{"leased/64 callers, batches of 1,000", shared.Options{Mode: shared.Leased, Batch: 1000}, plenty, 64, single},
		{"refused/1 caller", shared.Options{}, limits(60, 60, 1), 1, single},
	}
	for _, tt := range tests {
		b.Run(tt.name, func(b *testing.B) {
			server := redistest.Start(b, "--appendfsync", "everysec")
			l := start(b, server.Addr, tt.o)
			take(b, l, tt.caps, 1)
			cpu, before := processor(server), trips(server)
			b.ReportAllocs()
			b.ResetTimer()
			var n atomic.Uint64
			var wg sync.WaitGroup
			for range tt.callers {
				wg.Go(func() {
					for i := n.Add(1); i <= uint64(b.N); i = n.Add(1) {
						if _, err := l.Take(tt.key(i), tt.caps, 1, time.Now()); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.StopTimer()
			b.ReportMetric(float64(trips(server)-before)/float64(b.N), "trips/op")
			b.ReportMetric((processor(server)-cpu)*1e6/float64(b.N), "engine-us/op")
		})
	}
}

// processor returns the seconds of processor time that a server has used.
func processor(s *redistest.Server) float64 {
	var sum float64
	for line := range strings.Lines(s.Do("INFO", "cpu")) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		if name == "used_cpu_user" || name == "used_cpu_sys" {
			seconds, _ := strconv.ParseFloat(value, 64)
			sum += seconds
		}
	}
	return sum
}
