package headroom

import (
	"math"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"testing"
	"time"
)

// goal returns how large the heap may grow until the next collection.
func goal() uint64 {
	runtime.GC()
	runtime.GC() // what the first one found to be live, and what was allocated during it
	sample := []metrics.Sample{{Name: "/gc/heap/goal:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

func percent() int {
	collector.mu.Lock()
	defer collector.mu.Unlock()
	return collector.percent
}

// await collects until the percentage is as it should be.
func await(t *testing.T, what string, is func(percent int) bool) {
	t.Helper()
	for deadline := time.Now().Add(90 * time.Second); ; runtime.Gosched() {
		if is(percent()) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: the percentage is %d", what, percent())
		}
		runtime.GC()
	}
}

// withLarge calls f while 200 MiB are live.
func withLarge(f func()) {
	large := make([][]byte, 200)
	for i := range large {
		large[i] = make([]byte, 1<<20)
	}
	f()
	runtime.KeepAlive(large)
}

// A small heap grows by the headroom, and a large one by what GOGC says.
func TestKeep(t *testing.T) {
	const room = 64 << 20
	usual := goal()
	release := Keep(room)
	await(t, "a small heap", func(percent int) bool { return percent > 200 })
	if got := goal(); got < room*9/10 || got > room*2 || usual > room/2 {
		t.Errorf("the heap may grow to %d bytes with headroom, to %d without", got, usual)
	}

	withLarge(func() {
		await(t, "a large heap", func(percent int) bool { return percent == collector.base })
	})
	await(t, "a small heap again", func(percent int) bool { return percent > 200 })

	release()
	if percent() != collector.base {
		t.Errorf("the percentage is %d after the release", percent())
	}
	if got := debug.SetGCPercent(collector.base); got != collector.base {
		t.Errorf("Go's is %d", got)
	}
	if got := goal(); got > room/2 {
		t.Errorf("the heap may grow to %d bytes after the release", got)
	}
}

// Of two configs, the one that starts later counts, and the end of the earlier one
// changes nothing.
func TestKeepTwice(t *testing.T) {
	first := Keep(32 << 20)
	second := Keep(128 << 20)
	await(t, "the second", func(percent int) bool { return percent > collector.base })
	before := percent()
	first()
	if got := percent(); got != before {
		t.Errorf("the end of the first makes %d of %d", got, before)
	}
	third := Keep(0)
	second()
	third()
	if got := percent(); got != collector.base {
		t.Errorf("the percentage is %d", got)
	}
}

func TestPercentOf(t *testing.T) {
	for _, test := range []struct {
		headroom, live uint64
		want           int
	}{{64, 64, 100}, {64, 16, 400}, {64, 256, 25}, {64, 4, 1600}, {64, 1, 1600}, {64, 0, 1600}, {1 << 40, 0, math.MaxInt32}, {0, 5, 0}} {
		if got := percentOf(test.headroom<<20, test.live<<20); got != test.want {
			t.Errorf("%d MiB of %d: %d, want %d", test.headroom, test.live, got, test.want)
		}
	}
}

// While somebody spares, a heap of whatever size grows by half, also one that has
// headroom.
func TestSpare(t *testing.T) {
	keep := Keep(64 << 20)
	await(t, "a small heap", func(percent int) bool { return percent > 200 })
	first, second := Spare(), Spare()
	for range 3 {
		runtime.GC()
		if got := percent(); got != sparePercent {
			t.Fatalf("the percentage is %d", got)
		}
	}
	first()
	first()
	if got := percent(); got != sparePercent {
		t.Errorf("the percentage is %d, with one who still spares", got)
	}
	second()
	await(t, "headroom again", func(percent int) bool { return percent > 200 })
	keep()
	if got := debug.SetGCPercent(collector.base); got != collector.base {
		t.Errorf("Go's is %d in the end", got)
	}
}
