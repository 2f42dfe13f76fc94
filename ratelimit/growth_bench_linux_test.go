package ratelimit_test

import (
	"runtime"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/ratelimit"
)

// tooLong is how long the growth of a table may hold a request.
const tooLong = 200 * time.Microsecond

// BenchmarkGrowth charges a million keys one after the other, each for the first
// time, and tells how many requests were slow, and how slow the slowest was. The
// table of a shard grows a dozen times on the way, and there are 256. The second
// time nothing grows: what is slow then is the machine.
func BenchmarkGrowth(b *testing.B) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	ids := make([]apikey.ID, 1_000_000)
	for i := range ids {
		ids[i] = apikey.NewID()
	}
	took := make([]time.Duration, len(ids))
	for b.Loop() {
		l := ratelimit.New()
		for _, round := range []string{"growing", "grown"} {
			slow := 0
			for i, id := range ids {
				begin := busy(b)
				l.Take(id, limits(endless, endless, endless), 1, noon)
				if took[i] = busy(b) - begin; took[i] > tooLong {
					slow++
				}
			}
			b.ReportMetric(float64(slow), round+"-over-"+tooLong.String())
			b.ReportMetric(float64(slices.Max(took).Microseconds()), round+"-slowest-µs")
		}
	}
}

// busy returns the processor time of this thread: a request that waits for others
// on the machine is slow too, and not meant.
func busy(b *testing.B) time.Duration {
	var spent unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &spent); err != nil {
		b.Fatal(err)
	}
	return time.Duration(spent.Nano())
}
