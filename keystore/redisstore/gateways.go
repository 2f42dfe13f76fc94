package redisstore

import (
	"crypto/rand"
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

// presentScript notes that a gateway is there, by the engine's clock, and returns
// how many are. KEYS: gateways. ARGV: its name, seconds it counts for.
var presentScript = redis.NewScript(`
local now = tonumber(redis.call('TIME')[1])
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - tonumber(ARGV[2]))
return redis.call('ZCARD', KEYS[1])
`)

// Gateways returns how many gateways have the store open, this one included, as
// far as the engine has last told: at least 1. One that was killed counts for ten
// seconds more. While the engine is away the number stays as it was.
func (s *Store) Gateways() int { return max(1, int(s.gateways.Load())) }

// present keeps saying that this gateway is there, until it is closed.
func (s *Store) present() {
	name := rand.Text()
	ticker := time.NewTicker(presentEvery)
	defer ticker.Stop()
	for {
		if m, err := s.conn.Run(presentScript, []string{s.names.gateways}, []string{name, strconv.Itoa(int(presentFor / time.Second))}); err == nil {
			if n, err := m.AsInt64(); err == nil {
				s.gateways.Store(n)
			}
		}
		select {
		case <-s.closing:
			_, _ = s.conn.Do(s.conn.B().Zrem().Key(s.names.gateways).Member(name).Build()) // it counts for a while if this fails
			return
		case <-ticker.C:
		}
	}
}
