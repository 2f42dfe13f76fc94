package main

import (
	"math/bits"
	"time"
)

// precision is in how many buckets each power of two is divided: a quantile is
// right to 1/64 of itself.
const precision = 32

// histogram counts durations in little memory, however many there are.
type histogram struct {
	counts [59 * precision]uint32
	total  uint64
}

func (h *histogram) record(d time.Duration) {
	h.counts[bucketOf(uint64(max(d, 0)))]++
	h.total++
}

func (h *histogram) add(other *histogram) {
	for i, n := range other.counts {
		h.counts[i] += n
	}
	h.total += other.total
}

// quantile returns the duration that a share of all, above 0 and up to 1, did
// not exceed; 0 where there are none.
func (h *histogram) quantile(share float64) time.Duration {
	var sum uint64
	for i, n := range h.counts {
		if sum += uint64(n); n > 0 && float64(sum) >= share*float64(h.total) {
			return middleOf(i)
		}
	}
	return 0
}

// bucketOf keeps the first bits of ns: small ones have a bucket each.
func bucketOf(ns uint64) int {
	shift := max(0, bits.Len64(ns)-bits.Len(2*precision-1))
	return shift*precision + int(ns>>shift)
}

func middleOf(bucket int) time.Duration {
	shift := max(0, bucket/precision-1)
	low := uint64(bucket-shift*precision) << shift
	return time.Duration(low + 1<<shift/2)
}
