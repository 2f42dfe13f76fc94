package ratelimit_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/ratelimit"
)

func BenchmarkTake(b *testing.B) {
	lim := limits(1_000_000, 1_000_000, 1_000_000_000)
	b.Run("refused", func(b *testing.B) {
		l, now := ratelimit.New(), time.Now()
		b.ReportAllocs()
		for b.Loop() {
			l.Take(keyA, limits(1, 1, 1), 1, now)
		}
	})
	b.Run("hot", func(b *testing.B) {
		l, now := ratelimit.New(), time.Now()
		b.ReportAllocs()
		for b.Loop() {
			l.Take(keyA, lim, 1, now)
		}
	})
	b.Run("hot, in a workspace", func(b *testing.B) {
		l, now := ratelimit.New(), time.Now()
		b.ReportAllocs()
		for b.Loop() {
			l.Take(keyA, together(1e9, 1e9), 1, now)
		}
	})
	b.Run("hot/parallel", func(b *testing.B) {
		l, now := ratelimit.New(), time.Now()
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				l.Take(keyA, lim, 1, now)
			}
		})
	})
	for _, n := range []int{10_000, 1_000_000} {
		if testing.Short() && n > 10_000 {
			continue // to fill it takes longer than what is measured
		}
		l, now := ratelimit.New(), time.Now()
		ids := make([]apikey.ID, n)
		for i := range ids {
			ids[i] = apikey.NewID()
			l.Take(ids[i], lim, 1, now)
		}
		for name, caps := range map[string]ratelimit.Caps{"": lim, " of a workspace": together(1e9, 1e9)} {
			b.Run(fmt.Sprintf("%d keys%s/parallel", n, name), func(b *testing.B) {
				b.ReportAllocs()
				b.RunParallel(func(pb *testing.PB) {
					rng := rand.New(rand.NewPCG(rand.Uint64(), 1))
					for pb.Next() {
						l.Take(ids[rng.IntN(n)], caps, 1, now)
					}
				})
			})
		}
	}
}

func BenchmarkPeek(b *testing.B) {
	l, lim, now := ratelimit.New(), limits(60, 60, 10_000), time.Now()
	l.Take(keyA, lim, 1, now)
	b.ReportAllocs()
	for b.Loop() {
		l.Peek(keyA, lim, 1, now)
	}
}

// BenchmarkKeysInUse reports the memory of a key in use, what of it returns,
// and how long a sweep and a drain of all of them take.
func BenchmarkKeysInUse(b *testing.B) {
	const keys = 200_000
	lim := limits(60, 60, 10_000)
	for b.Loop() {
		before := heap()
		l := ratelimit.New()
		seen := apikey.Sighting{Scopes: apikey.NewScopeSet([]string{"posts:read"}), Needed: 1}
		for i := range keys {
			l.TakeSeen(key(i), lim, 1, noon, &seen)
		}
		start := time.Now()
		us, _ := l.Drain(make([]apikey.Usage, 0, keys), nil)
		b.ReportMetric(float64(time.Since(start).Nanoseconds())/keys, "drain-ns/key")
		b.ReportMetric(float64(len(us))/keys, "drained/key")
		b.ReportMetric(float64(heap()-before)/keys, "B/key")
		start = time.Now()
		l.Sweep(noon.Add(24 * time.Hour))
		b.ReportMetric(float64(time.Since(start).Nanoseconds())/keys, "sweep-ns/key")
		b.ReportMetric(float64(heap()-before)/keys, "B/key-swept")
		runtime.KeepAlive(l)
	}
}

// BenchmarkWorkspacesInUse reports the memory of a workspace in use, with its
// name of seven bytes, and what of it returns.
func BenchmarkWorkspacesInUse(b *testing.B) {
	const workspaces = 200_000
	caps := together(60, 10_000)
	for b.Loop() {
		before := heap()
		l := ratelimit.New()
		for i := range workspaces {
			caps.Workspace = fmt.Sprintf("w%06d", i)
			l.Take(keyA, caps, 1, noon)
		}
		l.Drain(nil, nil)
		b.ReportMetric(float64(heap()-before)/workspaces, "B/workspace")
		l.Sweep(noon.Add(24 * time.Hour))
		b.ReportMetric(float64(heap()-before)/workspaces, "B/workspace-swept")
		runtime.KeepAlive(l)
	}
}

// BenchmarkBuckets reports how long saving and restoring a bucket takes.
func BenchmarkBuckets(b *testing.B) {
	const keys = 200_000
	l, lim := ratelimit.New(), limits(60, 60, 10_000)
	for i := range keys {
		l.Take(key(i), lim, 1, noon)
	}
	for b.Loop() {
		start := time.Now()
		saved := l.Buckets(noon)
		b.ReportMetric(float64(time.Since(start).Nanoseconds())/keys, "save-ns/key")
		start = time.Now()
		n := ratelimit.New()
		for _, k := range saved {
			n.RestoreBucket(k, noon)
		}
		b.ReportMetric(float64(time.Since(start).Nanoseconds())/keys, "restore-ns/key")
	}
}

func BenchmarkFailures(b *testing.B) {
	b.Run("one address", func(b *testing.B) {
		f, now, a := ratelimit.NewFailures(60), time.Now(), randomAddr(1)
		b.ReportAllocs()
		for b.Loop() {
			f.Charge(a, now)
		}
	})
	b.Run("10 million addresses", func(b *testing.B) {
		before, now := heap(), time.Now()
		f := ratelimit.NewFailures(60)
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			f.Charge(randomAddr(i%10_000_000), now)
			i++
		}
		b.StopTimer()
		b.ReportMetric(float64(heap()-before)/(1<<20), "MiB")
		runtime.KeepAlive(f)
	})
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func TestNoAllocation(t *testing.T) {
	l, lim := ratelimit.New(), limits(60, 60, 1_000_000)
	f := ratelimit.NewFailures(60)
	addr := addrs("2001:db8::1")[0]
	now := noon
	shared := together(1000, 1_000_000)
	l.Take(keyA, shared, 1, now)
	for name, call := range map[string]func(){
		"Take":                 func() { l.Take(keyA, lim, 1, now) },
		"Deny":                 func() { l.Deny(keyA, lim, now) },
		"Take, in a workspace": func() { l.Take(keyA, shared, 1, now) },
		"Deny, in a workspace": func() { l.Deny(keyA, shared, now) },
		"Peek, in a workspace": func() { l.Peek(keyB, shared, 1, now) },
		"Peek":                 func() { l.Peek(keyB, lim, 1, now) },
		"Charge":               func() { f.Charge(addr, now) },
		"new day":              func() { now = now.Add(24 * time.Hour); l.Take(keyA, lim, 1, now); drain(l) },
	} {
		want := 0.0
		if name == "new day" {
			want = 1 // the slice that Drain returns
		}
		if got := testing.AllocsPerRun(100, call); got != want {
			t.Errorf("%s allocates %v times, want %v", name, got, want)
		}
	}
}
