package redisstore

import "github.com/socialpatra/keygate/internal/redis"

// All scripts about an outbox have the KEYS meta, outboxes, lease, outbox. The state in
// outboxes is its place, a space, and when it was last wanted, in Unix seconds.

// leasing takes or keeps the lease. The time of the engine decides when it ends.
const leasing = `
local function lease(name, holder, seen, live)
  local have = redis.call('GET', KEYS[3])
  if have and have ~= holder then return nil end
  local state = redis.call('HGET', KEYS[2], name)
  local place = state and string.match(state, '^(%d+) ')
  if not place then
    if not live.new then return nil end
    place = redis.call('HGET', KEYS[1], 'seq') or '0'
  end
  if live.new and tonumber(place) > tonumber(redis.call('HGET', KEYS[1], 'seq') or '0') then
    place = redis.call('HGET', KEYS[1], 'seq') or '0'
  end
  redis.call('SET', KEYS[3], holder, 'PX', live.ms)
  redis.call('HSET', KEYS[2], name, place .. ' ' .. seen)
  return place
end
`

// openOutboxScript returns the place of an outbox, "" where another holds it. ARGV: its
// name, holder, now in Unix seconds, how long it is held in milliseconds.
var openOutboxScript = redis.NewScript(lost + leasing + `
return lease(ARGV[1], ARGV[2], ARGV[3], {new = true, ms = ARGV[4]}) or ''
`)

// keepOutboxScript is the same for an outbox that there is. ARGV: as above.
var keepOutboxScript = redis.NewScript(lost + leasing + `
return lease(ARGV[1], ARGV[2], ARGV[3], {ms = ARGV[4]}) and 1 or 0
`)

// changeOutboxScript makes one step. ARGV: name, holder, place before, place after, how
// many messages follow, each with field and record, then the fields of those to drop.
var changeOutboxScript = redis.NewScript(lost + `
if redis.call('GET', KEYS[3]) ~= ARGV[2] then return 0 end
local state = redis.call('HGET', KEYS[2], ARGV[1])
local place, seen = string.match(state or '', '^(%d+) (%d+)$')
if place ~= ARGV[3] then return 0 end
redis.call('HSET', KEYS[2], ARGV[1], ARGV[4] .. ' ' .. seen)
local n = 5 + 2 * tonumber(ARGV[5])
for i = 6, n, 2 do redis.call('HSET', KEYS[4], ARGV[i], ARGV[i + 1]) end
for i = n + 1, #ARGV do redis.call('HDEL', KEYS[4], ARGV[i]) end
return 1
`)

// leaveOutboxScript ends a lease. ARGV: holder.
var leaveOutboxScript = redis.NewScript(`
if redis.call('GET', KEYS[3]) == ARGV[1] then redis.call('DEL', KEYS[3]) end
return 1
`)

// forgetOutboxScript removes an outbox that nobody has wanted since, and returns how
// many messages were in it. ARGV: name, since when in Unix seconds.
var forgetOutboxScript = redis.NewScript(lost + `
local seen = string.match(redis.call('HGET', KEYS[2], ARGV[1]) or '', '^%d+ (%d+)$')
if not seen or tonumber(seen) >= tonumber(ARGV[2]) then return 0 end
local n = redis.call('HLEN', KEYS[4])
redis.call('HDEL', KEYS[2], ARGV[1])
redis.call('DEL', KEYS[3], KEYS[4])
return n
`)
