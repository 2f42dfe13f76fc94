package redisstore

import "github.com/socialpatra/keygate/internal/redis"

// marksLive is for how long a mark stays where nobody removes it: longer than a
// call can be on its way, and than a fleet is without any gateway.
const marksLive = "604800000" // milliseconds

// foreign stands for the record of a key that is of another type than a string.
const foreign, foreignInLua = "\x00foreign", `'\0foreign'`

// swapScript makes a change of one record, which is as the caller has read it. It
// returns 1 where it was, or the change had been made; 0 where the record is
// another; and 2 where the change was given up. KEYS: record, use, marks, seen. ARGV:
// the record as read, "" for none; the new one, "" to delete; the change; then what
// changes in seen, see seenChanges.
var swapScript = redis.NewScript(changeSeen + `
local mark = redis.call('HGET', KEYS[3], ARGV[3])
if mark then return mark == 'done' and 1 or 2 end
local have = redis.pcall('GET', KEYS[1]) or ''
if type(have) == 'table' then have = ` + foreignInLua + ` end
if have ~= ARGV[1] then return 0 end
if ARGV[2] == '' then
  redis.call('DEL', KEYS[1], KEYS[2], KEYS[4])
else
  redis.call('SET', KEYS[1], ARGV[2])
  changeSeen(KEYS[4], ARGV[1] == '')
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

// undoScript removes the record that a change has made, and closes the change. If the
// record was changed since, it stays, and so does the mark of the change. The result
// says whose the record is then: nobody's (""), this change's or another's. KEYS:
// record, use, marks, seen. ARGV: the change, the SHA-1 of the record that it made.
var undoScript = redis.NewScript(`
local have = redis.call('GET', KEYS[1])
if redis.call('HGET', KEYS[3], ARGV[1]) == 'done' then
  if have and redis.sha1hex(have) ~= ARGV[2] then return 'this' end
  redis.call('DEL', KEYS[1], KEYS[2], KEYS[4])
  have = false
end
redis.call('HSET', KEYS[3], ARGV[1], 'closed')
redis.call('PEXPIRE', KEYS[3], ` + marksLive + `)
return have and 'another' or ''
`)

// noteScript notes a page of a change before any of it is made. It returns 1, and how
// often any key was entered until then; 0 where the change is no longer under way; or
// 2, how many live keys the workspace has, and how many more are reserved, where there
// is no room for the change. KEYS: meta, pending, steps, workspaces, revoked, expires,
// until, reserved, entered. ARGV: the change, the page, the keys concerned, the steps;
// then, for a change that adds live keys, the bound, 0 for none, how many of those
// concerned are live after it, the IDs of those that it adds, the workspace, and when,
// in Unix seconds.
//
// Records are in other slots than these keys, so a bound cannot be checked where they
// are changed. It is checked here, and the room is reserved in the same step. A key
// that is reserved counts as live, whatever the index says of it, for as long as the
// change is noted. That ends when all of the change is entered, which brings the index
// up to date in the same step, or with the note. So neither a lost answer nor a gateway
// that ends can leave room taken for ever, or let it be taken twice.
//
// A workspace with fewer keys than there is room for is not counted. Otherwise each
// of its keys costs up to three look-ups.
var noteScript = redis.NewScript(lost + clock + `
local page = tonumber(ARGV[2])
if page > 0 and redis.call('HEXISTS', KEYS[2], ARGV[1]) == 0 then return {0} end

local function isLive(id, at)
  local expires = redis.call('ZSCORE', KEYS[6], id)
  if expires then return tonumber(expires) > at end
  if redis.call('ZSCORE', KEYS[5], id) then return false end
  local ends = redis.call('ZSCORE', KEYS[7], id)
  return not ends or tonumber(ends) > at
end

if ARGV[5] then
  local max, after, adds, ws, at = tonumber(ARGV[5]), tonumber(ARGV[6]), ARGV[7], ARGV[8], tonumber(ARGV[9])
  local own, reserved, taken, all = {}, {}, 0, redis.call('HGETALL', KEYS[8])
  for id in string.gmatch(ARGV[3], '[^,]+') do own[id] = true end
  for i = 1, #all, 2 do
    local ids, of = string.match(all[i + 1], '^(%S+) (.*)$')
    if redis.call('HEXISTS', KEYS[2], all[i]) == 0 then
      redis.call('HDEL', KEYS[8], all[i])
    elseif of == ws then
      for id in string.gmatch(ids, '[^,]+') do
        if not own[id] and not reserved[id] then taken = taken + 1 end
        reserved[id] = true
      end
    end
  end

  local function count()
    local n, from = 0, '[' .. ws .. '\0'
    while true do
      local members = redis.call('ZRANGEBYLEX', KEYS[4], from, '(' .. ws .. '\1', 'LIMIT', 0, 1000)
      for _, member in ipairs(members) do
        local id = string.sub(member, #ws + 2)
        if not own[id] and not reserved[id] and isLive(id, at) then n = n + 1 end
      end
      if #members < 1000 then return n end
      from = '(' .. members[#members]
    end
  end

  local room = max - after - taken
  local some = room < 0 and 1 or #redis.call('ZRANGEBYLEX', KEYS[4], '[' .. ws .. '\0', '(' .. ws .. '\1', 'LIMIT', 0, room + 1)
  if max > 0 and some > room then
    local live = count()
    if live > room then return {2, live, taken} end
  end
  redis.call('HSET', KEYS[8], ARGV[1], adds .. ' ' .. ws)
end
redis.call('HSET', KEYS[3], ARGV[1] .. '/' .. ARGV[2], '0 ' .. ARGV[4])
redis.call('HSET', KEYS[2], ARGV[1], now() .. ' ' .. (page + 1) .. ' ' .. ARGV[3])
return {1, tonumber(redis.call('HGET', KEYS[9], '') or '0')}
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
// page of it since the caller has looked. KEYS: meta, pending, steps, reserved,
// entered. ARGV: the change, and of each page how often it was entered.
var clearScript = redis.NewScript(`
local fields = {}
for i = 2, #ARGV do
  fields[i - 1] = ARGV[1] .. '/' .. (i - 2)
  local have = redis.call('HGET', KEYS[3], fields[i - 1])
  if not have or string.match(have, '^%d+') ~= ARGV[i] then return 0 end
end
redis.call('HDEL', KEYS[3], unpack(fields))
redis.call('HDEL', KEYS[2], ARGV[1])
redis.call('HDEL', KEYS[4], ARGV[1])
if redis.call('EXISTS', KEYS[2]) == 0 then redis.call('DEL', KEYS[5]) end
return 1
`)
