package redisstore

import "github.com/socialpatra/keygate/internal/redis"

// marksLive is for how long a mark stays where nobody removes it: longer than a
// call can be on its way, and than a fleet is without any gateway.
const marksLive = "604800000" // milliseconds

// foreign stands for the record of a key that is of another type than a string.
const foreign, foreignInLua = "\x00foreign", `'\0foreign'`

// swapScript makes a change of one record, which is as the caller has read it. It
// returns 1 where it was, or the change had been made; 0 where the record is
// another; and 2 where the change was given up. KEYS: record, use, marks. ARGV:
// the record as read, "" for none; the new one, "" to delete; the change.
var swapScript = redis.NewScript(`
local mark = redis.call('HGET', KEYS[3], ARGV[3])
if mark then return mark == 'done' and 1 or 2 end
local have = redis.pcall('GET', KEYS[1]) or ''
if type(have) == 'table' then have = ` + foreignInLua + ` end
if have ~= ARGV[1] then return 0 end
if ARGV[2] == '' then
  redis.call('DEL', KEYS[1], KEYS[2])
else
  redis.call('SET', KEYS[1], ARGV[2])
end
redis.call('HSET', KEYS[3], ARGV[3], 'done')
redis.call('PEXPIRE', KEYS[3], ` + marksLive + `)
return 1
`)

// closeScript returns the mark of a change. Where there is none, the change of
// this record is closed, so that it fails if its call is still to come; or left,
// where ARGV says so. KEYS: record, marks. ARGV: the change, "close" or "ask".
var closeScript = redis.NewScript(`
local mark = redis.call('HGET', KEYS[2], ARGV[1])
if not mark and ARGV[2] == 'close' then
  mark = 'closed'
  redis.call('HSET', KEYS[2], ARGV[1], mark)
  redis.call('PEXPIRE', KEYS[2], ` + marksLive + `)
end
return mark or ''
`)

// undoScript removes a record that a change has made, unless it was changed
// since, and closes the change. It returns whose the record is after it: of
// nobody (""), of this change or of another. KEYS: record, use, marks. ARGV: the
// change, the SHA-1 of the record that it made.
var undoScript = redis.NewScript(`
local have = redis.call('GET', KEYS[1])
if redis.call('HGET', KEYS[3], ARGV[1]) == 'done' then
  if have and redis.sha1hex(have) ~= ARGV[2] then return 'this' end
  redis.call('DEL', KEYS[1], KEYS[2])
  have = false
end
redis.call('HSET', KEYS[3], ARGV[1], 'closed')
redis.call('PEXPIRE', KEYS[3], ` + marksLive + `)
return have and 'another' or ''
`)

// lost is what scripts check first: after its data is gone, a store must not
// begin anew with what happens to be changed next.
const lost = `
if redis.call('HEXISTS', KEYS[1], 'schema') == 0 then
  return redis.error_reply('LOST the engine has lost the data of the key store')
end
`

// noteScript notes a page of a change before any of it is made, and returns
// whether it is still under way. KEYS: meta, pending, steps. ARGV: the change,
// the page, the keys concerned, the steps.
var noteScript = redis.NewScript(lost + clock + `
local page = tonumber(ARGV[2])
if page > 0 and redis.call('HEXISTS', KEYS[2], ARGV[1]) == 0 then return 0 end
redis.call('HSET', KEYS[3], ARGV[1] .. '/' .. ARGV[2], '0 ' .. ARGV[4])
redis.call('HSET', KEYS[2], ARGV[1], now() .. ' ' .. (page + 1) .. ' ' .. ARGV[3])
return 1
`)

// clock is the engine's, as the text of its milliseconds.
const clock = `
local function now()
  local t = redis.call('TIME')
  return string.format('%d%03d', t[1], math.floor(t[2] / 1000))
end
`

// touchScript tells that a change is still being made. KEYS: meta, pending. ARGV:
// the change, its pages, the keys concerned.
var touchScript = redis.NewScript(clock + `
if redis.call('HEXISTS', KEYS[2], ARGV[1]) == 0 then return 0 end
redis.call('HSET', KEYS[2], ARGV[1], now() .. ' ' .. ARGV[2] .. ' ' .. ARGV[3])
return 1
`)

// pendingScript returns the engine's clock in milliseconds, and all of pending. KEYS:
// meta, pending.
var pendingScript = redis.NewScript(clock + `
local all = redis.call('HGETALL', KEYS[2])
table.insert(all, 1, now())
return all
`)

