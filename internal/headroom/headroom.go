// Package headroom gives the garbage collector room while the heap is small.
//
// Go's collector runs each time the heap has grown by GOGC percent of what is live. A
// gateway has little that is live and allocates much, so that it collects many times a
// second. [Keep] lets the heap grow by a number of bytes instead, where that is more.
// So the memory that this costs is bounded: a store of a million keys has a large heap
// already, and nothing changes for it.
//
// [Spare] does the opposite while much is built at once, such as an index of a million
// keys.
//
// GOMEMLIMIT is followed as ever.
package headroom

import (
	"math"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
)

// Keep lets the heap grow by at least so many bytes between two collections. The
// last call counts, for the whole process; 0 bytes leave what GOGC says, and so does
// GOGC=off. release ends it, unless somebody has called Keep since.
func Keep(bytes uint64) (release func()) {
	collector.mu.Lock()
	defer collector.mu.Unlock()
	collector.calls++
	call := collector.calls
	collector.set(bytes)
	return func() {
		collector.mu.Lock()
		defer collector.mu.Unlock()
		if collector.calls == call {
			collector.set(0)
		}
	}
}

// sparePercent is what the heap may grow by at most while somebody spares.
const sparePercent = 50

// Spare lets the heap grow by half of what is live at most, until release is called.
// It is for work whose garbage lies among much that is kept, and takes more time for
// less memory. GOGC=off stays off.
func Spare() (release func()) {
	collector.spare(1)
	return sync.OnceFunc(func() { collector.spare(-1) })
}

var collector keeper

// keeper sets the percentage after each collection, when it is known what is live.
type keeper struct {
	mu       sync.Mutex
	calls    int
	headroom uint64
	watching bool // a collection will call adjust
	known    bool // base and percent are set
	base     int  // the percentage of GOGC
	percent  int  // the one that is set
	sparing  int  // how many spare
}

func (k *keeper) spare(n int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.learn()
	k.sparing += n
	k.adjust()
}

// set is called with the lock held, as are the methods below.
func (k *keeper) set(headroom uint64) {
	k.learn()
	if k.base < 0 { // GOGC=off
		return
	}
	k.headroom = headroom
	k.adjust()
	if headroom > 0 && !k.watching {
		k.watch()
	}
}

func (k *keeper) learn() {
	if !k.known {
		k.base = debug.SetGCPercent(100)
		debug.SetGCPercent(k.base)
		k.percent, k.known = k.base, true
	}
}

// sentinel is garbage at once, so that the next collection finds it. It holds a
// pointer because the allocator puts small objects without any together, to be
// collected together.
type sentinel struct{ _ *byte }

// watch has adjust called after the next collection, and so on.
func (k *keeper) watch() {
	k.watching = true
	runtime.AddCleanup(new(sentinel), func(k *keeper) {
		k.mu.Lock()
		defer k.mu.Unlock()
		if k.watching = k.headroom > 0; k.watching {
			k.adjust()
			k.watch()
		}
	}, k)
}

// adjust sets the percentage. To set it stops the world for a moment, so small
// differences are let be.
func (k *keeper) adjust() {
	percent := k.base
	switch {
	case k.base < 0:
	case k.sparing > 0:
		percent = min(k.base, sparePercent)
	case k.headroom > 0:
		percent = max(k.base, percentOf(k.headroom, live()))
	}
	if percent == k.percent || percent != k.base && math.Abs(float64(percent-k.percent)) < float64(k.percent)/10 {
		return
	}
	k.percent = percent
	debug.SetGCPercent(percent)
}

// leastHeap is what Go lets a heap grow to in any case, at 100 percent; it is that
// percentage of it otherwise.
const leastHeap = 4 << 20

// percentOf returns by what percentage a heap may grow to grow by headroom, or to it
// where less than leastHeap is live.
func percentOf(headroom, live uint64) int {
	return int(min(float64(headroom)*100/float64(max(live, leastHeap)), math.MaxInt32))
}

// live returns what the percentage is of: what the last collection found, and what it
// looks through besides (https://go.dev/doc/gc-guide).
func live() (bytes uint64) {
	samples := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/gc/scan/stack:bytes"}, {Name: "/gc/scan/globals:bytes"}}
	metrics.Read(samples)
	for _, s := range samples {
		bytes += s.Value.Uint64()
	}
	return bytes
}
