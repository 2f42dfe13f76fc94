package shared

import (
	"strings"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/internal/redis"
	"github.com/socialpatra/keygate/ratelimit"
)

// SetClock has the script read the engine's clock, in microseconds, from a key.
func (l *Limiter) SetClock(key string) {
	const clock = "redis.call('TIME')"
	if strings.Count(takeSource, clock) != 1 {
		panic("take.lua does not read the clock once")
	}
	l.engine.take = redis.NewScript(strings.Replace(takeSource, clock, "{0, redis.call('GET', '"+key+"')}", 1))
}

// Charge is Take without memory.
func (l *Limiter) Charge(id apikey.ID, caps ratelimit.Caps, cost int) (ratelimit.Result, error) {
	r, err := l.engine.charge(id, &caps, cost, 0)
	return r.result(cost), err
}

func (l *Limiter) Sweep(now time.Time) { l.sweep(now) }

// Remembered returns how many keys and workspaces are remembered.
func (l *Limiter) Remembered() (keys, workspaces int) {
	for i := range l.memory.keys.shards {
		keys += len(l.memory.keys.shards[i].entries)
		workspaces += len(l.memory.workspaces.shards[i].entries)
	}
	return keys, workspaces
}

const MaxRemembered = shardCount * shardSize
