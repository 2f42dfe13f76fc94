package redisstore

import "github.com/socialpatra/keygate/internal/redis"

// lost is what scripts check first: after its data is gone, a store must not
// begin anew with what happens to be changed next.
const lost = `
if redis.call('HEXISTS', KEYS[1], 'schema') == 0 then
  return redis.error_reply('LOST the engine has lost the data of the key store')
end
`

// sizes notes what there has to be, see beatScript.
const sizes = `
local function sizes(meta, ids, opaque)
  redis.call('HSET', meta, 'ids', redis.call('ZCARD', ids), 'opaque', redis.call('HLEN', opaque))
end
`

// beatScript is asked with every heartbeat. It returns the name of the store, how
// many changes are under way, what is gone although the store has some of it, and
// whether there are audit entries without a place: an engine that drops keys when its
// memory is full takes whole indexes. KEYS: meta, pending, ids, opaque, limits.
const beatScript = `
local meta = redis.call('HMGET', KEYS[1], 'name', 'ids', 'opaque', 'limits', 'seq', 'placed')
local gone = ''
for i = 2, 4 do
  if tonumber(meta[i] or '0') > 0 and redis.call('EXISTS', KEYS[i + 1]) == 0 then gone = KEYS[i + 1] end
end
local unplaced = (meta[5] or '0') ~= (meta[6] or '0') and 1 or 0
return {meta[1] or '', redis.call('HLEN', KEYS[2]), gone, unplaced}
`

// enterScript brings the administration up to date with the records of a page of
// a change. It returns nothing where somebody else has entered the page meanwhile.
// Otherwise it returns how often any key was entered until now, and which of the
// records, from 1, were not: those whose keys were entered for other changes since
// the caller has read them. So the index never goes back to what a record was before,
// and the count of live keys can rely on it. The trail gets its entries with the first
// time. Where all are entered, what the change has reserved counts by the index from
// here on. KEYS: see enter. ARGV: the page's field of steps, how often it was entered,
// how often any key was when the records were read, then for each record the eight of
// entry.args.
//
// What was entered is only kept while other changes are under way: no change that
// begins later can have read a record before.
var enterScript = redis.NewScript(lost + sizes + placing + `
local meta, ids, workspaces, disabled, revoked, expires, opaque, used, audit, bykey, steps, until_, byws, places, reserved, pending, entered = unpack(KEYS)
local step = redis.call('HGET', steps, ARGV[1])
if not step then return {} end
local times, rest = string.match(step, '^(%d+)( .*)$')
if times ~= ARGV[2] then return {} end
local read, now = tonumber(ARGV[3]), tonumber(redis.call('HGET', entered, '') or '0')
local others = redis.call('HLEN', pending) > 1
if others then now = redis.call('HINCRBY', entered, '', 1) end
local answer = {now}
local place, store = placing(byws, places, bykey)
local seq = tonumber(redis.call('HGET', meta, 'seq') or '0')
local placed = tonumber(redis.call('HGET', meta, 'placed') or '0') == seq
for i = 4, #ARGV, 8 do
  local op, id, ws, state, at, hash, of, entry = unpack(ARGV, i, i + 7)
  if op ~= '' and now > read and tonumber(redis.call('HGET', entered, id) or '0') > read then
    op = ''
    answer[#answer + 1] = (i + 4) / 8
  elseif op ~= '' and others then
    redis.call('HSET', entered, id, string.format('%.0f', now))
  end
  if op ~= '' then
    redis.call('ZREM', disabled, id)
    redis.call('ZREM', revoked, id)
    redis.call('ZREM', expires, id)
    redis.call('ZREM', until_, id)
  end
  if op == 'put' then
    redis.call('ZADD', ids, 0, id)
    redis.call('ZADD', workspaces, 0, ws .. '\0' .. id)
    if state == 'revoked' then
      redis.call('ZADD', revoked, 0, id)
    elseif state == 'disabled' then
      redis.call('ZADD', disabled, 0, id)
      if at ~= '' then redis.call('ZADD', until_, at, id) end
    elseif at ~= '' then
      redis.call('ZADD', expires, at, id)
    end
    if hash ~= '' then redis.call('HSETNX', opaque, hash, id) end
  elseif op == 'del' then
    redis.call('ZREM', ids, id)
    redis.call('ZREM', workspaces, ws .. '\0' .. id)
    redis.call('ZREM', used, id)
    if hash ~= '' and redis.call('HGET', opaque, hash) == id then redis.call('HDEL', opaque, hash) end
  end
  if entry ~= '' and times == '0' then
    seq = seq + 1
    redis.call('ZADD', audit, seq, string.format('%.0f', seq) .. ' ' .. entry)
    if placed then place(seq, of, id) end
    if id ~= '' then redis.call('ZADD', bykey, 0, id .. ':' .. string.format('%020.0f', seq)) end
  end
end
store()
redis.call('HSET', meta, 'seq', string.format('%.0f', seq))
if placed then redis.call('HSET', meta, 'placed', string.format('%.0f', seq)) end
redis.call('HSET', steps, ARGV[1], string.format('%d', times + 1) .. rest)
if #answer == 1 then redis.call('HDEL', reserved, string.match(ARGV[1], '^(.*)/')) end
sizes(meta, ids, opaque)
return answer
`)

