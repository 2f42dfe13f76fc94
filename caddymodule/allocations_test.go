package caddymodule

import (
	"net/http"
	"testing"
	"unsafe"
)

// mostAllocations is how often the whole handler may allocate for an answer,
// its headers included.
var mostAllocations = map[string]float64{
	"allowed":            3,
	"bad_checksum":       5,
	"unknown_id":         5,
	"insufficient_scope": 11,
	"rate_limited":       14,
}

// allocations is how often f allocates, at the least of three measurements: where the
// machine is slow, seconds pass in one, and what the store does once a second counts too.
func allocations(f func()) float64 {
	return min(testing.AllocsPerRun(1000, f), testing.AllocsPerRun(1000, f), testing.AllocsPerRun(1000, f))
}

// TestServeHTTPAllocations tells of the allocations how many http.Header.Set
// takes for the same headers when their values are at hand, and how many values
// are not, but are made for each answer.
func TestServeHTTPAllocations(t *testing.T) {
	for _, e := range endings {
		most, ok := mostAllocations[e.name]
		if !ok {
			continue
		}
		t.Run(e.name, func(t *testing.T) {
			h, credential := e.start(t)
			c := newCaller(h)
			got := allocations(func() { c.send(credential) })

			before := c.headers()
			c.send(credential)
			after := c.headers()
			made := 0
			for name := range after {
				if unsafe.StringData(before[name]) != unsafe.StringData(after[name]) {
					made++
				}
			}
			again := make(http.Header)
			set := allocations(func() {
				clear(again)
				for name, value := range after {
					again.Set(name, value)
				}
			})
			t.Logf("%v allocations: %v set headers, %d make values of them", got, set, made)
			if got > most {
				t.Errorf("%v allocations, want at most %v; setting the headers alone takes %v", got, most, set)
			}
		})
	}
}

// headers returns what the handler has set for the client.
func (c *caller) headers() map[string]string {
	set := make(map[string]string)
	for name, values := range c.w.header {
		set[name] = values[0]
	}
	return set
}

// TestAnswerSize holds the memory of a request in a size class of Go's allocator,
// which puts a word before what has pointers. Each byte of it is cleared for each
// request, and brings the garbage collector's next run nearer.
func TestAnswerSize(t *testing.T) {
	if size := unsafe.Sizeof(answer{}); size > 896-8 {
		t.Errorf("%d bytes; want at most %d", size, 896-8)
	}
}

// TestDecideAllocatesNothing is about the decision with its limits, on a store.
func TestDecideAllocatesNothing(t *testing.T) {
	for _, together := range workspaceCaps {
		for _, e := range endings {
			t.Run(e.name+"/"+together.name, func(t *testing.T) {
				h, credential := e.start(t)
				d := newDecider(t, h, together.limits)
				d.q.Authorization = credential
				want := d.decide()
				if n := allocations(func() { d.decide() }); n != 0 {
					t.Errorf("%s: %v allocations", want, n)
				}
			})
		}
	}
}
