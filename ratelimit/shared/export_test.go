package shared

import (
	"strings"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/internal/redis"
	"github.com/socialpatra/keygate/ratelimit"
)

// clocked stands between the script and an engine: it reads the clock, in
// microseconds, from the key CLOCK, and where EXPIRING is 1 drops by that clock
// what the script has expire.
const clocked = `
local engine, clock_key, expiring = redis, 'CLOCK', 'EXPIRING' == '1'
local redis = {call = function(name, key, ...)
  local now = tonumber(engine.call('GET', clock_key))
  if name == 'TIME' then
    return {string.format('%d', math.floor(now / 1000000)), string.format('%d', now % 1000000)}
  end
  local due = engine.call('HGET', 'expires', key)
  if expiring and due and now >= tonumber(due) then
    engine.call('DEL', key)
    engine.call('HDEL', 'expires', key)
  end
  if name == 'PEXPIRE' then
    engine.call('HSET', 'expires', key, string.format('%.0f', now + 1000 * ...))
  end
  return engine.call(name, key, ...)
end}
`

// SetClock has the script read the engine's clock, in microseconds, from a key.
// Nothing expires.
func (l *Limiter) SetClock(key string) { l.setClock(key, "0") }

// SetClockAndExpire is SetClock, and what expires does so by that clock. The
// hash "expires" has when, in microseconds.
func (l *Limiter) SetClockAndExpire(key string) { l.setClock(key, "1") }

func (l *Limiter) setClock(key, expiring string) {
	l.engine.take = redis.NewScript(strings.NewReplacer("CLOCK", key, "EXPIRING", expiring).Replace(clocked) + takeSource)
}

// Charge is Take without memory.
func (l *Limiter) Charge(id apikey.ID, caps ratelimit.Caps, cost int) (ratelimit.Result, error) {
	r, err := l.engine.charge(id, &caps, cost, 0)
	return r.result(cost), err
}

// Lend is Charge that also asks for units to lend. It returns how many there
// were; in the Result, they are charged.
func (l *Limiter) Lend(id apikey.ID, caps ratelimit.Caps, cost, lend int) (ratelimit.Result, int, error) {
	r, err := l.engine.charge(id, &caps, cost, lend)
	return r.result(cost), int(r.lent), err
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