// reserveScript gives a hash to an ID, unless another has it, and returns who
// had it before; or "closed" where the change is no longer under way. KEYS: meta,
// opaque, pending. ARGV: hash, ID, whom to take it from, the change.
var reserveScript = redis.NewScript(lost + `
if redis.call('HEXISTS', KEYS[3], ARGV[4]) == 0 then return 'closed' end
local have = redis.call('HGET', KEYS[2], ARGV[1]) or ''
if have == ARGV[3] then redis.call('HSET', KEYS[2], ARGV[1], ARGV[2]) end
return have
`)

// limitsScript changes the limits of a workspace that are as the caller has
// read them. KEYS: meta, limits, audit, auditByWs, places. ARGV: workspace, old, new,
// entry.
var limitsScript = redis.NewScript(lost + placing + `
local have = redis.call('HGET', KEYS[2], ARGV[1]) or ''
if have ~= ARGV[2] then return 0 end
if ARGV[3] == '' then
  redis.call('HDEL', KEYS[2], ARGV[1])
else
  redis.call('HSET', KEYS[2], ARGV[1], ARGV[3])
end
redis.call('HSET', KEYS[1], 'limits', redis.call('HLEN', KEYS[2]))
local seq = redis.call('HINCRBY', KEYS[1], 'seq', 1)
redis.call('ZADD', KEYS[3], seq, string.format('%.0f', seq) .. ' ' .. ARGV[4])
if tonumber(redis.call('HGET', KEYS[1], 'placed') or '0') == seq - 1 then
  local place, store = placing(KEYS[4], KEYS[5])
  place(seq, ARGV[1], '')
  store()
  redis.call('HSET', KEYS[1], 'placed', string.format('%.0f', seq))
end
return 1
`)

// useScript adds to, or raises, the four counts of days of a key, and raises the times
// of its last use. It does nothing if there is no such key. Numbers that are not added
// stay text, because Lua's are exact only up to 2^53. KEYS: record, use, seen. ARGV:
// "add" or "max", how many days follow, a day with its four counts and its last use,
// and so on; then what was seen, see appendSeen.
var useScript = redis.NewScript(addSeen + `
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
local seen = 3 + 6 * tonumber(ARGV[2])
if ARGV[seen] then addSeen(KEYS[3], seen) end
local function higher(a, b) if tonumber(a) > tonumber(b) then return a end return b end
local last = redis.call('HGET', KEYS[2], 'last') or '0'
for i = 3, seen - 1, 6 do
  local have, now = {}, {}
  for n in string.gmatch(redis.call('HGET', KEYS[2], ARGV[i]) or '', '%S+') do
    have[#have + 1] = tonumber(n) and n or '0'
  end
  for j = 1, 5 do
    local h, n = have[j] or '0', ARGV[i + j]
    if ARGV[1] == 'add' and j < 5 then
      now[j] = string.format('%.0f', tonumber(h) + tonumber(n))
    else
      now[j] = higher(n, h)
    end
  end
  redis.call('HSET', KEYS[2], ARGV[i], table.concat(now, ' '))
  last = higher(ARGV[i + 5], last)
end
if last ~= '0' then redis.call('HSET', KEYS[2], 'last', last) end
return 1
`)

