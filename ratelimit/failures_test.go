package ratelimit_test

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/socialpatra/keygate/ratelimit"
)

func addrs(s ...string) []netip.Addr {
	out := make([]netip.Addr, len(s))
	for i := range s {
		out[i] = netip.MustParseAddr(s[i])
	}
	return out
}

// charge fails n times at once and returns how many were within the budget.
func charge(f *ratelimit.Failures, a netip.Addr, n int, now time.Time) int {
	within := 0
	for range n {
		if ok, _ := f.Charge(a, now); ok {
			within++
		}
	}
	return within
}

func TestFailuresOverTime(t *testing.T) {
	sec := time.Second
	tests := []struct {
		name      string
		perMinute int
		steps     []step
	}{
		{"one a second", 60, []step{{0, 60}, {sec - 1, 0}, {sec, 1}, {11 * sec, 10}, {hour, 60}}},
		{"one a minute", 1, []step{{0, 1}, {minute - 1, 0}, {minute, 1}}},
		{"seven a minute", 7, []step{{0, 7}, {8571428571, 0}, {8571428572, 1}, {hour, 7}}},
		{"back and forward", 60, []step{{0, 60}, {-sec, 0}, {0, 0}, {-hour, 0}, {0, 0}, {sec, 1}}},
		{"forward and back", 60, []step{{0, 60}, {years, 60}, {0, 0}, {5 * sec, 5}, {years, 0}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := ratelimit.NewFailures(tt.perMinute)
			for i, s := range tt.steps {
				if got := charge(f, addrs("192.0.2.1")[0], 100, noon.Add(s.at)); got != s.want {
					t.Fatalf("step %d, at noon %+v: %d within, want %d", i, s.at, got, s.want)
				}
			}
		})
	}
}

func TestFailuresRetryAfter(t *testing.T) {
	a := addrs("192.0.2.1")[0]
	for _, perMinute := range []int{1, 7, 60, 61, 100_000} {
		f := ratelimit.NewFailures(perMinute)
		if _, retry := f.Charge(a, noon); retry != 0 {
			t.Errorf("%d/min: within budget, but RetryAfter %d", perMinute, retry)
		}
		charge(f, a, perMinute-1, noon)
		within, retry := f.Charge(a, noon)
		if want := max(1, (59+perMinute)/perMinute); within || retry != want {
			t.Errorf("%d/min exhausted: within %t, RetryAfter %d, want false, %d", perMinute, within, retry, want)
		}
		if within, _ := f.Charge(a, noon.Add(time.Duration(retry)*time.Second)); !within {
			t.Errorf("%d/min: refused after RetryAfter %d", perMinute, retry)
		}
	}
}

// RetryAfter is rounded up from the nanosecond.
func TestFailuresRetryAfterIsRoundedUp(t *testing.T) {
	a := addrs("192.0.2.1")[0]
	f := ratelimit.NewFailures(7) // one in 8,571,428,572 ns
	charge(f, a, 7, noon)
	for at, want := range map[time.Duration]int{571_428_570: 9, 571_428_571: 9, 571_428_572: 8, 571_428_573: 8, 8_571_428_571: 1} {
		if within, retry := f.Peek(a, noon.Add(at)); within || retry != want {
			t.Errorf("after %s: within %t, RetryAfter %d; want false, %d", at, within, retry, want)
		}
	}
}

func TestFailuresClients(t *testing.T) {
	tests := []struct {
		name string
		a, b string
		same bool
	}{
		{"IPv4 neighbours", "192.0.2.1", "192.0.2.2", false},
		{"IPv4 in IPv6", "192.0.2.1", "::ffff:192.0.2.1", true},
		{"one /64", "2001:db8::1", "2001:db8::ffff:1:2:3", true},
		{"two /64", "2001:db8::1", "2001:db8:0:1::1", false},
		{"zones", "fe80::1%eth0", "fe80::2%eth1", true},
		{"loopbacks", "::1", "127.0.0.1", false},
		{"IPv6 with the bits of an IPv4", "192.0.2.1", "c000:201::", false},
		{"IPv6 with the bits of an IPv4 behind", "192.0.2.1", "0:0:c000:201::", false},
		{"nobody, twice", "0.0.0.0", "::", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := ratelimit.NewFailures(10)
			charge(f, addrs(tt.a)[0], 10, noon)
			if within, _ := f.Charge(addrs(tt.b)[0], noon); within == tt.same {
				t.Errorf("%s shares the budget of %s: %t, want %t", tt.b, tt.a, !within, tt.same)
			}
		})
	}
	t.Run("invalid addresses share one", func(t *testing.T) {
		f := ratelimit.NewFailures(10)
		if got := charge(f, netip.Addr{}, 20, noon); got != 10 {
			t.Errorf("%d within, want 10", got)
		}
		for _, a := range addrs("::", "::1", "0.0.0.0") {
			if within, _ := f.Charge(a, noon); !within {
				t.Errorf("%s pays for invalid addresses", a)
			}
		}
	})
}

