package main

import (
	"math"
	"testing"
	"time"
)

func TestQuantile(t *testing.T) {
	var h, other histogram
	if got := h.quantile(0.5); got != 0 {
		t.Errorf("of nothing: %s", got)
	}
	for i := range 500 {
		h.record(time.Duration(2*i+1) * time.Microsecond)
		other.record(time.Duration(2*i+2) * time.Microsecond)
	}
	h.add(&other)
	for share, want := range map[float64]time.Duration{
		0.001: time.Microsecond, 0.5: 500 * time.Microsecond, 0.99: 990 * time.Microsecond, 1: time.Millisecond,
	} {
		if got := h.quantile(share); (got - want).Abs() > want/64+1 {
			t.Errorf("%g of 1µs to 1ms: %s, want %s", share, got, want)
		}
	}
}

// Every duration is in a bucket whose middle is near.
func TestBuckets(t *testing.T) {
	for _, d := range []time.Duration{0, 1, 31, 32, 63, 64, 65, 127, 128, 1055, time.Second, time.Hour, math.MaxInt64} {
		var h histogram
		h.record(d)
		if got := h.quantile(1); (got - d).Abs() > d/64 {
			t.Errorf("%d: %d", d, got)
		}
	}
	if got := bucketOf(math.MaxInt64); got != len(histogram{}.counts)-1 {
		t.Errorf("the longest is in bucket %d", got)
	}
}
