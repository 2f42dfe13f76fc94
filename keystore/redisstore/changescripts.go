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