// A client that has used up its budget is not forgotten for clients that
// failed once, however many they are.
func TestFailuresUnderFlood(t *testing.T) {
	f := ratelimit.NewFailures(60)
	worst := addrs("192.0.2.1")[0]
	charge(f, worst, 60, noon)
	for i := range 200_000 {
		f.Charge(randomAddr(i), noon)
	}
	if within, _ := f.Charge(worst, noon); within {
		t.Error("a flood of addresses gave an exhausted client its budget back")
	}
}

// Clients share a place in the table, and not their budgets: however they take
// turns, each of many has its own, no more and no less.
func TestFailuresOfManyClients(t *testing.T) {
	const clients, budget = 2048, 2 // nine in one of 8,192 places: once in ten million runs
	f := ratelimit.NewFailures(budget)
	for round := range budget + 2 {
		for i := range clients {
			if within, _ := f.Charge(randomAddr(i), noon); within != (round < budget) {
				t.Fatalf("client %d fails for the %d. time, within its budget of %d: %t", i, round+1, budget, within)
			}
		}
	}
}

// Who comes new to a full table does not pay for who was there.
func TestFailuresOfANewClient(t *testing.T) {
	f := ratelimit.NewFailures(1)
	for i := range 200_000 {
		if within, _ := f.Charge(randomAddr(i), noon); !within {
			t.Fatalf("client %d fails for the first time, and is refused", i)
		}
	}
}

// What a Failures takes is what its comment says: 1 MiB, and locks.
func TestFailuresSize(t *testing.T) {
	if size := unsafe.Sizeof(ratelimit.Failures{}); size < 1<<20 || size > 1<<20+8<<10 {
		t.Errorf("%d bytes; want 1 MiB and a little", size)
	}
}

func TestFailuresConcurrently(t *testing.T) {
	f := ratelimit.NewFailures(100)
	a := addrs("192.0.2.1")[0]
	var within atomic.Int64
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := range 1000 {
				if ok, _ := f.Charge(a, noon); ok {
					within.Add(1)
				}
				f.Charge(randomAddr(i*8+w), noon)
			}
		})
	}
	wg.Wait()
	if got := within.Load(); got != 100 {
		t.Errorf("%d of 8,000 at once were within, want 100", got)
	}
}

// randomAddr returns the i-th of many addresses, each in a /64 of its own.
func randomAddr(i int) netip.Addr {
	var a [16]byte
	binary.BigEndian.PutUint64(a[:], 0x2001_0db8<<32|uint64(i))
	return netip.AddrFrom16(a)
}

// Peek says what Charge would, and changes nothing: at any time and for any
// client, also while the clock is set back.
func TestPeekIsChargeThatChangesNothing(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	f := ratelimit.NewFailures(3)
	now, refused := time.Now(), 0
	for i := range 20_000 {
		now = now.Add(time.Duration(r.IntN(4)-1) * time.Duration(r.IntN(10_000)) * time.Millisecond)
		addr := netip.AddrFrom4([4]byte{203, 0, 113, byte(r.IntN(4))})
		if r.IntN(3) == 0 {
			addr = netip.AddrFrom16([16]byte{0x20, 0x01, 7: byte(r.IntN(3)), 15: byte(i)})
		}
		within, after := f.Peek(addr, now)
		for range r.IntN(10) {
			f.Peek(addr, now.Add(time.Duration(r.IntN(100))*time.Second))
		}
		if w, a := f.Peek(addr, now); w != within || a != after {
			t.Fatalf("step %d: Peek = %v, %d and then %v, %d", i, within, after, w, a)
		}
		if r.IntN(2) == 0 {
			continue
		}
		if w, a := f.Charge(addr, now); w != within || a != after {
			t.Fatalf("step %d: Peek = %v, %d; Charge = %v, %d", i, within, after, w, a)
		}
		if !within {
			refused++
		}
	}
	if refused < 1000 {
		t.Errorf("only %d were refused", refused)
	}
}