// clearScript forgets a change that is complete: unless somebody has entered a
// page of it since the caller has looked. KEYS: meta, pending, steps. ARGV: the
// change, and of each page how often it was entered.
var clearScript = redis.NewScript(`
local fields = {}
for i = 2, #ARGV do
  fields[i - 1] = ARGV[1] .. '/' .. (i - 2)
  local have = redis.call('HGET', KEYS[3], fields[i - 1])
  if not have or string.match(have, '^%d+') ~= ARGV[i] then return 0 end
end
redis.call('HDEL', KEYS[3], unpack(fields))
redis.call('HDEL', KEYS[2], ARGV[1])
return 1
`)

// enterScript brings the administration up to date with the records of a page of
// a change, and returns whether it did: not where somebody else has entered it
// meanwhile. The trail gets its entries with the first time. KEYS: see adminKeys.
// ARGV: the page's field of steps, how often it was entered, then for each record
// the seven of entry.args.
var enterScript = redis.NewScript(lost + `
local meta, ids, workspaces, disabled, revoked, expires, opaque, used, audit, bykey, steps = unpack(KEYS)
local step = redis.call('HGET', steps, ARGV[1])
if not step then return 0 end
local times, rest = string.match(step, '^(%d+)( .*)$')
if times ~= ARGV[2] then return 0 end
for i = 3, #ARGV, 7 do
  local op, id, ws, state, at, hash, entry = unpack(ARGV, i, i + 6)
  if op ~= '' then
    redis.call('ZREM', disabled, id)
    redis.call('ZREM', revoked, id)
    redis.call('ZREM', expires, id)
  end
  if op == 'put' then
    redis.call('ZADD', ids, 0, id)
    redis.call('ZADD', workspaces, 0, ws .. '\0' .. id)
    if state == 'revoked' then
      redis.call('ZADD', revoked, 0, id)
    elseif state == 'disabled' then
      redis.call('ZADD', disabled, 0, id)
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
    local seq = redis.call('HINCRBY', meta, 'seq', 1)
    redis.call('ZADD', audit, seq, string.format('%.0f', seq) .. ' ' .. entry)
    if id ~= '' then redis.call('ZADD', bykey, 0, id .. ':' .. string.format('%020.0f', seq)) end
  end
end
redis.call('HSET', steps, ARGV[1], string.format('%d', times + 1) .. rest)
return 1
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
// read them. KEYS: meta, limits, audit. ARGV: workspace, old, new, entry.
var limitsScript = redis.NewScript(lost + `
local have = redis.call('HGET', KEYS[2], ARGV[1]) or ''
if have ~= ARGV[2] then return 0 end
if ARGV[3] == '' then
  redis.call('HDEL', KEYS[2], ARGV[1])
else
  redis.call('HSET', KEYS[2], ARGV[1], ARGV[3])
end
local seq = redis.call('HINCRBY', KEYS[1], 'seq', 1)
redis.call('ZADD', KEYS[3], seq, string.format('%.0f', seq) .. ' ' .. ARGV[4])
return 1
`)

// useScript adds to, or raises, the five counts of days of a key, unless there
// is no such key. Numbers stay text where they are not added, for Lua's are
// exact only up to 2^53. KEYS: record, use. ARGV: "add" or "max", then a day
// and its five counts, and so on.
var useScript = redis.NewScript(`
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
local function higher(a, b) if tonumber(a) > tonumber(b) then return a end return b end
local last = redis.call('HGET', KEYS[2], 'last') or '0'
for i = 2, #ARGV, 6 do
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

// createScript begins a store where there is none. KEYS: meta, ids. ARGV:
// schema, created, a name that no other store has. It returns the schema and the
// name that there are.
var createScript = redis.NewScript(`
local schema = redis.call('HGET', KEYS[1], 'schema')
if not schema then
  if redis.call('EXISTS', KEYS[2]) == 1 then
    return redis.error_reply('LOST the engine has lost a part of the data of the key store: {prefix}:meta is gone')
  end
  schema = ARGV[1]
  redis.call('HSET', KEYS[1], 'schema', schema, 'created', ARGV[2], 'name', ARGV[3], 'seq', 0)
end
return {schema, redis.call('HGET', KEYS[1], 'name') or ''}
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

// pruneScript removes entries from the trail and from the trails of keys. KEYS:
// audit, auditByKey. ARGV: how many entries follow, these, then their members in
// auditByKey.
var pruneScript = redis.NewScript(`
local n = tonumber(ARGV[1])
for i = 2, #ARGV do redis.call('ZREM', i <= n + 1 and KEYS[1] or KEYS[2], ARGV[i]) end
return 1
`)

// brandScript records a brand, unless it is recorded. KEYS: meta. ARGV: brand.
var brandScript = redis.NewScript(lost + `
if (redis.call('HGET', KEYS[1], 'brand') or '') ~= ARGV[1] then redis.call('HSET', KEYS[1], 'brand', ARGV[1]) end
return 1
`)
