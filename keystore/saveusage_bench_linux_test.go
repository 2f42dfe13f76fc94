package keystore

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/socialpatra/keygate/apikey"
)

// BenchmarkSaveUsage saves use of every key each second for a minute of a gateway's
// clock, and so folds once. An operation is a minute; what is reported is of a second,
// of processor time and of pages that are written.
func BenchmarkSaveUsage(b *testing.B) {
	for _, keys := range []int{100, 10_000, 100_000} {
		b.Run(fmt.Sprint(keys), func(b *testing.B) {
			s, err := OpenBolt(writeMany(b, keys))
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			s.db.NoSync = true // nor is the disk waited for
			clock := time.Unix(20000*86400, 0)
			s.now = func() time.Time { return clock }
			come, usage, saved := rand.Perm(keys), make([]apikey.Usage, keys), uint64(0)
			before := s.db.Stats().TxStats
			var used time.Duration
			for b.Loop() {
				for range 60 {
					clock, saved = clock.Add(time.Second), saved+1
					for i, n := range come { // in no order, and last used to the minute
						usage[i] = apikey.Usage{ID: numberedID(n), Day: 20000, Charged: saved, Allowed: saved, LastUsed: clock.Unix() / 60 * 60}
					}
					start := processorTime(b)
					if err := s.SaveUsage(usage, nil); err != nil {
						b.Fatal(err)
					}
					used += processorTime(b) - start
				}
			}
			after := s.db.Stats().TxStats
			seconds := float64(60 * b.N)
			b.ReportMetric(float64(used.Microseconds())/seconds, "µs/s")
			b.ReportMetric(float64(after.GetPageAlloc()-before.GetPageAlloc())/seconds/1000, "kB/s")
			b.ReportMetric(float64(after.GetWrite()-before.GetWrite())/seconds, "writes/s")
		})
	}
}