// usedScript notes which keys have use, and raises what workspaces were
// charged. KEYS: meta, ids, used, charged. ARGV: how many pairs of day and ID
// follow, these, then pairs of a field of charged and its value.
var usedScript = redis.NewScript(lost + `
local pairs = tonumber(ARGV[1])
for i = 2, 2 * pairs, 2 do
  local day = redis.call('ZSCORE', KEYS[3], ARGV[i + 1])
  if not day or tonumber(day) < tonumber(ARGV[i]) then redis.call('ZADD', KEYS[3], ARGV[i], ARGV[i + 1]) end
end
for i = 2 + 2 * pairs, #ARGV, 2 do
  local have = redis.call('HGET', KEYS[4], ARGV[i])
  if not have or tonumber(have) == nil or tonumber(have) < tonumber(ARGV[i + 1]) then
    redis.call('HSET', KEYS[4], ARGV[i], ARGV[i + 1])
  end
end
return 1
`)

// createScript begins a store where there is none. KEYS: meta, ids, opaque,
// limits. ARGV: schema, created, a name that no other store has, "create" or
// "find", today. An older schema becomes this one, which only adds to it. It returns the
// schema and the name that there are, none where none is to be created.
var createScript = redis.NewScript(sizes + `
local schema = redis.call('HGET', KEYS[1], 'schema')
if not schema then
  if redis.call('EXISTS', KEYS[2]) == 1 then
    return redis.error_reply('LOST the engine has lost a part of the data of the key store: {prefix}:meta is gone')
  end
  if ARGV[4] ~= 'create' then return {} end
  schema = ARGV[1]
  redis.call('HSET', KEYS[1], 'schema', schema, 'created', ARGV[2], 'name', ARGV[3], 'seq', 0)
end
local older = tonumber(schema)
if older and older < tonumber(ARGV[1]) then
  schema = ARGV[1]
  redis.call('HSET', KEYS[1], 'schema', schema)
end
if ARGV[4] == 'create' then
  sizes(KEYS[1], KEYS[2], KEYS[3])
  redis.call('HSET', KEYS[1], 'limits', redis.call('HLEN', KEYS[4]))
end
if schema == ARGV[1] and not tonumber(redis.call('HGET', KEYS[1], 'watched') or '') then
  redis.call('HSET', KEYS[1], 'watched', ARGV[5])
end
return {schema, redis.call('HGET', KEYS[1], 'name') or ''}
`)

// brandScript records a brand, unless it is recorded, or other gateways have
// another: then it returns that, and otherwise "". KEYS: meta, gateways. ARGV:
// brand, the gateway, seconds that one counts for.
var brandScript = redis.NewScript(lost + `
local have = redis.call('HGET', KEYS[1], 'brand') or ''
if have == ARGV[1] then return '' end
local since = tonumber(redis.call('TIME')[1]) - tonumber(ARGV[3])
local others = redis.call('ZCOUNT', KEYS[2], '(' .. since, '+inf')
if redis.call('ZSCORE', KEYS[2], ARGV[2]) then others = others - 1 end
if have ~= '' and others > 0 then return have end
redis.call('HSET', KEYS[1], 'brand', ARGV[1])
return ''
`)

// dropScript takes members from a set whose keys are not in the list of all, and
// returns how many. KEYS: ids, the set. ARGV: ID, member, and so on.
var dropScript = redis.NewScript(`
local n = 0
for i = 1, #ARGV, 2 do
  if not redis.call('ZSCORE', KEYS[1], ARGV[i]) then n = n + redis.call('ZREM', KEYS[2], ARGV[i + 1]) end
end
return n
`)
