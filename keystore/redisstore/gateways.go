package redisstore

import (
	"fmt"
	"strconv"
	"time"

	"github.com/socialpatra/keygate/internal/redis"
)

// A gateway says every second that it is there, and is counted for a while
// after it has last done so.
const (
	presentEvery = time.Second
	presentFor   = 10 * time.Second
)

// inspectEvery is how often a gateway asks what the engine has dropped, and what
// its user may not do: in seconds that it is there.
const inspectEvery = 10

// presentScript notes that a gateway is there, by the engine's clock, and returns
// how many are, and that clock: seconds, microseconds. KEYS: gateways. ARGV: its
// name, seconds it counts for.
var presentScript = redis.NewScript(`
local time = redis.call('TIME')
local now = tonumber(time[1])
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - tonumber(ARGV[2]))
return {redis.call('ZCARD', KEYS[1]), time[1], time[2]}
`)

// Gateways returns how many gateways have the store open, this one included, as
// far as the engine has last told: at least 1. One that was killed counts for ten
// seconds more. While the engine is away the number stays as it was.
func (s *Store) Gateways() int { return max(1, int(s.gateways.Load())) }

// State is what a gateway knows of its engine.
type State struct {
	Away      bool
	Heartbeat time.Duration // since the last one that was answered was sent; less than 0: none was
	Gateways  int
	Skew      time.Duration // by how much this machine's clock is ahead of the engine's
	Evicted   int64         // keys that the engine has dropped since it started, as its memory was full
}

// State returns what this gateway knows of the engine. It asks nobody.
func (s *Store) State() State {
	return State{
		Away: s.conn.Away() != nil, Heartbeat: s.tracking.SinceProof(), Gateways: s.Gateways(),
		Skew: time.Duration(s.skew.Load()), Evicted: s.evicted.Load(),
	}
}

// beThere says that this gateway is there.
func (s *Store) beThere() {
	asked := time.Now()
	m, err := s.conn.Run(presentScript, []string{s.names.gateways}, []string{s.gateway, strconv.Itoa(int(presentFor / time.Second))})
	if err != nil {
		return
	}
	took := time.Since(asked)
	told, err := m.ToArray()
	if err != nil || len(told) != 3 {
		return
	}
	n, _ := told[0].AsInt64()
	seconds, _ := told[1].AsInt64()
	micros, _ := told[2].AsInt64()
	s.gateways.Store(n)
	s.skew.Store(int64(asked.Add(took / 2).Sub(time.Unix(seconds, micros*int64(time.Microsecond)))))
}

// inspect asks for what an engine may come to do while it is in use.
func (s *Store) inspect() {
	if s.conn.Away() != nil {
		return
	}
	if n, ok := s.conn.Evicted(); ok {
		s.evicted.Store(n)
	}
	lacking := s.conn.Lacking()
	if len(lacking) == 0 {
		s.lacking.Store(nil)
		return
	}
	err := fmt.Errorf("%w: its user may not do all that is needed: %s", redis.ErrUnavailable, redis.LacksText(lacking))
	s.lacking.Store(&err)
}

// present keeps saying that this gateway is there, until it is closed.
func (s *Store) present() {
	ticker := time.NewTicker(presentEvery)
	defer ticker.Stop()
	for n := 0; ; n++ {
		if n%inspectEvery == 0 {
			s.inspect()
		}
		select {
		case <-s.closing:
			_, _ = s.conn.Do(s.conn.B().Zrem().Key(s.names.gateways).Member(s.gateway).Build()) // it counts for a while if this fails
			return
		case <-ticker.C:
		}
		s.beThere()
	}
}
