-- Charges a request to the limits of a key and, if KEYS names it, of its
-- workspace: all of them or none. The rules are those of Go's package
-- ratelimit, which a test holds this script to.
--
-- KEYS: the hash of the key; the hash of its workspace, if that has limits.
-- Both are in one slot.
-- ARGV: cost; units to lend beyond it, at most; 1 to write and 0 to look; of
-- the key per minute, burst, per day; the same of the workspace, 0 for no limit.
--
-- Returns 1 if the request passes, the units lent, the engine's clock in
-- microseconds, and for each hash: the parts of tokens in the bucket, the units
-- used today, and the day on which use begins at nothing again.
--
-- All numbers are whole, and but for a workspace's bucket of over 150 million
-- tokens below 2^53, where a double is exact.

-- A token has so many parts that in a microsecond per_minute of them refill.
local unit = 60000000
local day_length = 86400000000
local minute = 60000000

-- How long a hash outlives the day it counts: a clock that is set back by less
-- finds the count again. In that time every bucket fills.
local grace = 3600000

-- The longest count: the Go package keeps it in 32 bits.
local most = 4294967295

local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local today = math.floor(now / day_length)

local function hold(key, per_minute, burst, per_day)
  local v = redis.call('HMGET', key, 'tokens', 'per_minute', 'burst', 'last', 'high',
    'day', 'used', 'day_before', 'used_before', 'shown')
  local h = {key = key, per_day = per_day, limited = burst > 0, new_day = not v[1], changed = not v[1]}
  if v[1] then
    for i = 1, 10 do v[i] = tonumber(v[i]) end
  else
    v = {0, 0, 0, now, now, today, 0, -1, 0, today}
  end
  h.tokens, h.per_minute, h.burst, h.last, h.high = v[1], v[2], v[3], v[4], v[5]
  h.day, h.used, h.day_before, h.used_before, h.shown = v[6], v[7], v[8], v[9], v[10]

  -- Only time that is new refills. See clock.go of the Go package.
  local passed = 0
  if now >= h.high then
    passed = now - h.high
    h.last, h.high = now, now
  elseif now > h.last then
    passed = now - h.last
    h.last = now
  elseif now < h.last - minute then
    h.last = now
  end
  h.tokens = math.min(h.tokens + passed * h.per_minute, h.burst * unit)

  -- Time until here counted at the old rate. While a workspace has no limit per
  -- minute its bucket goes on as it was.
  if h.limited then
    if h.per_minute == 0 then h.tokens = burst * unit end
    h.tokens = math.min(h.tokens, burst * unit)
    h.changed = h.changed or h.per_minute ~= per_minute or h.burst ~= burst
    h.per_minute, h.burst = per_minute, burst
  end

  -- The use of two days is remembered, so that a clock that is set back and
  -- forward counts no day anew. See quota.go of the Go package.
  if today ~= h.shown then
    if today == h.day_before then
      h.day, h.used, h.day_before, h.used_before = h.day_before, h.used_before, h.day, h.used
    elseif today > h.shown and today ~= h.day then
      h.day, h.used, h.day_before, h.used_before = today, 0, h.day, h.used
      h.new_day = true
    end
    h.shown, h.changed = today, true
  end
  return h
end

-- left returns how many units there are. A token counts as there when it is due
-- within half a nanosecond, as in the Go package; it is then owed.
local function left(h)
  local n = most
  if h.limited then
    n = math.max(0, math.floor((h.tokens + math.floor(h.per_minute / 2000)) / unit))
  end
  if h.per_day > 0 then
    n = math.min(n, math.max(0, h.per_day - h.used))
  end
  return n
end

local function charge(h, units)
  if h.limited then h.tokens = h.tokens - units * unit end
  h.used = math.min(h.used + units, most)
end

local function save(h)
  redis.call('HSET', h.key, 'tokens', h.tokens, 'last', h.last, 'high', h.high, 'used', h.used)
  if h.changed then
    redis.call('HSET', h.key, 'per_minute', h.per_minute, 'burst', h.burst, 'day', h.day,
      'day_before', h.day_before, 'used_before', h.used_before, 'shown', h.shown)
  end
  if h.new_day then
    local over = (math.max(h.day, h.day_before) + 1) * day_length
    redis.call('PEXPIRE', h.key, math.ceil((over - now) / 1000) + grace)
  end
end

local function next_day(h)
  local day = h.shown + 1
  while day == h.day or day == h.day_before do day = day + 1 end
  return day
end

local n = {}
for i = 1, #ARGV do n[i] = tonumber(ARGV[i]) end
local cost, lend, write = n[1], n[2], n[3] == 1

local held = {hold(KEYS[1], n[4], n[5], n[6])}
if KEYS[2] then held[2] = hold(KEYS[2], n[7], n[8], n[9]) end

local units = most
for _, h in ipairs(held) do units = math.min(units, left(h)) end
local passes = cost <= units
if passes then
  -- The half that stays is for the other gateways.
  lend = math.min(lend, math.floor((units - cost) / 2))
  for _, h in ipairs(held) do charge(h, cost + lend) end
else
  lend = 0
end

local reply = {passes and 1 or 0, lend, now}
for _, h in ipairs(held) do
  if write then save(h) end
  reply[#reply + 1] = h.tokens
  reply[#reply + 1] = h.used
  reply[#reply + 1] = next_day(h)
end
return reply
