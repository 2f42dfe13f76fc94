package plugin_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"
)

// delays asks the gateway for something quick until ctx is over, and returns what tells
// how much a busy machine may add to a wait: twice the longest time from one answer to
// the next. So a bound of real time stays as strict as the machine is quick.
func (g *gateway) delays(ctx context.Context, t testing.TB) func() time.Duration {
	t.Helper()
	var longest, last atomic.Int64 // nanoseconds from begin on
	begin := time.Now()
	go func() {
		for ctx.Err() == nil {
			if _, err := attempt(ctx, g.client, "GET", g.URL+"/", "", nil); err == nil {
				now := int64(time.Since(begin))
				longest.Store(max(longest.Load(), now-last.Load()))
				last.Store(now)
			}
			<-time.After(20 * time.Millisecond)
		}
	}()
	return func() time.Duration {
		return 2 * max(time.Duration(longest.Load()), time.Since(begin)-time.Duration(last.Load()))
	}
}
