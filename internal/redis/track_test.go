//go:build fleet

package redis

import (
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/socialpatra/keygate/internal/redis/redistest"
)

// TestBeatRate has something in the engine's place that ends every connection:
// it must not be asked without pause.
func TestBeatRate(t *testing.T) {
	server := redistest.Start(t)
	c, err := Dial(Config{Addresses: []string{server.Addr}, Heartbeat: 50 * time.Millisecond, Timeout: patience})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	tracking, err := c.Track([]string{"a"}, func(string) {}, Beat{
		Ask:   func(rueidis.Builder) []rueidis.Completed { return nil },
		Heard: func([]Reply) error { return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer tracking.Close()
	server.Kill9()
	listener, err := net.Listen("tcp", server.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	var accepted atomic.Int64
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			accepted.Add(1)
			conn.Close()
		}
	}()
	redistest.Until(t, "it is asked again", func() bool { return accepted.Load() > 0 })
	before, start := accepted.Load(), time.Now()
	redistest.Until(t, "it was asked for a while", func() bool { return time.Since(start) > 300*time.Millisecond })
	// One attempt may connect more than once, to ask for an older protocol.
	if n, most := accepted.Load()-before, 3*int64(time.Since(start)/beatPause); n > most {
		t.Errorf("%d connections in %s; want at most %d", n, time.Since(start), most)
	}
	if c.Away() == nil {
		t.Error("the engine is not said to be away")
	}
}
